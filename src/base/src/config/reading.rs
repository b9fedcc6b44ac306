//! Reads the merged layers as typed settings, or returns all problems in them.

use serde_json::Value;

use super::{
    Config, ConfigError, SettingProblem, defaults,
    layers::{Layers, merge, put},
    unreadable::Unreadable,
};

/// serde stops at its first error. So the reported value is replaced by a
/// placeholder and the rest is read again, until no new problem is found.
pub(super) fn read(layers: &Layers) -> Result<Config, ConfigError> {
    let mut settings = layers.merged();
    let mut problems: Vec<SettingProblem> = Vec::new();
    loop {
        let found = match serde_path_to_error::deserialize(&settings) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => return Err(ConfigError::Refused(problems)),
            Err(error) => Unreadable::from(error),
        };
        let place = layers.origin(&found.path).map(|name| format!(" (in {name})"));
        let problem = SettingProblem::new(found.key(), found.why.clone() + &place.unwrap_or_default());
        if problems.iter().any(|known| known.key == problem.key) {
            return Err(ConfigError::Refused(problems));
        }
        problems.push(problem);
        repair(&mut settings, &found);
    }
}

fn repair(settings: &mut Value, found: &Unreadable) {
    match found.path.as_slice() {
        path if found.is_unknown => put(settings, path, None),
        [table, key] if key == "transport" => {
            // The allowed keys are unknown without a transport, so no key may be
            // reported as unknown or missing.
            put(settings, &found.path, None);
            if let (Some(mut all), Some(rest)) =
                (defaults::with_every_key_allowed(table), settings.get(table).cloned())
            {
                merge(&mut all, rest);
                put(settings, &found.path[..1], Some(all));
            }
        }
        path => put(settings, path, defaults::placeholder(path)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::unreadable::SECRETS;

    fn problems(settings: Value) -> Vec<(String, String)> {
        let mut layers = Layers::default();
        layers.add("the defaults", defaults::defaults());
        layers.add("a file", settings);
        let refused = read(&layers).expect_err("refused");
        refused.problems().into_iter().map(|problem| (problem.key, problem.why)).collect()
    }

    fn keys(settings: Value) -> Vec<String> {
        problems(settings).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn all_problems_are_named_each_once() {
        let all = problems(json!({
            "lisen": "127.0.0.1:1",
            "listen": "here",
            "http_workers": "many",
            "database_connections": -1,
            "body_ms": 1.5,
            "log": "pictures",
            "seal_keys": 1,
            "trusted_proxies": ["::1/128", "somewhere", "10.0.0.0/8", 5],
            "data_dir": false,
            "policy": [],
            "mail": {"lisen": 1, "from": 2},
        }));
        let number = "a number (in a file, texts stand in quotes)";
        let wanted = [
            ("body_ms", "it must be u64, and is a number with a point (in a file, texts stand in quotes)"),
            ("data_dir", "it must be path string, and is true or false"),
            ("database_connections", &format!("it must be u32, and is {number}")),
            ("http_workers", "it must be usize, and is a text"),
            ("listen", "invalid socket address syntax"),
            ("log", "`pictures` is none of text, json"),
            ("mail.from", &format!("it must be a string, and is {number}")),
            ("mail.lisen", "there is no such setting; there are transport, from, host, port, tls, user, "),
            ("policy", "it must be a map, and is a list"),
            ("seal_keys", &format!("it must be a sequence, and is {number}")),
            ("trusted_proxies.1", "invalid IP address syntax"),
            ("trusted_proxies.3", number),
            ("lisen", "there is no such setting; there are listen, public_url, "),
        ];
        for (key, why) in wanted {
            let found = all.iter().filter(|problem| problem.0 == key).collect::<Vec<_>>();
            assert!(matches!(&*found, [found] if found.1.contains(why)), "{key}: {found:?} of {all:?}");
        }
        assert!(all.iter().all(|(_, why)| why.ends_with(" (in a file)")), "{all:?}");
        assert_eq!(all.len(), wanted.len(), "{all:?}");
    }

    #[test]
    fn missing_and_unknown_keys_of_a_transport_are_named() {
        assert_eq!(keys(json!({"mail": {"transport": "smtp"}})), ["mail.host", "mail.port", "mail.tls"]);
        assert_eq!(
            keys(json!({"mail": {"transport": "smtp", "host": "x", "port": "y", "tls": "z", "user": 5}})),
            ["mail.port", "mail.tls", "mail.user"]
        );
        assert_eq!(keys(json!({"mail": {"host": "x", "port": 5}})), ["mail.host", "mail.port"]);
        assert_eq!(
            keys(json!({"mail": {"transport": "pigeon", "host": "x", "user": 5}})),
            ["mail.transport", "mail.user"]
        );
        assert_eq!(keys(json!({"mail": "pigeon"})), ["mail"]);
        assert_eq!(keys(json!({"sms": {"transport": "gateway"}})), ["sms.url"]);
        assert_eq!(
            keys(json!({"sms": {"transport": 5, "token_env": 5}})),
            ["sms.token_env", "sms.transport"]
        );
        assert_eq!(keys(json!({"sms": {"lisen": 5}})), ["sms.lisen"]);
        assert_eq!(keys(json!({"signing": {"provider": "service"}})), ["signing.url"]);
        assert_eq!(
            keys(json!({"signing": {"provider": "nobody", "tries": "x"}})),
            ["signing.provider", "signing.tries"]
        );
    }

    #[test]
    fn placeholders_can_be_read() {
        for table in ["mail", "sms", "signing"] {
            let mut layers = Layers::default();
            layers.add("the defaults", defaults::defaults());
            layers.add("all keys", json!({table: defaults::with_every_key_allowed(table)}));
            read(&layers).expect("readable");
        }
    }

    #[test]
    fn no_problem_shows_the_value_of_a_secret() {
        let mut secrets = vec![
            json!({"mail": "hunter2"}),
            json!({"mail": ["hunter2"]}),
            json!({"mail": {"password": "hunter2"}}),
            json!({"sms": {"token": "hunter2"}}),
            json!({"master_secrets": {"first": "hunter2"}}),
        ];
        for key in SECRETS {
            secrets.push(json!({*key: ["hunter2"]}));
            secrets.push(json!({*key: {"hunter2": "hunter2"}}));
            secrets.push(json!({*key: 843_219}));
        }
        for settings in secrets {
            let shown = format!("{:?}", problems(settings.clone()));
            assert!(!shown.contains("hunter2") && !shown.contains("843219"), "{settings}: {shown}");
        }
    }
}
