//! Keys rotate and retire under traffic without losing anything.

use std::sync::Arc;

use chrono::TimeDelta;
use data_encoding::BASE64URL_NOPAD;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    prescribing::Scene,
    seed::{SIGNING_PIN, Seed},
};
use crypto::seal::SealKeyId;
use domain::{keys::KeyKind, staff::role::Role};
use service::{Actor, Failure, keys::KeyError};
use storage::keys::reseal::COLUMNS;

impl TestApp {
    async fn rotate(&self, kind: KeyKind) -> String {
        let app = Arc::clone(&self.state);
        let made = self.state.store.write::<_, Failure>(move |conn| {
            service::keys::rotate(conn, &app.keys, &app.policy.network, kind, app.now())
        });
        made.await.expect("made").id
    }

    async fn retire(&self, kind: KeyKind, id: &str, at_once: bool) -> Result<(), String> {
        let (id, now) = (id.to_owned(), self.now());
        let retired = self.state.store.write::<_, Failure>(move |conn| {
            let life = TimeDelta::minutes(30);
            match service::keys::retire(conn, (kind, &id), life, at_once, now) {
                Ok(()) => Ok(Ok(())),
                Err(KeyError::Failed(failure)) => Err(failure),
                Err(error) => Ok(Err(error.to_string())),
            }
        });
        retired.await.expect("no fault")
    }

    async fn reload_keys(&self) {
        service::keys::reload(&self.state).await.expect("looked");
    }

    /// One pass over every sealed column; returns how many values were sealed again.
    async fn reseal(&self) -> u64 {
        let mut resealed = 0;
        for column in COLUMNS {
            let mut after = None;
            loop {
                let (app, from) = (Arc::clone(&self.state), after.clone());
                let done = self.state.store.write::<_, Failure>(move |conn| {
                    let network = &app.policy.network;
                    service::keys::reseal(conn, &app.keys, network, *column, from.as_ref(), 3)
                });
                let done = done.await.expect("sealed");
                assert_eq!(done.unreadable, 0, "{}.{}", column.table, column.name);
                resealed += done.resealed;
                after = done.next;
                if after.is_none() {
                    break;
                }
            }
        }
        resealed
    }

    fn doctor_token(&self, seed: &Seed) -> String {
        self.staff_token(Role::Doctor, seed.doctor.id, seed.doctor.session, Some(seed.hospital), None)
    }
}

fn kid(token: &str) -> String {
    let header =
        BASE64URL_NOPAD.decode(token.split('.').next().expect("a header").as_bytes()).expect("base64");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

#[actix_web::test]
async fn signing_keys_rotate_and_retire_under_traffic() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let other = app.another().await;
    let ask = async |token: &str| {
        let asks = [&app, &other, &app, &other].map(|one| one.get(token, "/api/v1/duty"));
        join_all(asks).await.into_iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>()
    };
    let old = app.doctor_token(&seed);
    let first = kid(&old);
    assert_eq!(ask(&old).await, [200; 4]);
    let second = app.rotate(KeyKind::Token).await;
    for one in [&app, &other] {
        one.reload_keys().await;
        let served = one.get("", "/.well-known/jwks.json").await.expect(200);
        assert_eq!(served["keys"].as_array().map(Vec::len), Some(2), "published before it signs");
        assert_eq!(kid(&one.doctor_token(&seed)), first, "not yet");
    }
    app.pass(120);
    for one in [&app, &other] {
        let fresh = one.doctor_token(&seed);
        assert_eq!(kid(&fresh), second);
        assert_eq!(ask(&fresh).await, [200; 4]);
    }
    assert_eq!(ask(&old).await, [200; 4], "what the old one signed is still good");
    let refused = app.retire(KeyKind::Token, &second, true).await.expect_err("refused");
    assert!(refused.contains("in use"), "{refused}");
    let refused = app.retire(KeyKind::Token, &first, false).await.expect_err("refused");
    assert!(refused.contains("may still be in use"), "{refused}");
    // The key leaked: whatever it signed is void as soon as an instance reloads its keys.
    app.retire(KeyKind::Token, &first, true).await.expect("retired");
    for one in [&app, &other] {
        one.reload_keys().await;
    }
    assert_eq!(ask(&old).await, [401; 4]);
    assert_eq!(ask(&app.doctor_token(&seed)).await, [200; 4]);
    let third = app.rotate(KeyKind::Token).await;
    app.pass(120 + 37 * 60);
    app.retire(KeyKind::Token, &second, false).await.expect("nothing of it is left");
    app.reload_keys().await;
    assert_eq!(kid(&app.doctor_token(&seed)), third);
}

#[actix_web::test]
async fn sealing_keys_rotate_and_fields_are_resealed_and_the_old_key_retires_under_traffic() {
    let mut scene = Scene::open().await;
    let one = scene.approved(&["PCM-T500"]).await;
    scene.profile(json!({"allergies": ["penicillins"], "conditions": [], "medicines": []})).await;
    let messages = format!("/api/v1/consultations/{}/messages", scene.consultation);
    let send_message = async |scene: &Scene, text: &str| {
        scene.app.post(&scene.seed.doctor.token, &messages, json!({"text": text})).await.expect(201);
    };
    for n in 0..7 {
        send_message(&scene, &format!("before {n}")).await;
    }
    let other = scene.app.another().await;
    assert_eq!(scene.app.rotate(KeyKind::Seal).await, "2");
    for app in [&scene.app, &other] {
        app.reload_keys().await;
        assert_eq!(app.state.keys.sealer.current(), SealKeyId(1), "not yet");
        assert_eq!(app.state.keys.sealer.ids(), [SealKeyId(1), SealKeyId(2)]);
    }
    scene.pass(121).await;
    scene.app.reload_keys().await;
    assert_eq!(scene.app.state.keys.sealer.current(), SealKeyId(2));
    // One instance seals with the new key already; the other one opens it.
    send_message(&scene, "between").await;
    let listed = other.get(&scene.seed.doctor.token, &messages).await.expect(200);
    assert_eq!(listed["items"][7]["text"], "between");
    other.reload_keys().await;
    let refused = scene.app.retire(KeyKind::Seal, "1", false).await.expect_err("refused");
    assert!(refused.contains("may still be in use"), "{refused}");
    scene.pass(121).await;
    let refused = scene.app.retire(KeyKind::Seal, "1", false).await.expect_err("refused");
    assert!(refused.contains("keys reseal"), "{refused}");
    // Traffic continues meanwhile.
    let traffic = async {
        for n in 0..10 {
            send_message(&scene, &format!("during {n}")).await;
            other.get(&scene.seed.doctor.token, &messages).await.expect(200);
        }
    };
    let (resealed, ()) = futures_util::future::join(scene.app.reseal(), traffic).await;
    assert!(resealed > 15, "{resealed}");
    assert_eq!(scene.app.reseal().await, 0, "a second pass finds nothing left");
    scene.app.retire(KeyKind::Seal, "1", false).await.expect("retired");
    for app in [&scene.app, &other] {
        app.reload_keys().await;
        assert_eq!(app.state.keys.sealer.ids(), [SealKeyId(2)]);
        let listed = app.get(&scene.seed.doctor.token, &messages).await.expect(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(18));
        let record = format!("/api/v1/consultations/{}/record", scene.consultation);
        let record = app.get(&scene.seed.doctor.token, &record).await.expect(200);
        assert_eq!(record["profile"]["allergies"], json!(["penicillins"]));
        app.get(&scene.seed.doctor.token, &format!("/api/v1/prescriptions/{one}")).await.expect(200);
    }
    // A process that starts now uses the new key, too.
    let third = scene.app.another().await;
    third.get(&scene.seed.doctor.token, &messages).await.expect(200);
    assert_eq!(third.state.keys.sealer.ids(), [SealKeyId(2)]);
}

async fn key_of(scene: &Scene, prescription: &str) -> String {
    let id = prescription.parse().expect("an id");
    let read = scene
        .app
        .state
        .read(Actor::System, move |conn, _| Ok(storage::prescription::prescription_fetch(conn, id)?));
    kid(&read.await.expect("read").expect("there").signature.expect("signed"))
}

async fn approve(scene: &Scene, prescription: &str) -> Answer {
    let path = format!("/api/v1/prescriptions/{prescription}/approve");
    scene.app.post(&scene.seed.pharmacist.token, &path, json!({"pin": SIGNING_PIN})).await
}

#[actix_web::test]
async fn prescription_keys_rotate_and_signatures_of_the_old_key_stay_valid() {
    let mut scene = Scene::open().await;
    let one = scene.signed(&["PCM-T500"]).await;
    assert_eq!(scene.app.rotate(KeyKind::Prescription).await, "2");
    scene.app.reload_keys().await;
    scene.pass(121).await;
    approve(&scene, &one).await.expect(200);
    let first = key_of(&scene, &one).await;
    // The next one is signed with the new key.
    let mut scene = Scene::open().await;
    scene.app.rotate(KeyKind::Prescription).await;
    scene.app.reload_keys().await;
    scene.pass(121).await;
    let two = scene.signed(&["PCM-T500"]).await;
    assert_ne!(first, key_of(&scene, &two).await);
    let refused = scene.app.retire(KeyKind::Prescription, "2", true).await.expect_err("refused");
    assert!(refused.contains("in use"), "{refused}");
    let refused = scene.app.retire(KeyKind::Prescription, "1", false).await.expect_err("refused");
    assert!(refused.contains("may still be in use"), "{refused}");
    scene.app.retire(KeyKind::Prescription, "1", true).await.expect("retired");
    scene.app.reload_keys().await;
    approve(&scene, &two).await.expect(200);
}

#[actix_web::test]
async fn a_prescription_signed_by_a_leaked_key_is_refused() {
    let mut scene = Scene::open().await;
    let one = scene.signed(&["PCM-T500"]).await;
    scene.app.rotate(KeyKind::Prescription).await;
    scene.pass(121).await;
    scene.app.retire(KeyKind::Prescription, "1", true).await.expect("retired");
    scene.app.reload_keys().await;
    approve(&scene, &one).await.problem(409, "prescription_signature_invalid");
}

#[actix_web::test]
async fn audit_keys_rotate_and_the_chain_stays_unbroken() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let other = app.another().await;
    let check = async |app: &TestApp| {
        let path = "/api/v1/audit/chain?after=0";
        app.get(&app.operator_token(&seed), path).await.expect(200)
    };
    app.log_and_seal(&seed, 3).await;
    assert_eq!(app.rotate(KeyKind::Audit).await, "2");
    for one in [&app, &other] {
        one.reload_keys().await;
    }
    app.log_and_seal(&seed, 3).await;
    app.pass(121);
    // Sealed with the new key; every instance verifies both keys' seals.
    app.log_and_seal(&seed, 3).await;
    for one in [&app, &other] {
        assert_eq!(check(one).await["unbroken"], true);
    }
    let refused = app.retire(KeyKind::Audit, "1", false).await.expect_err("refused");
    assert!(refused.contains("may still be in use"), "{refused}");
    app.pass(120);
    app.retire(KeyKind::Audit, "1", false).await.expect("retired");
    app.reload_keys().await;
    app.log_and_seal(&seed, 3).await;
    let view = check(&app).await;
    assert_eq!(view["unbroken"], true, "what it sealed before stays: {view}");
    let kids: std::collections::BTreeSet<String> =
        app.seal_signatures().await.iter().map(|jws| kid(jws)).collect();
    assert_eq!(kids.len(), 2);
    // The command reads the list of keys from the database.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_waystation"))
        .args(["audit", "verify"])
        .env("WAYSTATION_DATABASE_URL", app.url())
        .env("WAYSTATION_DATA_DIR", app.data_dir())
        .env("WAYSTATION_MASTER_SECRET", "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_sealed_column_can_be_resealed() {
    let text = include_str!("../../src/storage/src/schema.rs");
    let mut table = "";
    let mut known = 0;
    for line in text.lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            table = name;
        }
        let Some((column, _)) = line.split_once(" ->").filter(|(name, _)| name.ends_with("_sealed")) else {
            continue;
        };
        let found = COLUMNS.iter().any(|one| one.table == table && one.name == column);
        assert!(found, "{table}.{column} is not in storage::reseal::COLUMNS");
        known += 1;
    }
    assert_eq!(known, COLUMNS.len());
}

#[actix_web::test]
async fn the_command_shows_and_rotates_keys() {
    let app = TestApp::open().await;
    let run = |arguments: &[&str]| keys_command(&app, arguments);
    let (good, output_text) = run(&["rotate", "--kind", "seal"]);
    assert!(good, "{output_text}");
    let (good, output_text) = run(&["list"]);
    assert!(
        good && output_text.contains("seal         2") && output_text.contains("in use"),
        "{output_text}"
    );
    let (good, output_text) = run(&["reseal"]);
    assert!(good, "{output_text}");
    let (good, output_text) = run(&["retire", "--kind", "seal", "1"]);
    assert!(!good && output_text.contains("in use"), "{output_text}");
}

fn keys_command(app: &TestApp, arguments: &[&str]) -> (bool, String) {
    command(app, &[&["keys"], arguments].concat())
}

/// Runs the program on the database of `app`; whether it ended well, and all that it said.
pub fn command(app: &TestApp, arguments: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_waystation"))
        .args(arguments)
        .env("WAYSTATION_DATABASE_URL", app.url())
        .env("WAYSTATION_MASTER_SECRET", "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs");
    let output_text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), output_text.into_owned())
}

#[actix_web::test]
async fn the_command_shows_and_ends_a_doctors_key() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let key = key_of(&scene, &id).await;
    let doctor = scene.seed.doctor.id.to_string();
    let run = |arguments: &[&str]| keys_command(&scene.app, arguments);
    let (good, output_text) = run(&["doctor", &doctor]);
    assert!(good && output_text.contains(&key) && output_text.contains("EdDSA"), "{output_text}");
    let (good, output_text) = run(&["end-doctor-key", &key]);
    assert!(good, "{output_text}");
    let (good, output_text) = run(&["end-doctor-key", &key]);
    assert!(!good && output_text.contains("no such live key"), "{output_text}");
    let (good, output_text) = run(&["end-doctor-key", &key, "--compromised"]);
    assert!(good, "{output_text}");
    let (_, output_text) = run(&["doctor", &doctor]);
    assert!(output_text.contains("compromised"), "{output_text}");
    approve(&scene, &id).await.problem(409, "prescription_signature_invalid");
}
