//! Typed settings. Defaults, then a TOML file, then the environment
//! (`WAYSTATION_..`), then flags. An unknown key, and a setting that is unsafe
//! or cannot work, abort the start; all of them are reported at once, and no
//! secret is ever printed.

mod defaults;
mod environment;
pub mod example;
mod from_toml;
mod layers;
mod load;
mod problem;
mod reading;
mod safety;
mod transports;
mod unreadable;
mod variable_value;

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use problem::{ConfigError, SettingProblem};

/// Whether a host in a setting is this machine, so that the connection needs no TLS.
pub fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    /// The base URL under which callers reach this server.
    pub public_url: String,
    /// `sqlite:PATH` or `postgres://..`
    pub database_url: SecretString,
    /// Pooled connections, not counting the writer's.
    pub database_connections: u32,
    /// Milliseconds that a write waits for a row lock (PostgreSQL) or for the writer
    /// (SQLite) before it is answered with "try later".
    pub database_lock_ms: u64,
    /// Milliseconds that one statement may take. PostgreSQL only.
    pub database_statement_ms: u64,
    /// Milliseconds after which an idle transaction is ended. PostgreSQL only.
    pub database_idle_ms: u64,
    /// Milliseconds that work waits for a pooled connection before it is answered with
    /// "try later".
    pub database_checkout_ms: u64,
    /// Milliseconds that a request's body may take to arrive completely.
    pub body_ms: u64,
    /// Milliseconds that a request's body may pause while it arrives.
    pub body_pause_ms: u64,
    /// Open connections allowed per address (for IPv6 per /64); trusted proxies are exempt.
    pub connections_per_address: usize,
    /// `rediss://..`, or `redis://..` on this machine: connects several instances.
    /// `redis://` to another machine must have `?sslmode=disable`.
    pub redis_url: Option<SecretString>,
    /// Whether other instances use the same database. With SQLite there are none.
    pub instances: Instances,
    /// HTTP worker threads; 0 is one per core.
    pub http_workers: usize,
    /// Folder for letters and other files.
    pub data_dir: PathBuf,
    /// 32 bytes in base64, from which the network's keys are derived.
    pub master_secret: Option<SecretString>,
    /// A file that contains the master secret instead: a credential of the service manager.
    pub master_secret_file: Option<PathBuf>,
    /// Networks of the proxies that terminate TLS: their `X-Forwarded-For` is trusted.
    /// From any other address the header is ignored.
    pub trusted_proxies: Vec<IpNet>,
    /// The address of `/metrics`; not served if left out.
    pub metrics_listen: Option<SocketAddr>,
    /// The bearer token of a scrape; required unless `/metrics` is on loopback.
    pub metrics_token: Option<SecretString>,
    /// Seconds between "not ready" and closing the listener at shutdown.
    pub drain_seconds: u64,
    /// Seconds that requests in flight have to finish after that.
    pub shutdown_seconds: u64,
    /// Ids of the field-sealing keys that are live; the highest one seals.
    pub seal_keys: Vec<u32>,
    pub mail: MailConfig,
    pub sms: SmsConfig,
    pub signing: SigningConfig,
    pub log: LogFormat,
    /// Overrides of the policy's values; what is left out keeps its default.
    pub policy: toml_value::Table,
}

/// Any table; the crates that own the values read it.
pub(crate) mod toml_value {
    /// A table whose structure is defined by another crate.
    pub type Table = serde_json::Map<String, serde_json::Value>;
}

/// How letters are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "transports::MailTable")]
pub enum MailConfig {
    /// As `.eml` files under the data directory: the embedded default.
    Files { from: String },
    /// Through a mail server.
    Smtp {
        from: String,
        host: String,
        /// Usually 465 (TLS) or 587 (STARTTLS).
        port: u16,
        /// `none` only for a server on this machine.
        tls: SmtpTls,
        /// The user name, if the server requires authentication.
        user: Option<String>,
        /// The environment variable with the password.
        password_env: Option<String>,
        /// The name sent in EHLO: this machine's public host name, or an address in
        /// brackets. The host of `public_url` if left out.
        hello_name: Option<String>,
    },
}

/// How text messages (codes to phones) are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "transports::SmsTable")]
pub enum SmsConfig {
    /// As text files under the data directory: the embedded default. They reach no
    /// phone.
    Files,
    /// Into the log, including the codes: with a loopback `public_url` only.
    Log,
    /// Through a gateway on this machine, which gets `POST {id, to, body}`.
    Gateway {
        /// `http://127.0.0.1:..`; the gateway connects to the provider over TLS.
        url: String,
        /// The environment variable with its bearer token.
        token_env: Option<String>,
    },
}

/// Who holds the keys with which doctors sign.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "transports::SigningTable")]
pub struct SigningConfig {
    pub provider: SigningProvider,
    /// PEM: the certificates of the authorities that issue doctors' certificates. What they signed is
    /// verified with it, whoever signs now.
    pub ca_file: Option<PathBuf>,
}

/// Where a doctor's signature is made.
#[derive(Debug, Clone)]
pub enum SigningProvider {
    /// Here: each doctor's key is sealed in the database, and its certificate is the network's.
    Network,
    /// By the signing service of a certificate authority, through a gateway on this machine.
    Service {
        /// `http://127.0.0.1:..`; the gateway connects to the authority over TLS.
        url: String,
        /// The environment variable with its bearer token.
        token_env: Option<String>,
        /// Milliseconds that one try may take.
        timeout_ms: u64,
        /// Tries for one signature.
        tries: u32,
    },
}

/// Encryption of the connection to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instances {
    /// This one.
    One,
    /// There may be others.
    Several,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

/// Settings that flags may override; `None` keeps the value of the lower layers.
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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn with_file(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("waystation.toml");
        std::fs::write(&path, text).expect("written");
        Config::load(Some(&path), &Flags::default())
    }

    fn with_variables(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load_from(None, &Flags::default(), variables)
    }

    const SECRET: &str = "master_secret = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n";

    #[test]
    fn an_unknown_key_aborts_the_start_and_is_named() {
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
            ("database_statement_ms = 5000", "database_statement_ms"),
            ("body_ms = 5000", "body_ms"),
            ("database_checkout_ms = 3600001", "database_checkout_ms"),
            ("body_ms = 0", "body_ms"),
            ("body_pause_ms = 0", "body_pause_ms"),
            ("connections_per_address = 1", "connections_per_address"),
            ("seal_keys = [1, 2, 1]", "seal_keys"),
            ("public_url = \"clinic\"", "public_url"),
            ("database_connections = 100000", "database_connections"),
            ("shutdown_seconds = 100000", "shutdown_seconds"),
            ("metrics_listen = \"0.0.0.0:9464\"", "metrics_token"),
            ("metrics_listen = \"127.0.0.1:8080\"", "metrics_listen"),
            ("sms = {transport = \"log\"}\npublic_url = \"https://clinic.example\"", "sms.transport"),
            ("sms = {transport = \"gateway\", url = \"http://localhost.example/send\"}", "sms.url"),
            (
                "signing = {provider = \"service\", url = \"http://ca.example/\", ca_file = \"ca.pem\"}",
                "signing.url",
            ),
            ("signing = {provider = \"service\", url = \"http://127.0.0.1:1/\"}", "signing.ca_file"),
            (
                "signing = {provider = \"service\", url = \"http://127.0.0.1:1/\", ca_file = \"ca.pem\", tries = 4}",
                "signing.tries",
            ),
            (
                "signing = {provider = \"service\", url = \"http://127.0.0.1:1/\", ca_file = \"ca.pem\", timeout_ms = 99}",
                "signing.timeout_ms",
            ),
            (
                "mail = {transport = \"smtp\", from = \"a@b.cn\", host = \"mx.example\", port = 25, tls = \"none\"}",
                "mail.tls",
            ),
        ];
        for (text, key) in cases {
            let secret = if key == "master_secret" { "" } else { SECRET };
            let config = with_file(&format!("{secret}{text}")).expect("readable");
            let keys: Vec<String> = config.problems().into_iter().map(|problem| problem.key).collect();
            assert_eq!(keys, [key]);
        }
        with_file(SECRET).expect("readable").check_safe().expect("the defaults with a secret are safe");
    }

    #[test]
    fn the_secret_may_be_in_a_file_of_its_own() {
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

    #[test]
    fn unknown_and_unreadable_variables_are_named_and_injected_ones_ignored() {
        let injected = [
            ("WAYSTATION_SERVICE_HOST", "10.0.0.7"),
            ("WAYSTATION_PORT", "tcp://10.0.0.7:8080"),
            ("WAYSTATION_PORT_8080_TCP_ADDR", "10.0.0.7"),
            ("WAYSTATION_MAIL_PASSWORD", "12345678"),
            ("WAYSTATION_LISTEN", "127.0.0.1:9"),
            ("WAYSTATION_POLICY__CHECK_IN__IDLE_SECONDS", "60"),
        ];
        let config = with_variables(&injected).expect("readable");
        assert_eq!(config.listen.port(), 9);
        assert_eq!(config.policy["check_in"]["idle_seconds"], 60);
        let unknown =
            with_variables(&[("WAYSTATION_LISEN", "127.0.0.1:9")]).expect_err("refused").to_string();
        assert!(unknown.contains("`lisen`") && unknown.contains("listen"), "{unknown}");
        let wrong =
            with_variables(&[("WAYSTATION_DATABASE_CONNECTIONS", "many")]).expect_err("refused").to_string();
        assert!(wrong.contains("database_connections"), "{wrong}");
    }

    #[test]
    fn a_variable_that_a_setting_names_is_not_a_setting() {
        let named = [
            ("WAYSTATION_MAIL__TRANSPORT", "smtp"),
            ("WAYSTATION_MAIL__HOST", "mail.example.org"),
            ("WAYSTATION_MAIL__PORT", "465"),
            ("WAYSTATION_MAIL__TLS", "wrapped"),
            ("WAYSTATION_MAIL__USER", "4711"),
            ("WAYSTATION_MAIL__PASSWORD_ENV", "WAYSTATION_LETTERS_PASSWORD"),
            ("WAYSTATION_LETTERS_PASSWORD", "987654"),
        ];
        let config = with_variables(&named).expect("readable");
        assert_eq!(config.mail.password_variable(), Some("WAYSTATION_LETTERS_PASSWORD"));
    }

    #[test]
    fn a_secret_of_digits_is_a_text_and_no_refusal_shows_it() {
        let digits = "8432198432198432198432198432198432198432198";
        let config = with_variables(&[
            ("WAYSTATION_MASTER_SECRET", digits),
            ("WAYSTATION_METRICS_TOKEN", "00012345678901234567890123"),
        ])
        .expect("readable");
        assert_eq!(config.master_secret.expect("set").expose_secret(), digits);
        let token = config.metrics_token.expect("set");
        assert_eq!(token.expose_secret(), "00012345678901234567890123", "with its zeros");
        for key in ["master_secret", "database_url", "redis_url", "metrics_token"] {
            let refused = with_file(&format!("{key} = 843219")).expect_err("refused").to_string();
            assert!(refused.contains(key) && !refused.contains("843219"), "{refused}");
            let refused = with_file(&format!("{key} = [\"hunter2\"]")).expect_err("refused").to_string();
            assert!(refused.contains(key) && !refused.contains("hunter2"), "{refused}");
        }
    }
}
