//! The layers that settings come from: each one changes what those before it said.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};

use super::{Config, ConfigError, Flags, MailConfig, SettingProblem, environment::Environment, problem};

pub use super::environment::MAIL_PASSWORD;

/// What holds where nobody says otherwise.
pub(super) fn defaults() -> serde_json::Value {
    serde_json::json!({
        "listen": "127.0.0.1:8080",
        "public_url": "http://127.0.0.1:8080",
        "database_url": "sqlite:waystation.db",
        "database_connections": 8,
        "database_lock_ms": 10_000,
        "database_statement_ms": 30_000,
        "database_idle_ms": 60_000,
        "database_checkout_ms": 10_000,
        "body_ms": 30_000,
        "body_pause_ms": 10_000,
        "connections_per_address": 2_048,
        "instances": "several",
        "http_workers": 0,
        "data_dir": "data",
        "seal_keys": [1],
        "trusted_proxies": ["127.0.0.0/8", "::1/128"],
        "drain_seconds": 0,
        "shutdown_seconds": 30,
        "mail": {"transport": "files", "from": "Waystation <waystation@localhost>"},
        "sms": {"transport": "files"},
        "log": "text",
        "policy": {},
    })
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// Every key that is unknown or unreadable, with where it stands.
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
        let mut layers = Figment::from(Serialized::defaults(defaults()));
        if let Some(path) = file {
            layers = layers.merge(Toml::file_exact(path));
        }
        let environment = Environment::new(variables, &layers);
        let config: Self = layers
            .merge(environment)
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(problem::unreadable)?;
        config.with_secret_file()
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

impl MailConfig {
    /// The environment variable that holds the mail server's password, if it wants one.
    pub fn password_variable(&self) -> Option<&str> {
        match self {
            Self::Smtp { user: Some(_), password_env, .. } => {
                Some(password_env.as_deref().unwrap_or(MAIL_PASSWORD))
            }
            Self::Smtp { user: None, .. } | Self::Files { .. } => None,
        }
    }
}
