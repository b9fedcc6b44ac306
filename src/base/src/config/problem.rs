//! What is wrong with the settings, by key.

use std::path::PathBuf;

/// One setting that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The key's path, such as `policy.check_in.idle_seconds`.
    pub key: String,
    /// The reason, and what is allowed.
    pub why: String,
}

impl SettingProblem {
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
    File { key: &'static str, path: PathBuf, source: std::io::Error },
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
