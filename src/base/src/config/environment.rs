//! Settings in the environment: `WAYSTATION_MAIL__HOST` is `mail.host`.
//!
//! Texts are taken as they stand: a secret that is all digits is a text. And
//! not every variable with our prefix is a setting: an orchestrator that runs
//! a service called `waystation` injects variables about it, and passwords
//! stand in variables that a setting only names.

use std::collections::BTreeMap;

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

const PREFIX: &str = "WAYSTATION_";

/// The password of the mail server, unless `mail.password_env` names another variable.
pub const MAIL_PASSWORD: &str = "WAYSTATION_MAIL_PASSWORD";

/// Settings whose value is a text, whatever it looks like.
const TEXTS: &[&str] = &[
    "public_url",
    "database_url",
    "redis_url",
    "data_dir",
    "master_secret",
    "master_secret_file",
    "metrics_token",
    "mail.transport",
    "mail.from",
    "mail.host",
    "mail.tls",
    "mail.user",
    "mail.password_env",
    "mail.hello_name",
    "sms.transport",
    "sms.url",
    "sms.token_env",
    "policy.network",
];

/// The settings among the variables `all`.
pub(super) struct Environment {
    settings: Vec<(String, String)>,
}

impl Environment {
    /// Takes what is a setting. `below` are the layers that say which variable
    /// holds the mail server's password.
    pub(super) fn new(all: impl Iterator<Item = (String, String)>, below: &Figment) -> Self {
        let all: BTreeMap<String, String> = all.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let named = all.get("WAYSTATION_MAIL__PASSWORD_ENV").cloned();
        let named = named.or_else(|| below.extract_inner::<String>("mail.password_env").ok());
        let token = all.get("WAYSTATION_SMS__TOKEN_ENV").cloned();
        let token = token.or_else(|| below.extract_inner::<String>("sms.token_env").ok());
        let settings = all
            .into_iter()
            .filter(|(name, _)| name != MAIL_PASSWORD && !is_injected(name))
            .filter(|(name, _)| Some(name) != named.as_ref() && Some(name) != token.as_ref())
            .collect();
        Self { settings }
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment").interpolater(|_, path| {
            let name: Vec<String> = path.iter().map(|part| part.to_uppercase()).collect();
            format!("{PREFIX}{}", name.join("__"))
        })
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut settings = Dict::new();
        for (name, text) in &self.settings {
            let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            let value = if TEXTS.contains(&key.as_str()) { Value::from(text.clone()) } else { parsed(text) };
            let nested = figment::util::nest(&key, value).into_dict().unwrap_or_default();
            settings = joined(settings, nested);
        }
        Ok(Profile::Default.collect(settings))
    }
}

/// A number, a list or a table, as the environment's text spells it.
fn parsed(text: &str) -> Value {
    text.parse().unwrap_or_else(|_| Value::from(text.to_owned()))
}

fn joined(mut into: Dict, from: Dict) -> Dict {
    for (key, value) in from {
        let value = match (into.remove(&key), value) {
            (Some(Value::Dict(tag, known)), Value::Dict(_, more)) => Value::Dict(tag, joined(known, more)),
            (_, value) => value,
        };
        into.insert(key, value);
    }
    into
}

/// Whether an orchestrator injected it for a service called `waystation` or
/// `waystation-..`: `.._SERVICE_HOST`, `.._SERVICE_PORT[_NAME]`, `.._PORT`,
/// `.._PORT_8080_TCP[_ADDR|_PORT|_PROTO]`. No setting is called so: parts of
/// ours are joined by two underscores.
/// Source: Kubernetes documentation, "Service", environment variables.
fn is_injected(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    if rest.contains("__") {
        return false;
    }
    let parts: Vec<&str> = rest.split('_').collect();
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let protocol = |part: &str| matches!(part, "TCP" | "UDP" | "SCTP");
    let of_service = parts.windows(2).any(|two| two[0] == "SERVICE" && matches!(two[1], "HOST" | "PORT"));
    let of_port = match parts.as_slice() {
        [.., "PORT", port, way, "ADDR" | "PORT" | "PROTO"] if protocol(way) => number(port),
        [.., "PORT", port, way] => number(port) && protocol(way),
        [.., last] => *last == "PORT",
        [] => false,
    };
    of_service || of_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_orchestrator_injects_is_no_setting() {
        for name in [
            "WAYSTATION_SERVICE_HOST",
            "WAYSTATION_SERVICE_PORT",
            "WAYSTATION_SERVICE_PORT_HTTP",
            "WAYSTATION_PORT",
            "WAYSTATION_PORT_8080_TCP",
            "WAYSTATION_PORT_8080_TCP_ADDR",
            "WAYSTATION_PORT_8080_TCP_PORT",
            "WAYSTATION_PORT_8080_TCP_PROTO",
            "WAYSTATION_POSTGRES_SERVICE_HOST",
            "WAYSTATION_POSTGRES_PORT_5432_TCP_ADDR",
        ] {
            assert!(is_injected(name), "{name}");
        }
        for name in
            ["WAYSTATION_LISTEN", "WAYSTATION_MAIL__PORT", "WAYSTATION_LISEN", "WAYSTATION_METRICS_LISTEN"]
        {
            assert!(!is_injected(name), "{name}");
        }
    }
}
