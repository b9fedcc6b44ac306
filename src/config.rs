//! FLOOR 0: typed settings. Defaults, then a TOML file, then the environment
//! (`WAYSTATION_..`), then flags. An unknown key or an unsafe setting stops
//! the start, saying which.

use std::{net::SocketAddr, path::PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Whether a host that a setting names is this machine: the way to it needs no TLS.
pub fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// No wait may be longer than an hour, in milliseconds.
const LONGEST_WAIT_MS: u64 = 3_600_000;

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address that callers use, as they see it.
    pub public_url: String,
    /// `sqlite:PATH` or `postgres://..`
    pub database_url: SecretString,
    /// Connections beside the writer.
    pub database_connections: u32,
    /// Milliseconds that a write waits for a row (PostgreSQL) or for the writer
    /// (SQLite) before it is told to try later.
    pub database_lock_ms: u64,
    /// Milliseconds that one statement may take. PostgreSQL only.
    pub database_statement_ms: u64,
    /// Milliseconds after which a transaction that says nothing is ended. PostgreSQL only.
    pub database_idle_ms: u64,
    /// Milliseconds that work waits for a connection before it is told to try later.
    pub database_checkout_ms: u64,
    /// Milliseconds that a request's body may take to arrive whole.
    pub body_ms: u64,
    /// Milliseconds that it may pause while it arrives.
    pub body_pause_ms: u64,
    /// `rediss://..`, or `redis://..` on this machine: what lets several
    /// instances hear each other. `redis://` to another machine must say
    /// `?sslmode=disable`.
    pub redis_url: Option<SecretString>,
    /// Whether other instances use the same database. On SQLite there are none.
    pub instances: Instances,
    /// HTTP worker threads; 0 is one per core.
    pub http_workers: usize,
    /// Where letters and other files go.
    pub data_dir: PathBuf,
    /// 32 bytes in base64, from which the network's keys are derived.
    pub master_secret: Option<SecretString>,
    /// A file that holds them instead: a credential of the service manager.
    pub master_secret_file: Option<PathBuf>,
    /// Networks whose word on a caller's address is believed: the proxies that
    /// end TLS. `X-Forwarded-For` from anywhere else is not read.
    pub trusted_proxies: Vec<IpNet>,
    /// Where `/metrics` listens; nowhere if left out.
    pub metrics_listen: Option<SocketAddr>,
    /// What a scrape must bring as its bearer token; wanted beyond loopback.
    pub metrics_token: Option<SecretString>,
    /// Seconds between "not ready" and closing the socket when told to end.
    pub drain_seconds: u64,
    /// Seconds that accepted requests have to end after that.
    pub shutdown_seconds: u64,
    /// Ids of the field-sealing keys that are live; the highest one seals.
    pub seal_keys: Vec<u32>,
    /// How letters leave.
    pub mail: MailConfig,
    /// Logs as text or JSON.
    pub log: LogFormat,
    /// Values of the rules; what is left out keeps its default.
    pub policy: toml_value::Table,
}

/// Any table; the rooms that own the values read it.
pub mod toml_value {
    /// A table of values whose shape is another room's business.
    pub type Table = serde_json::Map<String, serde_json::Value>;
}

/// How letters leave the house.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "transport", rename_all = "snake_case")]
pub enum MailConfig {
    /// As `.eml` files under the data directory: the embedded default.
    Files {
        /// The sender.
        from: String,
    },
    /// Through a mail server.
    Smtp {
        /// The sender.
        from: String,
        /// Host name.
        host: String,
        /// Port; 465 and 587 use TLS.
        port: u16,
        /// `none` only for a server on this machine.
        tls: SmtpTls,
        /// User, if the server wants one.
        #[serde(default)]
        user: Option<String>,
        /// The environment variable that holds the password.
        #[serde(default)]
        password_env: Option<String>,
    },
}

/// Encryption on the way to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// TLS from the first byte.
    Wrapped,
    /// STARTTLS, required.
    Starttls,
    /// None at all: loopback only.
    None,
}

/// How many processes serve one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instances {
    /// This one.
    One,
    /// There may be others.
    Several,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key is unknown, or a value cannot be read.
    #[error("setting: {0}")]
    Unreadable(#[from] Box<figment::Error>),
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
    /// A setting would be unsafe.
    #[error("unsafe setting `{key}`: {why}")]
    Unsafe {
        /// Which.
        key: &'static str,
        /// Why.
        why: String,
    },
}

/// What flags may set; `None` leaves the layers below in force.
#[derive(Debug, Default, Serialize)]
pub struct Flags {
    /// `--listen`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// `--database-url`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
    /// `--data-dir`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// The first key that is unknown or unreadable, with where it stands.
    pub fn load(file: Option<&std::path::Path>, flags: &Flags) -> Result<Self, ConfigError> {
        let mut layers = Figment::from(Serialized::defaults(serde_json::json!({
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
            "instances": "several",
            "http_workers": 0,
            "data_dir": "data",
            "seal_keys": [1],
            "trusted_proxies": ["127.0.0.0/8", "::1/128"],
            "drain_seconds": 0,
            "shutdown_seconds": 30,
            "mail": {"transport": "files", "from": "Waystation <waystation@localhost>"},
            "log": "text",
            "policy": {},
        })));
        if let Some(path) = file {
            layers = layers.merge(Toml::file_exact(path));
        }
        let config: Self = layers
            .merge(Env::prefixed("WAYSTATION_").split("__"))
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(Box::new)?;
        config.with_secret_file()
    }

    /// Reads the master secret from its file, if there is one.
    fn with_secret_file(mut self) -> Result<Self, ConfigError> {
        const KEY: &str = "master_secret_file";
        let Some(path) = &self.master_secret_file else { return Ok(self) };
        if self.master_secret.is_some() {
            let why = "`master_secret` is set as well; one of them must go".to_owned();
            return Err(ConfigError::Unsafe { key: KEY, why });
        }
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
            key: KEY,
            path: path.clone(),
            source,
        })?;
        self.master_secret = Some(text.trim().to_owned().into());
        Ok(self)
    }

    /// Refuses settings under which health data would not be safe.
    ///
    /// # Errors
    /// The first unsafe key, and why.
    pub fn check_safe(&self) -> Result<(), ConfigError> {
        let no = |key, why: &str| Err(ConfigError::Unsafe { key, why: why.to_owned() });
        if self.master_secret.is_none() {
            return no(
                "master_secret",
                "it must be set: 32 random bytes in base64, kept outside the database",
            );
        }
        let loopback_url = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        if !self.public_url.starts_with("https://")
            && !loopback_url.iter().any(|local| self.public_url.starts_with(local))
        {
            return no("public_url", "it must be https:// unless it is this machine's loopback address");
        }
        if !self.listen.ip().is_loopback() && !self.public_url.starts_with("https://") {
            return no(
                "listen",
                "a public address needs an https:// public_url (TLS in front of this process)",
            );
        }
        if let Some(metrics) = self.metrics_listen {
            let token = self.metrics_token.as_ref().map_or(0, |token| token.expose_secret().len());
            if metrics == self.listen && metrics.port() != 0 {
                return no("metrics_listen", "it must not be the public address");
            }
            if !metrics.ip().is_loopback() && token < 24 {
                return no(
                    "metrics_token",
                    "beyond loopback a scrape must bring a token of 24 characters or more",
                );
            }
        }
        if self.database_connections == 0 {
            return no("database_connections", "there must be at least one");
        }
        if self.seal_keys.is_empty() {
            return no("seal_keys", "there must be at least one");
        }
        // Zero would mean "for ever" to the database, and "never" to a body.
        for (key, value) in [
            ("database_lock_ms", self.database_lock_ms),
            ("database_statement_ms", self.database_statement_ms),
            ("database_idle_ms", self.database_idle_ms),
            ("database_checkout_ms", self.database_checkout_ms),
            ("body_ms", self.body_ms),
            ("body_pause_ms", self.body_pause_ms),
        ] {
            if value == 0 || value > LONGEST_WAIT_MS {
                return no(key, "it must be from 1 to 3600000");
            }
        }
        if let MailConfig::Smtp { host, tls: SmtpTls::None, .. } = &self.mail
            && !matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1")
        {
            return no("mail.tls", "mail leaves this machine unencrypted; use `wrapped` or `starttls`");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("waystation.toml");
        std::fs::write(&path, text).expect("written");
        Config::load(Some(&path), &Flags::default())
    }

    const SECRET: &str = "master_secret = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n";

    #[test]
    fn an_unknown_key_stops_the_start_and_is_named() {
        let error = with_file("lisen = \"127.0.0.1:1\"").expect_err("refused").to_string();
        assert!(error.contains("lisen"), "{error}");
    }

    #[test]
    fn unsafe_settings_are_refused_by_name() {
        let cases = [
            ("", "master_secret"),
            ("public_url = \"http://clinic.example\"", "public_url"),
            ("listen = \"0.0.0.0:80\"", "listen"),
            ("database_connections = 0", "database_connections"),
            ("seal_keys = []", "seal_keys"),
            ("database_lock_ms = 0", "database_lock_ms"),
            ("database_statement_ms = 0", "database_statement_ms"),
            ("database_checkout_ms = 3600001", "database_checkout_ms"),
            ("body_ms = 0", "body_ms"),
            ("body_pause_ms = 0", "body_pause_ms"),
            ("metrics_listen = \"0.0.0.0:9464\"", "metrics_token"),
            ("metrics_listen = \"127.0.0.1:8080\"", "metrics_listen"),
            (
                "mail = {transport = \"smtp\", from = \"a@b.cn\", host = \"mx.example\", port = 25, tls = \"none\"}",
                "mail.tls",
            ),
        ];
        for (text, key) in cases {
            let secret = if key == "master_secret" { "" } else { SECRET };
            let config = with_file(&format!("{secret}{text}")).expect("readable");
            match config.check_safe() {
                Err(ConfigError::Unsafe { key: told, .. }) => assert_eq!(told, key),
                other => panic!("{key}: {other:?}"),
            }
        }
        with_file(SECRET).expect("readable").check_safe().expect("the defaults with a secret are safe");
    }

    #[test]
    fn the_secret_may_stand_in_a_file_of_its_own() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("secret");
        std::fs::write(&path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").expect("written");
        let setting = format!("master_secret_file = {:?}\n", path.display().to_string());
        let config = with_file(&setting).expect("readable");
        let secret = config.master_secret.expect("a secret");
        assert_eq!(secret.expose_secret(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let both = with_file(&format!("{SECRET}{setting}")).expect_err("refused").to_string();
        assert!(both.contains("master_secret_file"), "{both}");
        std::fs::remove_file(&path).expect("removed");
        let gone = with_file(&setting).expect_err("refused").to_string();
        assert!(gone.contains("master_secret_file") && gone.contains("secret"), "{gone}");
    }

    #[test]
    fn secrets_do_not_show() {
        let config = with_file(&format!("{SECRET}database_url = \"postgres://u:hunter2@localhost/w\"\nredis_url = \"redis://:hunter2@localhost\""))
            .expect("readable");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("AAAA"), "{shown}");
    }
}
