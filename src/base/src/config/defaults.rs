//! The default settings.

use serde_json::{Value, json};

use super::layers::at;

pub(super) fn defaults() -> Value {
    json!({
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
        "signing": {"provider": "network", "timeout_ms": 5_000, "tries": 2},
        "log": "text",
        "policy": {},
    })
}

/// A placeholder that can be deserialized at `path`, to look for further problems:
/// the default, or, for a required setting, any value of its type. `None` if the
/// setting is optional.
pub(super) fn placeholder(path: &[String]) -> Option<Value> {
    let defaults = defaults();
    let item = || at(&defaults, path.split_last()?.1)?.as_array()?.first();
    at(&defaults, path).or_else(item).cloned().or_else(|| at(&most_keys(), path).cloned())
}

/// The table `name` ("mail", "sms", "signing") with the transport that allows every key.
pub(super) fn with_every_key_allowed(name: &str) -> Option<Value> {
    most_keys().get(name).cloned()
}

fn most_keys() -> Value {
    json!({
        "mail": {"transport": "smtp", "from": "", "host": "", "port": 465, "tls": "wrapped"},
        "sms": {"transport": "gateway", "url": ""},
        "signing": {"provider": "service", "url": "", "timeout_ms": 1, "tries": 1},
    })
}
