//! Settings in the environment: `WAYSTATION_MAIL__HOST` is `mail.host`.
//!
//! Text settings are taken verbatim: a secret that is all digits is a text. Not
//! every variable with our prefix is a setting: an orchestrator that runs a
//! service called `waystation` injects variables about it, and passwords are in
//! variables that a setting only names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{layers::merge, variable_value};

const PREFIX: &str = "WAYSTATION_";

/// The password of the mail server, unless `mail.password_env` names another variable.
pub(crate) const MAIL_PASSWORD: &str = "WAYSTATION_MAIL_PASSWORD";

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
    "signing.provider",
    "signing.url",
    "signing.token_env",
    "signing.ca_file",
    "policy.network",
];

/// The settings among the variables `all`. `below` are the merged lower layers,
/// which name the variables of the mail server's password and the gateways' tokens.
pub(super) fn settings(all: impl Iterator<Item = (String, String)>, below: &Value) -> Value {
    let all: BTreeMap<String, String> = all.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    let named = |variable: &str, setting: &str| {
        let below = || below.pointer(setting)?.as_str();
        all.get(variable).map(String::as_str).or_else(below)
    };
    let password = named("WAYSTATION_MAIL__PASSWORD_ENV", "/mail/password_env");
    let token = named("WAYSTATION_SMS__TOKEN_ENV", "/sms/token_env");
    let signing = named("WAYSTATION_SIGNING__TOKEN_ENV", "/signing/token_env");
    let mut settings = Value::Object(Map::new());
    for (name, text) in &all {
        let is_named = [Some(MAIL_PASSWORD), password, token, signing].contains(&Some(name.as_str()));
        if !is_named && !is_injected(name) {
            merge(&mut settings, nested(&name[PREFIX.len()..], text));
        }
    }
    settings
}

/// `{mail = {host = ..}}` of `MAIL__HOST`. A name without a key sets nothing.
fn nested(name: &str, text: &str) -> Value {
    let key = name.to_lowercase().replace("__", ".");
    let value = if TEXTS.contains(&key.as_str()) { Value::from(text) } else { variable_value::value(text) };
    let parts: Vec<&str> = key.split('.').take_while(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Value::Object(Map::new());
    }
    let table = |inner, part: &&str| Value::Object(Map::from_iter([((*part).to_owned(), inner)]));
    parts.iter().rev().fold(value, table)
}

/// Whether an orchestrator injected it for a service called `waystation` or
/// `waystation-..`: `.._SERVICE_HOST`, `.._SERVICE_PORT[_NAME]`, `.._PORT`,
/// `.._PORT_8080_TCP[_ADDR|_PORT|_PROTO]`. No setting has such a name: parts of
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
    use serde_json::json;

    use super::*;

    fn of(variables: &[(&str, &str)], below: &Value) -> Value {
        settings(variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())), below)
    }

    #[test]
    fn two_underscores_lead_into_a_table_and_texts_stay_texts() {
        let variables = [
            ("WAYSTATION_DRAIN_SECONDS", "5"),
            ("WAYSTATION_MAIL__PORT", "465"),
            ("WAYSTATION_MAIL__USER", "4711"),
            ("WAYSTATION_MASTER_SECRET", " [1] "),
            ("WAYSTATION_POLICY", "{check_in = {pin_tries = 3, idle_seconds = 1}}"),
            ("WAYSTATION_POLICY__CHECK_IN__IDLE_SECONDS", "60"),
            ("WAYSTATION_TRUSTED_PROXIES", "[127.0.0.0/8]"),
            ("WAYSTATION_", "nothing"),
            ("WAYSTATION___A", "nothing"),
            ("OTHER_LISTEN", "nothing"),
        ];
        let wanted = json!({
            "drain_seconds": 5,
            "mail": {"port": 465, "user": "4711"},
            "master_secret": " [1] ",
            "policy": {"check_in": {"pin_tries": 3, "idle_seconds": 60}},
            "trusted_proxies": ["127.0.0.0/8"],
        });
        assert_eq!(of(&variables, &json!({})), wanted);
    }

    #[test]
    fn a_variable_that_a_lower_layer_names_is_not_a_setting() {
        let below = json!({"mail": {"password_env": "WAYSTATION_A"}, "sms": {"token_env": "WAYSTATION_B"}});
        let variables =
            [("WAYSTATION_A", "x"), ("WAYSTATION_B", "x"), ("WAYSTATION_C", "x"), (MAIL_PASSWORD, "x")];
        assert_eq!(of(&variables, &below), json!({"c": "x"}));
        let instead = [("WAYSTATION_SMS__TOKEN_ENV", "WAYSTATION_C")];
        let settings = of(&[&variables[..], &instead].concat(), &below);
        assert_eq!(settings, json!({"b": "x", "sms": {"token_env": "WAYSTATION_C"}}));
    }

    #[test]
    fn variables_injected_by_an_orchestrator_are_not_settings() {
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
