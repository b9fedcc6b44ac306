//! How the embedded SQLite should be compiled. The flags and their reasons are in
//! `.cargo/config.toml`, which only a build inside the project reads: `cargo install` loses them.
//! Nothing is wrong without them, but readers wait for the writer's lock and statements are planned
//! again at every run.

/// Options that `PRAGMA compile_options` must list.
const WANTED: &[&str] = &["DEFAULT_MEMSTATUS=0", "ENABLE_QPSG"];
/// Options that it must not list.
const UNWANTED: &[&str] = &["ENABLE_MEMORY_MANAGEMENT", "ENABLE_STAT4"];

/// What differs: `-ENABLE_QPSG` is missing, `+ENABLE_STAT4` is too much.
pub(crate) fn differences(compiled: &[String]) -> Vec<String> {
    let has = |option: &&&str| compiled.iter().any(|found| found == **option);
    let missing = WANTED.iter().filter(|option| !has(option)).map(|option| format!("-{option}"));
    let surplus = UNWANTED.iter().filter(has).map(|option| format!("+{option}"));
    missing.chain(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_flag_and_a_flag_too_many_are_named() {
        let compiled =
            |options: &[&str]| options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>();
        let ours = compiled(&["DEFAULT_MEMSTATUS=0", "ENABLE_QPSG", "THREADSAFE=1"]);
        assert!(differences(&ours).is_empty());
        let bundled = compiled(&["ENABLE_MEMORY_MANAGEMENT", "ENABLE_STAT4", "THREADSAFE=1"]);
        let wrong = ["-DEFAULT_MEMSTATUS=0", "-ENABLE_QPSG", "+ENABLE_MEMORY_MANAGEMENT", "+ENABLE_STAT4"];
        assert_eq!(differences(&bundled), wrong);
    }
}
