//! No letter is lost when a mail server refuses it, and none is sent with a link
//! that is no longer valid.

use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{Seed, pharmacist_licence},
    smtp::SmtpServer,
};
use base::config::{MailConfig, SmtpTls};
use mail::Mailer;
use service::jobs::letters::send_due;

const LETTERS: &str = "/api/v1/letters";
const PASSWORD: &str = "plums under a grey roof";

fn mailer(server: &SmtpServer, hello_name: Option<&str>) -> Mailer {
    let config = MailConfig::Smtp {
        from: "Waystation <w@w.example>".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: server.port,
        tls: SmtpTls::None,
        user: Some("w".to_owned()),
        // Any variable that exists: the server accepts every password.
        password_env: Some("PATH".to_owned()),
        hello_name: hello_name.map(str::to_owned),
    };
    Mailer::new(&config, std::path::Path::new("unused"))
        .expect("a mailer")
        .with_public_url("https://clinic.example.cn")
}

async fn invite(app: &TestApp, seed: &Seed, email: &str) -> Value {
    let body = json!({"role": "pharmacist", "email": email, "name_zh": "新药师", "name_en": "New",
        "pharmacist": pharmacist_licence(&email.replace('@', "-"))});
    app.post(&seed.operator.token, "/api/v1/staff", body).await.expect(201)
}

async fn letters(app: &TestApp, seed: &Seed, state: &str) -> Vec<Value> {
    let session = app.staff_token(
        domain::staff::role::Role::Operator,
        seed.operator.id,
        seed.operator.session,
        None,
        None,
    );
    let page = app.get(&session, &format!("{LETTERS}?state={state}")).await.expect(200);
    page["items"].as_array().expect("a list").clone()
}

async fn set_password(app: &TestApp, token: &str) -> crate::harness::Answer {
    let body = json!({"token": token, "password": PASSWORD, "signing_pin": "739154"});
    app.post("", "/api/v1/staff/password", body).await
}

#[actix_web::test]
async fn an_invitation_is_sent_after_days_of_failed_smtp_authentication() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let mailer = mailer(&server, None);
    server.refuse("AUTH", "535 5.7.8 bad credentials");
    invite(&app, &seed, "new@example.cn").await;
    assert_eq!(send_due(&app.state, &mailer).await.expect("tried"), 0);
    // Over three days: longer than its link is valid.
    for _ in 0..19 {
        app.pass(4 * 3600);
        assert_eq!(send_due(&app.state, &mailer).await.expect("tried"), 0);
    }
    server.relent();
    app.pass(4 * 3600);
    assert_eq!(send_due(&app.state, &mailer).await.expect("sent"), 1);
    set_password(&app, &server.newest_token()).await.expect(200);
}

#[actix_web::test]
async fn only_an_unknown_recipient_ends_a_letter_at_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let mailer = mailer(&server, None);
    let cases = [
        ("CONNECT", "554 5.3.2 no service", "waiting", "greeting", 554),
        ("EHLO", "504 5.5.2 need a fully-qualified name", "waiting", "greeting", 504),
        ("AUTH", "535 5.7.8 bad credentials", "waiting", "authentication", 535),
        ("MAIL", "553 5.1.8 the sender's domain is unknown", "waiting", "policy", 553),
        ("MAIL", "530 5.7.0 authentication required", "waiting", "authentication", 530),
        ("RCPT", "554 5.7.1 relay access denied", "waiting", "policy", 554),
        ("RCPT", "450 4.2.0 greylisted", "waiting", "later", 450),
        ("RCPT", "552 5.2.2 the mailbox is full", "waiting", "later", 552),
        ("TEXT", "554 5.7.1 looks like spam", "waiting", "policy", 554),
        ("RCPT", "550 5.1.1 no such user", "dead", "recipient", 550),
        ("RCPT", "550 No such user here", "dead", "recipient", 550),
    ];
    for (at, (verb, reply, state, trouble, code)) in cases.into_iter().enumerate() {
        let email = format!("person-{at}@example.cn");
        server.refuse(verb, reply);
        invite(&app, &seed, &email).await;
        assert_eq!(send_due(&app.state, &mailer).await.expect("tried"), 0, "{reply}");
        server.relent();
        let found = letters(&app, &seed, state).await;
        let letter =
            found.iter().find(|one| one["email"] == email.as_str()).unwrap_or_else(|| panic!("{reply}"));
        assert_eq!(
            (&letter["trouble"], &letter["reply_code"], &letter["tries"]),
            (&json!(trouble), &json!(code), &json!(1)),
            "{reply}"
        );
        assert_eq!(letter["next_try_at"].is_null(), state == "dead", "{reply}");
        // Shows neither the letter's text nor the server's own reply.
        let shown = letter.to_string();
        assert!(!shown.contains("token") && !shown.contains("such user"), "{shown}");
    }
    let counted = service::metrics::exposition(&app.state).await;
    assert!(counted.contains("waystation_letters_dead 2\n"), "{counted}");
    assert!(counted.contains("waystation_letters_total{outcome=\"dead\"} 2\n"), "{counted}");
    app.get(&seed.doctor.token, LETTERS).await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn a_dead_letter_can_be_resent_with_a_fresh_link() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let mailer = mailer(&server, None);
    server.refuse("RCPT", "550 5.1.1 no such user");
    invite(&app, &seed, "new@example.cn").await;
    send_due(&app.state, &mailer).await.expect("tried");
    let dead = letters(&app, &seed, "dead").await;
    let path = format!("{LETTERS}/{}/resend", dead[0]["id"].as_str().expect("an id"));
    server.relent();
    app.post(&seed.doctor.token, &path, json!({})).await.problem(403, "role_not_allowed");
    let again = app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    assert_eq!((&again["state"], &again["id"]), (&json!("waiting"), &dead[0]["id"]));
    assert_eq!(send_due(&app.state, &mailer).await.expect("sent"), 1);
    let first = server.newest_token();
    // It was accepted and lost on the way: sent again, the first link becomes void.
    let other = app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    assert_ne!(other["id"], again["id"]);
    assert_eq!(send_due(&app.state, &mailer).await.expect("sent"), 1);
    set_password(&app, &first).await.problem(401, "link_invalid");
    set_password(&app, &server.newest_token()).await.expect(200);
    let opened = app.post(&seed.operator.token, &path, json!({})).await.problem(409, "state_moved_on");
    assert_eq!(opened["state"], "opened");
    let nobody = format!("{LETTERS}/{}/resend", uuid::Uuid::now_v7());
    app.post(&seed.operator.token, &nobody, json!({})).await.problem(404, "not_found");
}

#[actix_web::test]
async fn an_invitation_can_be_repeated_until_it_is_accepted() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let mailer = mailer(&server, None);
    let first = invite(&app, &seed, "new@example.cn").await;
    send_due(&app.state, &mailer).await.expect("sent");
    let old = server.newest_token();
    let body = json!({"role": "pharmacist", "email": "NEW@example.cn", "name_zh": "药师乙", "name_en": "Yi",
        "pharmacist": pharmacist_licence("P-77")});
    let second = app.post(&seed.operator.token, "/api/v1/staff", body).await.expect(201);
    assert_eq!(second["staff"]["id"], first["staff"]["id"]);
    assert_eq!(second["staff"]["name_en"], "Yi");
    // The same address with another role is another person.
    let other = json!({"role": "operator", "email": "new@example.cn", "name_zh": "药师", "name_en": "Yi"});
    app.post(&seed.operator.token, "/api/v1/staff", other).await.problem(409, "already_exists");
    assert_eq!(send_due(&app.state, &mailer).await.expect("sent"), 1);
    set_password(&app, &old).await.problem(401, "link_invalid");
    set_password(&app, &server.newest_token()).await.expect(200);
    let third = json!({"role": "pharmacist", "email": "new@example.cn", "name_zh": "药师", "name_en": "Yi",
        "pharmacist": pharmacist_licence("P-77")});
    app.post(&seed.operator.token, "/api/v1/staff", third).await.problem(409, "already_exists");
}

#[actix_web::test]
async fn a_reset_with_an_expired_link_is_not_sent() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let mailer = mailer(&server, None);
    server.refuse("CONNECT", "421 4.3.2 not now");
    let ask = json!({"email": seed.doctor.email});
    app.post("", "/api/v1/staff/password-reset", ask).await.expect(202);
    assert_eq!(send_due(&app.state, &mailer).await.expect("tried"), 0);
    server.relent();
    app.pass(29 * 60);
    assert_eq!(send_due(&app.state, &mailer).await.expect("too late"), 0);
    assert!(server.letters().is_empty());
    let dead = letters(&app, &seed, "dead").await;
    assert_eq!((dead.len(), &dead[0]["trouble"]), (1, &json!("link_expired")));
    // Nor is one whose link became void by a newer password.
    app.post("", "/api/v1/staff/password-reset", json!({"email": seed.doctor.email})).await.expect(202);
    let token = crate::staff_tokens::token_of_newest_letter(&app).await;
    app.post("", "/api/v1/staff/password-reset", json!({"email": seed.doctor.email})).await.expect(202);
    let set = json!({"token": token, "password": PASSWORD});
    app.post("", "/api/v1/staff/password", set).await.expect(200);
    app.pass(61);
    assert_eq!(send_due(&app.state, &mailer).await.expect("nothing due"), 0);
    assert!(server.letters().is_empty());
}

#[actix_web::test]
async fn an_unreachable_server_costs_one_letter_a_try_at_a_time() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let mailer = mailer(&server, None);
    server.refuse("CONNECT", "554 5.3.2 no service");
    for at in 0..3 {
        invite(&app, &seed, &format!("person-{at}@example.cn")).await;
    }
    assert_eq!(send_due(&app.state, &mailer).await.expect("tried"), 0);
    let tries: Vec<i64> =
        letters(&app, &seed, "waiting").await.iter().filter_map(|one| one["tries"].as_i64()).collect();
    assert_eq!(tries.iter().sum::<i64>(), 1, "the others keep their tries: {tries:?}");
    server.relent();
    app.pass(121);
    assert_eq!(send_due(&app.state, &mailer).await.expect("sent"), 3);
}

#[actix_web::test]
async fn the_mail_server_is_greeted_with_the_public_host_name() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    for (email, set, greeted) in [
        ("one@example.cn", None, "EHLO clinic.example.cn\n"),
        ("two@example.cn", Some("mx.example.cn"), "EHLO mx.example.cn\n"),
    ] {
        invite(&app, &seed, email).await;
        assert_eq!(send_due(&app.state, &mailer(&server, set)).await.expect("sent"), 1);
        let letter = server.letters().pop().expect("a letter");
        assert!(letter.contains(greeted), "{letter}");
    }
}

/// An attacker who changed the address must not be able to suppress the notice by
/// disabling the account.
#[actix_web::test]
async fn the_old_address_is_notified_of_its_change_although_the_account_is_disabled_since() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let server = SmtpServer::open().await;
    let mailer = mailer(&server, None);
    let path = format!("/api/v1/staff/{}", seed.doctor.id);
    let moved = json!({"email": "elsewhere@example.cn"});
    app.post(&seed.operator.token, &format!("{path}/email"), moved).await.expect(200);
    assert_eq!(send_due(&app.state, &mailer).await.expect("sent"), 1);
    let body = json!({"token": server.newest_token()});
    app.post("", "/api/v1/staff/email", body).await.expect(200);
    app.post("", "/api/v1/staff/password-reset", json!({"email": "elsewhere@example.cn"})).await.expect(202);
    app.post(&seed.operator.token, &format!("{path}/disable"), json!({})).await.expect(200);
    // The notice, and nothing with a link.
    assert_eq!(send_due(&app.state, &mailer).await.expect("sent"), 1);
    let letter = server.letters().pop().expect("a letter");
    assert!(letter.contains("RCPT TO:<doctor-a@example.cn>"), "{letter}");
}
