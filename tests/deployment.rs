//! What is deployed is built without the feature `demo`: it holds no sample password and knows no
//! command that simulates anybody. With the feature all of it is there, so the search can fail.
//!
//! `cargo test -p waystation --no-default-features --test deployment`

use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_waystation");

/// What everybody at the sample network signs in with, and its hash as the database holds it.
const SAMPLE_PASSWORD: [&str; 2] = ["sample-network-only-2026", "$d2F5c3RhdGlvbi1zYW1wbGU$"];

#[test]
fn only_a_demonstration_holds_the_sample_password() {
    let bytes = std::fs::read(BINARY).expect("the binary");
    for secret in SAMPLE_PASSWORD {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert_eq!(found, cfg!(feature = "demo"), "{secret}");
    }
}

#[test]
fn only_a_demonstration_has_the_commands_demo_sample_and_load() {
    for command in ["demo", "sample", "load"] {
        let help = Command::new(BINARY).args([command, "--help"]).output().expect("it runs");
        assert_eq!(help.status.success(), cfg!(feature = "demo"), "{command}");
    }
    let help = Command::new(BINARY).arg("--help").output().expect("it runs");
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(text.contains("serve"), "{text}");
    assert_eq!(text.contains("demo"), cfg!(feature = "demo"), "{text}");
}
