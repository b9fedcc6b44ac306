//! Loads the settings from all layers.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    Config, ConfigError, Flags, MailConfig, SettingProblem, defaults::defaults, environment, from_toml,
    layers::Layers, reading,
};

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// Every key that is unknown or unreadable, with its layer; for a file that is not
    /// TOML, the position of the first error.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Self, ConfigError> {
        Self::load_from(
            file,
            flags,
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    pub(super) fn load_from(
        file: Option<&Path>,
        flags: &Flags,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        layers.add("the defaults", defaults());
        if let Some(path) = file {
            layers.add(path.display().to_string(), in_file(path)?);
        }
        layers.add("the environment", environment::settings(variables, &layers.merged()));
        layers.add("the flags", in_flags(flags)?);
        reading::read(&layers)?.with_secret_file()
    }

    /// Reads the master secret from its file, if there is one.
    fn with_secret_file(mut self) -> Result<Self, ConfigError> {
        const KEY: &str = "master_secret_file";
        let Some(path) = &self.master_secret_file else { return Ok(self) };
        if self.master_secret.is_some() {
            let why = "`master_secret` is set as well; one of them must go";
            return Err(ConfigError::Refused(vec![SettingProblem::new(KEY, why)]));
        }
        let unreadable = |source| ConfigError::File { key: KEY, path: PathBuf::clone(path), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        self.master_secret = Some(text.trim().to_owned().into());
        Ok(self)
    }
}

fn in_file(path: &Path) -> Result<Value, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
    text.and_then(|text| from_toml::document(&text)).map_err(|why| {
        let why = format!("{why} (in {})", path.display());
        ConfigError::Refused(vec![SettingProblem::new("the settings", why)])
    })
}

fn in_flags(flags: &Flags) -> Result<Value, ConfigError> {
    serde_json::to_value(flags).map_err(|_| {
        // Of the flags, only a path may be other than Unicode.
        let why = "it must be UTF-8 (in the flags)";
        ConfigError::Refused(vec![SettingProblem::new("data_dir", why)])
    })
}

impl MailConfig {
    /// The environment variable with the mail server's password, if it requires one.
    pub(crate) fn password_variable(&self) -> Option<&str> {
        match self {
            Self::Smtp { user: Some(_), password_env, .. } => {
                Some(password_env.as_deref().unwrap_or(environment::MAIL_PASSWORD))
            }
            Self::Smtp { user: None, .. } | Self::Files { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)], flags: &Flags) -> (String, Result<Config, ConfigError>) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("waystation.toml");
        std::fs::write(&path, file).expect("written");
        let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        (path.display().to_string(), Config::load_from(Some(&path), flags, variables))
    }

    #[test]
    fn flags_override_the_environment_and_that_overrides_the_file() {
        let file = "listen = '127.0.0.1:1'\ndata_dir = 'file'\nbody_ms = 1\n[policy.check_in]\npin_tries = 3";
        let variables = [
            ("WAYSTATION_LISTEN", "127.0.0.1:2"),
            ("WAYSTATION_DATA_DIR", "environment"),
            ("WAYSTATION_POLICY__CHECK_IN__IDLE_SECONDS", "60"),
        ];
        let flags = Flags { listen: "127.0.0.1:3".parse().ok(), ..Flags::default() };
        let config = load(file, &variables, &flags).1.expect("readable");
        assert_eq!((config.listen.port(), config.body_ms, config.body_pause_ms), (3, 1, 10_000));
        assert_eq!(config.data_dir, Path::new("environment"));
        assert_eq!(
            Value::Object(config.policy),
            serde_json::json!({"check_in": {"pin_tries": 3, "idle_seconds": 60}})
        );
    }

    #[test]
    fn a_problem_says_which_layer_it_comes_from() {
        let variables = [("WAYSTATION_MAIL__PORT", "first"), ("WAYSTATION_LISEN", "1")];
        let (path, refused) = load("body_ms = 'x'\n[mail]\nport = 25", &variables, &Flags::default());
        let problems = refused.expect_err("refused").problems();
        let of = |key: &str| &problems.iter().find(|problem| problem.key == key).expect(key).why;
        assert!(of("body_ms").ends_with(&format!(" (in {path})")), "{problems:?}");
        assert!(of("mail.port").ends_with(" (in the environment)"), "{problems:?}");
        assert!(of("lisen").ends_with(" (in the environment)"), "{problems:?}");
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn an_error_for_a_file_that_is_not_toml_gives_its_position_only() {
        let (path, refused) = load("log = 'text'\nmaster_secret = hunter2", &[], &Flags::default());
        let refused = refused.expect_err("refused");
        let shown = format!("{refused} {refused:?}");
        assert!(shown.contains("line 2, column 17") && shown.contains(&path), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf_8_is_refused() {
        use std::os::unix::ffi::OsStringExt;

        let data_dir = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
        let flags = Flags { data_dir: Some(data_dir), ..Flags::default() };
        let problems = load("", &[], &flags).1.expect_err("refused").problems();
        assert_eq!(problems, [SettingProblem::new("data_dir", "it must be UTF-8 (in the flags)")]);
    }
}
