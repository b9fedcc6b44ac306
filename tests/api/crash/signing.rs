//! The program is killed between a signature and its answer. Whoever repeats the request with its key, at
//! another instance, gets the one signature: as it was answered, if it was.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Caller, TestApp, prescribing::Scene, seed::SIGNING_PIN};
use domain::ids::{Id, PrescriptionId};
use service::{Actor, Failure};

/// The program on the database of a test; killed when the test ends early.
struct Server {
    child: Child,
    base: String,
}

impl Server {
    fn start(app: &TestApp, folder: &tempfile::TempDir) -> Self {
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=\n").expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_waystation"))
            .arg("serve")
            .env("WAYSTATION_LISTEN", "127.0.0.1:0")
            .env("WAYSTATION_DATABASE_URL", app.url())
            .env("WAYSTATION_DATA_DIR", folder.path())
            .env("WAYSTATION_MASTER_SECRET_FILE", secret)
            .env("WAYSTATION_LOG", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let base = loop {
            let line = lines.next().expect("it logs its address").expect("text");
            let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if entry["message"] == "open" {
                break format!("http://{}", entry["address"].as_str().expect("an address"));
            }
        };
        // Keep reading its log, or the server blocks on a full pipe.
        std::thread::spawn(move || for _line in lines {});
        Self { child, base }
    }

    /// SIGKILL, like a power cut.
    fn kill(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How often this prescription was signed, by its events.
async fn signatures(scene: &Scene, id: PrescriptionId) -> usize {
    let read = scene.app.state.read(Actor::System, move |conn, _| -> Result<_, Failure> {
        let events = storage::events::events_of(conn, Id::from_uuid(id.uuid()))?;
        Ok(events.into_iter().filter(|event| event.kind == "prescription.signed").count())
    });
    read.await.expect("read")
}

#[actix_web::test]
async fn a_kill_between_signature_and_answer_signs_once_and_the_repeated_request_is_answered() {
    let scene = Scene::today().await;
    let doctor = scene.doctor();
    let (mut answered, mut lost) = (0, 0);
    for (round, milliseconds) in [0, 5, 15, 40, 100, 250, 600].into_iter().enumerate() {
        let id: PrescriptionId = scene.draft(&["PCM-T500"]).await.parse().expect("an id");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut server = Server::start(&scene.app, &folder);
        let (path, key) = (format!("/api/v1/prescriptions/{id}/sign"), format!("kill-sign-{round}"));
        let body = json!({"pin": SIGNING_PIN, "valid_days": 2});
        let sent = scene
            .app
            .client()
            .post(format!("{}{path}", server.base))
            .bearer_auth(doctor.token())
            .header("Idempotency-Key", &key)
            .json(&body);
        let request = tokio::spawn(async move {
            let answer = sent.send().await.ok()?;
            Some((answer.status().as_u16(), answer.json::<Value>().await.ok()?))
        });
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        server.kill();
        let first = request.await.expect("it ends");
        let again = scene.app.post_with_key(&doctor.token(), &path, &key, body).await.expect_ok();
        assert_eq!(again["state"], "signed");
        match first {
            Some((status, answer)) => {
                assert_eq!((status, answer), (200, again), "as it was answered");
                answered += 1;
            }
            None => lost += 1,
        }
        assert_eq!(signatures(&scene, id).await, 1);
        scene.pharmacist().approve(id).await.expect_ok();
        doctor.withdraw(id, "the next round").await.expect_ok();
    }
    assert!(lost > 0, "{answered} answered, {lost} lost: nothing was killed in time");
}
