//! Checks the settings and reports all problems at once, before anything is opened;
//! prints the settings without secrets.

use std::process::ExitCode;

use secrecy::{ExposeSecret, SecretString};

use base::config::{Config, MailConfig, SettingProblem};
use coordination::Redis;
use crypto::keys::MasterSecret;
use domain::policy::Policy;
use mail::Mailer;
use storage::DatabaseUrl;

/// The policy: the defaults, overridden by the settings.
///
/// # Errors
/// Every value that cannot be read or is out of bounds, by key.
pub(super) fn policy(config: &Config) -> Result<Policy, Vec<SettingProblem>> {
    let table = serde_json::Value::Object(config.policy.clone());
    let policy: Policy = serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        let key = if path == "." { "policy".to_owned() } else { format!("policy.{path}") };
        vec![SettingProblem::new(key, error.inner().to_string())]
    })?;
    let refused = policy.out_of_bounds().into_iter();
    let refused: Vec<_> =
        refused.map(|value| SettingProblem::new(format!("policy.{}", value.key), value.why)).collect();
    if refused.is_empty() { Ok(policy) } else { Err(refused) }
}

/// Everything that is wrong with the settings.
pub(super) fn problems(config: &Config) -> Vec<SettingProblem> {
    let mut found = config.problems();
    let mut refuse = |key: &str, why: String| found.push(SettingProblem::new(key, why));
    if let Err(why) = DatabaseUrl::parse(config.database_url.expose_secret()) {
        refuse("database_url", why);
    }
    if let Some(url) = &config.redis_url
        && let Err(why) = Redis::check(url.expose_secret())
    {
        refuse("redis_url", why);
    }
    if let Some(secret) = &config.master_secret
        && MasterSecret::from_base64(secret.expose_secret()).is_err()
    {
        refuse("master_secret", "it must be 32 random bytes in base64: `openssl rand -base64 32`".to_owned());
    }
    if let Err(why) = Mailer::new(&config.mail, &config.data_dir) {
        refuse("mail", why.to_string());
    }
    if let Err(refused) = policy(config) {
        found.extend(refused);
    }
    found
}

/// `waystation config check`: returns the problems, or the settings in force.
pub(super) fn check(loaded: Result<Config, Vec<SettingProblem>>) -> (String, ExitCode) {
    let found = match &loaded {
        Ok(config) => problems(config),
        Err(unreadable) => unreadable.clone(),
    };
    match loaded {
        Ok(config) if found.is_empty() => {
            (format!("{}设置可用 / the settings can work\n", in_force(&config)), ExitCode::SUCCESS)
        }
        Ok(_) | Err(_) => {
            let problems: String = found.iter().map(|problem| format!("{problem}\n")).collect();
            let count = found.len();
            let text = format!("{problems}有 {count} 项设置不可用 / {count} settings cannot work\n");
            (text, ExitCode::FAILURE)
        }
    }
}

/// The settings in force. For a secret, only whether it is set.
fn in_force(config: &Config) -> String {
    let secret = |value: Option<&SecretString>| if value.is_some() { "(set)" } else { "(not set)" };
    let database = config.database_url.expose_secret().split(':').next().unwrap_or_default();
    let mail = match &config.mail {
        MailConfig::Files { .. } => format!("files in {}", config.data_dir.join("mail").display()),
        MailConfig::Smtp { host, port, tls, .. } => format!("{host}:{port}, {tls:?}").to_lowercase(),
    };
    let metrics = config.metrics_listen.map_or_else(|| "(not set)".to_owned(), |at| at.to_string());
    let settings = [
        ("listen", config.listen.to_string()),
        ("public_url", config.public_url.clone()),
        ("database_url", format!("{database}:..")),
        ("database_connections", config.database_connections.to_string()),
        ("redis_url", secret(config.redis_url.as_ref()).to_owned()),
        ("instances", format!("{:?}", config.instances).to_lowercase()),
        ("data_dir", config.data_dir.display().to_string()),
        ("master_secret", secret(config.master_secret.as_ref()).to_owned()),
        ("seal_keys", format!("{:?}", config.seal_keys)),
        ("metrics_listen", metrics),
        ("metrics_token", secret(config.metrics_token.as_ref()).to_owned()),
        ("mail", mail),
    ];
    let settings = settings.into_iter().map(|(key, value)| format!("{key} = {value}\n"));
    let policy = config.policy.iter().map(|(path, value)| format!("policy.{path} = {value}\n"));
    settings.chain(policy).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use base::config::{Flags, example};

    /// The leaves of a table, by path.
    fn leaves(table: &Map<String, Value>, prefix: &str, into: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            match value {
                Value::Object(inner) => leaves(inner, &format!("{path}."), into),
                leaf => into.push((path, leaf.clone())),
            }
        }
    }

    fn parsed(text: &str) -> Map<String, Value> {
        let table: toml::Table = toml::from_str(text).expect("TOML");
        match serde_json::to_value(table).expect("JSON") {
            Value::Object(table) => table,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_example_contains_every_setting_with_its_default() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("example.toml");
        std::fs::write(&file, example::EXAMPLE).expect("written");
        let written = Config::load(Some(&file), &Flags::default()).expect("readable");
        let bare = Config::load(None, &Flags::default()).expect("readable");
        let without_policy =
            |config: &Config| format!("{:?}", Config { policy: Map::new(), ..config.clone() });
        assert_eq!(without_policy(&written), without_policy(&bare), "the example repeats the defaults");

        // Every value of the policy is listed, with its default.
        let Value::Object(defaults) = serde_json::to_value(Policy::default()).expect("JSON") else {
            panic!("a table")
        };
        let (mut wanted, mut found) = (Vec::new(), Vec::new());
        leaves(&defaults, "", &mut wanted);
        leaves(&written.policy, "", &mut found);
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, wanted);
        assert!(policy(&written).is_ok());
    }

    #[test]
    fn the_example_names_every_setting_that_has_no_default() {
        let complete = parsed(&example::complete());
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("unknown.toml");
        std::fs::write(&file, "no_such_setting = 1").expect("written");
        let refused = Config::load(Some(&file), &Flags::default()).expect_err("refused").to_string();
        let known = refused.split("there are ").nth(1).expect("the settings are listed");
        let known = known.split(" (in").next().unwrap_or(known);
        for key in known.split(", ") {
            assert!(complete.contains_key(key.trim()), "{key} is missing in the example");
        }
        let mail = complete["mail"].as_object().expect("a table");
        for key in ["host", "port", "tls", "user", "password_env"] {
            assert!(mail.contains_key(key), "mail.{key}");
        }
    }
}
