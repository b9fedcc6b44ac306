//! The house has floors, and imports go only downward. This test reads every
//! path in the source, so that a wrong arrow fails before anyone leans on it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Rooms from the ground up. Rooms of one entry never import each other.
/// `domain` lies below `crypto`, which speaks of its ids, times and roles.
const FLOORS: &[&[&str]] = &[
    &["clock", "config", "private_files"],
    &["telemetry"],
    &["domain"],
    &["crypto"],
    &["coordination", "storage", "mail", "payment", "files"],
    &["service"],
    &["transport", "jobs"],
    &["demo"],
    &["app"],
];

/// Crates that only some rooms may name.
const HELD: &[(&str, &[&str])] = &[
    ("diesel", &["storage"]),
    ("diesel_migrations", &["storage"]),
    ("actix_web", &["transport", "app", "demo"]),
    ("redis", &["coordination"]),
    ("lettre", &["mail"]),
];

/// Lower floors that a room leaves alone although they lie below it.
const LEFT_ALONE: &[(&str, &[&str])] = &[
    // Whatever the simulated people can do, a real caller can do.
    ("demo", &["service", "storage", "coordination", "transport", "jobs", "mail"]),
];

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// `src/service/tx.rs` -> service, tx
fn module_of(root: &Path, file: &Path) -> Vec<String> {
    let mut parts: Vec<String> = file
        .strip_prefix(root)
        .expect("below the root")
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// The text without comments and string contents.
fn code_only(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut in_string = false;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if in_string => {
                    chars.next();
                }
                '"' => in_string = !in_string,
                '/' if !in_string && chars.peek() == Some(&'/') => break,
                _ if in_string => {}
                _ => code.push(c),
            }
        }
        code.push('\n');
    }
    code
}

/// The first names behind `prefix`: one, or those of a group in braces.
fn names_behind(code: &str, at: usize) -> Vec<String> {
    let rest = &code[at..];
    let name =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    if !rest.starts_with('{') {
        return vec![name(rest)];
    }
    let (mut depth, mut names, mut fresh) = (0, Vec::new(), true);
    for (index, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ',' if depth == 1 => fresh = true,
            c if depth == 1 && fresh && !c.is_whitespace() => {
                names.push(name(&rest[index..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

/// Top-level rooms that a file names.
fn rooms_named(module: &[String], code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    let mut from = 0;
    while let Some(found) = code[from..].find("crate::") {
        let at = from + found;
        from = at + "crate::".len();
        let before = code[..at].chars().next_back();
        // `waystation_crate::` or `$crate::` of a macro: the latter counts too.
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        rooms.extend(names_behind(code, from));
    }
    from = 0;
    while let Some(found) = code[from..].find("super::") {
        let start = from + found;
        let mut at = start;
        let mut ups = 0;
        while code[at..].starts_with("super::") {
            ups += 1;
            at += "super::".len();
        }
        from = at;
        // Inside an inline module the first `super` is this file itself.
        let inline = code[..start].matches("\nmod tests {").count();
        let keep = (module.len() + inline).saturating_sub(ups);
        if keep == 0 {
            rooms.extend(names_behind(code, at));
        } else if let Some(room) = module.first() {
            rooms.insert(room.clone());
        }
    }
    rooms.retain(|room| !room.is_empty() && floor_of(room).is_some());
    rooms
}

fn complaints() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    let mut complaints = Vec::new();
    for file in files {
        let module = module_of(&root, &file);
        let Some(room) = module.first().filter(|room| *room != "main") else { continue };
        let shown = file.strip_prefix(&root).expect("below").display().to_string();
        let Some(floor) = floor_of(room) else {
            complaints.push(format!("{shown}: the room `{room}` stands on no floor"));
            continue;
        };
        let code = code_only(&std::fs::read_to_string(&file).expect("readable"));
        for named in rooms_named(&module, &code) {
            let other = floor_of(&named).expect("retained");
            let alone = LEFT_ALONE.iter().any(|(who, whom)| who == room && whom.contains(&named.as_str()));
            if (other > floor || (other == floor && named != *room)) || alone {
                complaints.push(format!("{shown}: `{room}` must not import `{named}`"));
            }
        }
        for (held, rooms) in HELD {
            let named = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == *held);
            if named && !rooms.contains(&room.as_str()) {
                complaints.push(format!("{shown}: only {rooms:?} may name `{held}`"));
            }
        }
    }
    complaints
}

#[test]
fn imports_go_only_downward() {
    let complaints = complaints();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_reader_of_paths_sees_groups_re_exports_and_relative_paths() {
    let module: Vec<String> = vec!["service".into(), "tx".into()];
    let code =
        code_only("use crate::{domain::ids::Id, transport};\npub use super::super::jobs::X; // crate::demo");
    let rooms: Vec<String> = rooms_named(&module, &code).into_iter().collect();
    assert_eq!(rooms, ["domain", "jobs", "transport"]);
    assert!(rooms_named(&module, &code_only("let x = \"crate::demo::y\";")).is_empty());
}

#[test]
fn files_stay_readable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let long: Vec<String> = files
        .iter()
        .filter(|file| !file.ends_with("schema.rs"))
        .filter_map(|file| {
            let lines = std::fs::read_to_string(file).expect("readable").lines().count();
            (lines > 450).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
