//! Letters are sent from the outbox at least once, through a mail server or as files.

use serde_json::json;

use crate::{harness::TestApp, smtp::SmtpServer};
use base::config::{MailConfig, SmtpTls};
use mail::Mailer;

async fn ask_for_reset(app: &TestApp, email: &str) {
    app.post("", "/api/v1/staff/password-reset", json!({"email": email})).await.expect(202);
}

#[actix_web::test]
async fn a_letter_is_written_to_one_file() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = MailConfig::Files { from: "Waystation <w@w.example>".to_owned() };
    let mailer = Mailer::new(&config, dir.path()).expect("a mailer");
    ask_for_reset(&app, &seed.doctor.email).await;
    assert_eq!(service::jobs::letters::send_due(&app.state, &mailer).await.expect("sent"), 1);
    app.pass(7200);
    assert_eq!(service::jobs::letters::send_due(&app.state, &mailer).await.expect("nothing left"), 0);
    let files: Vec<_> = std::fs::read_dir(dir.path().join("mail")).expect("a folder").collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(files[0].as_ref().expect("a file").path()).expect("text");
    assert!(text.contains("doctor-a@example.cn") && !text.to_lowercase().contains("bcc:"), "{text}");
}

#[actix_web::test]
async fn a_letter_waits_for_an_unreachable_mail_server_and_is_sent_after_a_crash() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let config = |port| MailConfig::Smtp {
        from: "Waystation <w@w.example>".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        tls: SmtpTls::None,
        user: None,
        password_env: None,
        hello_name: None,
    };
    let unused = std::path::Path::new("unused");
    // Nothing listens on port 1.
    let unreachable = Mailer::new(&config(1), unused).expect("a mailer");
    let reachable = Mailer::new(&config(server.port), unused).expect("a mailer");
    ask_for_reset(&app, &seed.doctor.email).await;
    assert_eq!(service::jobs::letters::send_due(&app.state, &unreachable).await.expect("tried"), 0);
    assert_eq!(service::jobs::letters::send_due(&app.state, &reachable).await.expect("not due yet"), 0);
    app.pass(31);
    // Claimed by a process that dies before it sends the letter.
    assert_eq!(service::letter::claim_due(&app.state).await.expect("claimed").len(), 1);
    assert_eq!(service::jobs::letters::send_due(&app.state, &reachable).await.expect("not due yet"), 0);
    app.pass(61);
    assert_eq!(service::jobs::letters::send_due(&app.state, &reachable).await.expect("sent"), 1);
    let letters = server.letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].contains("RCPT TO:<doctor-a@example.cn>"), "{}", letters[0]);
}

#[actix_web::test]
async fn the_job_wakes_for_a_letter_and_stops_on_request() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let config = MailConfig::Smtp {
        from: "w@w.example".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: server.port,
        tls: SmtpTls::None,
        user: None,
        password_env: None,
        hello_name: None,
    };
    let mailer = Mailer::new(&config, std::path::Path::new("unused")).expect("a mailer");
    let running = service::jobs::Jobs::start(&app.state, &std::sync::Arc::new(mailer));
    ask_for_reset(&app, &seed.doctor.email).await;
    server.wait_for(1).await;
    running.stop(std::time::Duration::from_secs(10)).await;
}
