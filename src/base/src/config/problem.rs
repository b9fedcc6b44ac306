//! What is wrong with the settings, by key. A value is shown only where it
//! cannot be a secret.

use std::path::PathBuf;

use figment::error::{Actual, Error, Kind};

/// Settings whose value is never shown.
pub(super) const SECRETS: &[&str] = &["master_secret", "database_url", "redis_url", "metrics_token"];

/// One setting that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// Which, as a path: `policy.check_in.idle_seconds`.
    pub key: String,
    /// Why, and what is allowed.
    pub why: String,
}

impl SettingProblem {
    /// `key` is refused because of `why`.
    pub fn new(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self { key: key.into(), why: why.into() }
    }
}

impl std::fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.key, self.why)
    }
}

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Keys that are unknown, and values that cannot be read, are unsafe or cannot work.
    #[error("{}", lines(.0))]
    Refused(Vec<SettingProblem>),
    /// A file that a setting names cannot be read.
    #[error("setting `{key}`: {path}: {source}")]
    File {
        /// Which setting.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl ConfigError {
    /// The problems by key.
    pub fn problems(&self) -> Vec<SettingProblem> {
        match self {
            Self::Refused(problems) => problems.clone(),
            Self::File { key, path, source } => {
                vec![SettingProblem::new(*key, format!("{}: {source}", path.display()))]
            }
        }
    }
}

fn lines(problems: &[SettingProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("setting {problem}")).collect();
    lines.join("\n")
}

/// What the layers could not be read as.
pub(super) fn unreadable(error: Error) -> ConfigError {
    ConfigError::Refused(error.into_iter().map(of_layer).collect())
}

fn of_layer(error: Error) -> SettingProblem {
    let field = match &error.kind {
        Kind::UnknownField(name, _) if error.path.last() != Some(name) => Some(name.clone()),
        _ => None,
    };
    let path: Vec<String> = error.path.iter().cloned().chain(field).collect();
    let key = if path.is_empty() { "the settings".to_owned() } else { path.join(".") };
    let secret = SECRETS.contains(&key.as_str());
    let place = error.metadata.as_ref().map_or_else(String::new, |layer| match &layer.source {
        Some(source) => format!(" (in {source})"),
        None => format!(" (in {})", layer.name),
    });
    SettingProblem::new(key, format!("{}{place}", reason(&error.kind, secret)))
}

/// The reason without the value itself, unless it is one of a few words.
fn reason(kind: &Kind, secret: bool) -> String {
    match kind {
        Kind::UnknownField(_, known) => format!("there is no such setting; there are {}", known.join(", ")),
        Kind::UnknownVariant(found, known) if !secret => {
            format!("`{found}` is none of {}", known.join(", "))
        }
        Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) => {
            format!("it must be {wanted}, and is {}", type_of(found))
        }
        Kind::MissingField(_) => "it is missing".to_owned(),
        Kind::Message(words) if !secret => without_excerpt(words),
        _ => "it cannot be read".to_owned(),
    }
}

/// What a reader of TOML says, without the line of the file that it shows beside it:
/// a secret may stand there.
fn without_excerpt(words: &str) -> String {
    let numbered = |letter: char| letter.is_ascii_digit() || letter == ' ';
    let said = |line: &&str| !line.trim().is_empty() && !line.trim_start_matches(numbered).starts_with('|');
    words.lines().filter(said).collect::<Vec<_>>().join(": ")
}

const fn type_of(found: &Actual) -> &'static str {
    match found {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "a number (in a file, texts stand in quotes)",
        Actual::Float(_) => "a number with a point (in a file, texts stand in quotes)",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}
