//! Refuses settings that would put health data at risk, and settings that cannot
//! work, before anything is opened.

use std::{collections::BTreeSet, ops::RangeInclusive};

use secrecy::ExposeSecret;

use super::{
    Config, ConfigError, MailConfig, SettingProblem, SigningProvider, SmsConfig, SmtpTls, is_this_machine,
};

/// Minimum length of a metrics token, in characters. Our default.
const METRICS_TOKEN_LENGTH: usize = 24;
/// Pooled connections, not counting the writer's. Our default; PostgreSQL itself allows
/// 100 unless configured otherwise.
const CONNECTIONS: RangeInclusive<u64> = 1..=1_000;
/// Connections of one address: a station has a few, a hospital many. Our default.
const PER_ADDRESS: RangeInclusive<u64> = 16..=1_000_000;
/// HTTP threads; 0 is one per core. Our default.
const WORKERS: RangeInclusive<u64> = 0..=512;
/// Milliseconds of timeouts: neither zero nor unlimited. Our default.
const TIMEOUTS: RangeInclusive<u64> = 1..=3_600_000;
/// Seconds of the shutdown phases. Our default.
const SHUTDOWN: RangeInclusive<u64> = 0..=3_600;

/// Milliseconds of one try at the signing service: a doctor waits for it. Our default.
const SIGNING_TIMEOUT: RangeInclusive<u64> = 100..=10_000;
/// Tries for one signature. Our default.
const SIGNING_TRIES: RangeInclusive<u64> = 1..=3;

/// Whether an address is `http://` on this machine.
fn local(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        url.scheme() == "http"
            && url.host_str().is_some_and(|host| is_this_machine(host.trim_matches(['[', ']'])))
    })
}

impl Config {
    /// Refuses settings that are unsafe for health data or cannot work.
    ///
    /// # Errors
    /// Every such key, and the reason.
    pub fn check_safe(&self) -> Result<(), ConfigError> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::Refused(problems)) }
    }

    /// Every setting that is unsafe or cannot work.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut found = Vec::new();
        self.addresses(&mut found);
        self.metrics(&mut found);
        self.secrets(&mut found);
        self.mail(&mut found);
        self.text_messages(&mut found);
        self.signing(&mut found);
        self.numbers(&mut found);
        found
    }

    fn addresses(&self, found: &mut Vec<SettingProblem>) {
        let url = url::Url::parse(&self.public_url);
        let host = url.as_ref().ok().and_then(|url| url.host_str().map(str::to_owned));
        let more = |url: &url::Url| {
            !url.username().is_empty()
                || url.password().is_some()
                || url.query().is_some()
                || url.fragment().is_some()
        };
        match (&url, host) {
            (Ok(url), Some(_)) if more(url) => found.push(SettingProblem::new(
                "public_url",
                "it is shown to everybody and put in front of paths: no user, password, ? or # belongs in it",
            )),
            (Ok(url), Some(_)) if url.scheme() == "https" => {}
            (Ok(url), Some(host))
                if url.scheme() == "http" && is_this_machine(host.trim_matches(['[', ']'])) => {}
            (Ok(_), Some(_)) => found.push(SettingProblem::new(
                "public_url",
                "it must be https:// unless it is this machine's loopback address",
            )),
            _ => found.push(SettingProblem::new(
                "public_url",
                "it must be an address: https://waystation.example.org",
            )),
        }
        if !self.listen.ip().is_loopback() && !self.public_url.starts_with("https://") {
            found.push(SettingProblem::new(
                "listen",
                "a public address needs an https:// public_url (TLS in front of this process)",
            ));
        }
    }

    fn metrics(&self, found: &mut Vec<SettingProblem>) {
        let Some(metrics) = self.metrics_listen else { return };
        let token = self.metrics_token.as_ref().map_or(0, |token| token.expose_secret().len());
        if metrics == self.listen && metrics.port() != 0 {
            found.push(SettingProblem::new("metrics_listen", "it must not be the public address"));
        }
        if !metrics.ip().is_loopback() && token < METRICS_TOKEN_LENGTH {
            found.push(SettingProblem::new(
                "metrics_token",
                format!(
                    "beyond loopback a scrape must bring a token of {METRICS_TOKEN_LENGTH} characters or more"
                ),
            ));
        }
    }

    fn secrets(&self, found: &mut Vec<SettingProblem>) {
        if self.master_secret.is_none() {
            found.push(SettingProblem::new(
                "master_secret",
                "it must be set: 32 random bytes in base64, kept outside the database",
            ));
        }
        if self.seal_keys.is_empty() {
            found.push(SettingProblem::new("seal_keys", "there must be at least one"));
        }
        if self.seal_keys.iter().collect::<BTreeSet<_>>().len() < self.seal_keys.len() {
            found.push(SettingProblem::new("seal_keys", "a number stands there twice"));
        }
    }

    fn mail(&self, found: &mut Vec<SettingProblem>) {
        let MailConfig::Smtp { host, port, tls, .. } = &self.mail else { return };
        if *tls == SmtpTls::None && !is_this_machine(host) {
            found.push(SettingProblem::new(
                "mail.tls",
                "mail leaves this machine unencrypted; use `wrapped` or `starttls`",
            ));
        }
        if *port == 0 {
            found.push(SettingProblem::new("mail.port", "it must be the mail server's port: 465 or 587"));
        }
        if host.trim().is_empty() {
            found.push(SettingProblem::new("mail.host", "it must be the mail server's name"));
        }
        if let Some(variable) = self.mail.password_variable()
            && std::env::var_os(variable).is_none_or(|password| password.is_empty())
        {
            let why = format!("the mail server wants a password, and {variable} is not set");
            found.push(SettingProblem::new("mail.password_env", why));
        }
    }

    fn text_messages(&self, found: &mut Vec<SettingProblem>) {
        match &self.sms {
            SmsConfig::Log if !local(&self.public_url) => found.push(SettingProblem::new(
                "sms.transport",
                "the log would hold codes that open people's records",
            )),
            SmsConfig::Gateway { url, .. } if !local(url) => found.push(SettingProblem::new(
                "sms.url",
                "it must be http:// on this machine's loopback address",
            )),
            SmsConfig::Gateway { token_env: Some(variable), .. }
                if std::env::var_os(variable).is_none_or(|token| token.is_empty()) =>
            {
                found.push(SettingProblem::new("sms.token_env", format!("{variable} is not set")));
            }
            SmsConfig::Files | SmsConfig::Log | SmsConfig::Gateway { .. } => {}
        }
    }

    fn signing(&self, found: &mut Vec<SettingProblem>) {
        let SigningProvider::Service { url, token_env, timeout_ms, tries } = &self.signing.provider else {
            return;
        };
        if !local(url) {
            let why = "it must be http:// on this machine's loopback address";
            found.push(SettingProblem::new("signing.url", why));
        }
        if let Some(variable) = token_env
            && std::env::var_os(variable).is_none_or(|token| token.is_empty())
        {
            found.push(SettingProblem::new("signing.token_env", format!("{variable} is not set")));
        }
        if self.signing.ca_file.is_none() {
            let why = "without the authorities' certificates no signature of theirs can be verified";
            found.push(SettingProblem::new("signing.ca_file", why));
        }
        for (key, value, allowed) in [
            ("signing.timeout_ms", *timeout_ms, SIGNING_TIMEOUT),
            ("signing.tries", u64::from(*tries), SIGNING_TRIES),
        ] {
            if !allowed.contains(&value) {
                let why = format!("it must be {} to {}, and is {value}", allowed.start(), allowed.end());
                found.push(SettingProblem::new(key, why));
            }
        }
    }

    fn numbers(&self, found: &mut Vec<SettingProblem>) {
        let connections = u64::from(self.database_connections);
        let per_address = u64::try_from(self.connections_per_address).unwrap_or(u64::MAX);
        let workers = u64::try_from(self.http_workers).unwrap_or(u64::MAX);
        for (key, value, allowed) in [
            ("database_connections", connections, CONNECTIONS),
            ("database_lock_ms", self.database_lock_ms, TIMEOUTS),
            ("database_statement_ms", self.database_statement_ms, TIMEOUTS),
            ("database_idle_ms", self.database_idle_ms, TIMEOUTS),
            ("database_checkout_ms", self.database_checkout_ms, TIMEOUTS),
            ("body_ms", self.body_ms, TIMEOUTS),
            ("body_pause_ms", self.body_pause_ms, TIMEOUTS),
            ("connections_per_address", per_address, PER_ADDRESS),
            ("http_workers", workers, WORKERS),
            ("drain_seconds", self.drain_seconds, SHUTDOWN),
            ("shutdown_seconds", self.shutdown_seconds, SHUTDOWN),
        ] {
            if !allowed.contains(&value) {
                let why = format!("it must be {} to {}, and is {value}", allowed.start(), allowed.end());
                found.push(SettingProblem::new(key, why));
            }
        }
        // The longer timeout of each pair would never be reached, or end what the other allows.
        for (key, value, shorter_key, shorter) in [
            ("database_statement_ms", self.database_statement_ms, "database_lock_ms", self.database_lock_ms),
            ("body_ms", self.body_ms, "body_pause_ms", self.body_pause_ms),
        ] {
            if value < shorter && found.iter().all(|known| known.key != key) {
                let why = format!("it must not be shorter than {shorter_key}, {shorter}, and is {value}");
                found.push(SettingProblem::new(key, why));
            }
        }
    }
}
