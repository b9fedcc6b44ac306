//! Settings, tested through the program as an operator uses it.

use std::process::{Command, Stdio};

const SECRET: &str = "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=";

/// Runs the program with these `WAYSTATION_` variables only; returns whether it succeeded, and its output.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waystation"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYSTATION_")) {
        command.env_remove(name);
    }
    let done = command
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let output =
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.success(), output)
}

#[test]
fn all_invalid_settings_are_named_before_anything_is_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = format!("sqlite:{}", dir.path().join("never.db").display());
    let cannot_work = [
        ("WAYSTATION_MASTER_SECRET", SECRET),
        ("WAYSTATION_DATABASE_URL", database.as_str()),
        ("WAYSTATION_POLICY__MATCHING__OFFER_EXPIRY_S", "0"),
        ("WAYSTATION_POLICY__CHECK_IN__IDLE_SECONDS", "0"),
        ("WAYSTATION_POLICY__CHECK_IN__PIN_TRIES", "0"),
        ("WAYSTATION_POLICY__VENDING__MONTHLY_SUBSIDY", "-1"),
        ("WAYSTATION_SEAL_KEYS", "[]"),
        ("WAYSTATION_PUBLIC_URL", "https://operator:86420975318642@waystation.example.org/?next=1"),
    ];
    for command in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let (success, output) = run(command, &cannot_work);
        assert!(!success && !output.contains("86420975318642"), "{output}");
        for key in [
            "public_url",
            "offer_expiry_s",
            "check_in.idle_seconds",
            "check_in.pin_tries",
            "monthly_subsidy",
            "seal_keys",
        ] {
            assert!(output.contains(key), "{key} is not named: {output}");
        }
    }
    assert!(!dir.path().join("never.db").exists());
}

#[test]
fn variables_of_an_orchestrator_and_the_mail_password_do_not_stop_the_start() {
    let fine = [
        ("WAYSTATION_MASTER_SECRET", SECRET),
        ("WAYSTATION_SERVICE_HOST", "10.0.0.7"),
        ("WAYSTATION_SERVICE_PORT", "8080"),
        ("WAYSTATION_PORT", "tcp://10.0.0.7:8080"),
        ("WAYSTATION_PORT_8080_TCP_PROTO", "tcp"),
        ("WAYSTATION_MAIL__TRANSPORT", "smtp"),
        ("WAYSTATION_MAIL__HOST", "mail.example.org"),
        ("WAYSTATION_MAIL__PORT", "465"),
        ("WAYSTATION_MAIL__TLS", "wrapped"),
        ("WAYSTATION_MAIL__USER", "waystation"),
        ("WAYSTATION_MAIL_PASSWORD", "86420975318642"),
    ];
    let (success, output) = run(&["config", "check"], &fine);
    assert!(success, "{output}");
    assert!(output.contains("mail.example.org:465") && output.contains("master_secret = (set)"), "{output}");
    for secret in [SECRET, "86420975318642"] {
        assert!(!output.contains(secret), "{output}");
    }
    let without_password: Vec<_> = fine.into_iter().take(fine.len() - 1).collect();
    let (success, output) = run(&["config", "check"], &without_password);
    assert!(!success && output.contains("WAYSTATION_MAIL_PASSWORD"), "{output}");
}

#[test]
fn no_error_message_contains_a_secret() {
    let digits = "843219843219843219";
    for (name, value) in [
        ("WAYSTATION_MASTER_SECRET", digits),
        ("WAYSTATION_DATABASE_URL", digits),
        ("WAYSTATION_REDIS_URL", digits),
    ] {
        for command in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"], &["migrate"]] {
            if command == ["migrate"] && name != "WAYSTATION_DATABASE_URL" {
                continue;
            }
            let (success, output) = run(command, &[(name, value)]);
            assert!(!success && !output.contains(digits), "{name} {command:?}: {output}");
        }
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("waystation.toml");
    for key in ["master_secret", "database_url", "redis_url", "metrics_token"] {
        std::fs::write(&file, format!("{key} = {digits}\n")).expect("written");
        let (success, output) = run(&["config", "check", "--config", file.to_str().expect("a path")], &[]);
        assert!(!success && output.contains(key) && !output.contains(digits), "{output}");
    }
    // A TOML syntax error is reported by its line number only: the line may contain a secret.
    for line in [
        format!("master_secret = {digits}{digits}"),
        format!("master_secret = \"{digits}"),
        format!("mail = {{ transport = \"smtp\", password = \"{digits} }}"),
        format!("database_url = postgres://u:{digits}@db/x"),
        format!("log = \"text\"\n  redis_url = '{digits}\nlog = 1"),
        digits.to_owned(),
        format!("[policy]\n{digits} = \"{digits}\" x"),
    ] {
        std::fs::write(&file, &line).expect("written");
        let (success, output) = run(&["config", "check", "--config", file.to_str().expect("a path")], &[]);
        assert!(!success && output.contains("line ") && !output.contains(digits), "{line}: {output}");
    }
}

#[test]
fn the_annotated_example_is_valid_once_it_has_a_secret() {
    let (success, example) = run(&["config", "example"], &[]);
    assert!(success && example.contains("[policy.vending]"), "{example}");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("waystation.toml");
    std::fs::write(&file, example).expect("written");
    let path = file.to_str().expect("a path");
    let (success, output) =
        run(&["config", "check", "--config", path], &[("WAYSTATION_MASTER_SECRET", SECRET)]);
    assert!(success, "{output}");
}
