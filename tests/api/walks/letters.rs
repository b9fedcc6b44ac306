//! Letters and the links in them: people are invited, ask for a new password, are
//! disabled and return, while the mail server accepts letters or refuses them.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{Walk, chance::Bag, desk::Desk, folds, trail::Trail, transitions::Taken};
use crate::support::{Answer, TestApp, seed::pharmacist_licence, smtp::SmtpServer};
use base::config::{MailConfig, SmtpTls};
use crypto::digest;
use domain::{
    ids::{LetterId, StaffId},
    letter::LetterState,
    time::Timestamp,
};
use mail::Mailer;
use service::{Actor, Failure, jobs::letters::send_due};
use storage::{letter as store, on_backend, schema::staff};

/// The steps, and how often each is drawn.
const STEPS: &[(&str, usize)] = &[
    ("invite", 4),
    ("invite again", 3),
    ("forgotten password", 4),
    ("send", 10),
    ("die over a letter", 1),
    ("refuse", 5),
    ("relent", 4),
    ("send by hand", 6),
    ("change an address", 3),
    ("take a link", 5),
    ("disable", 1),
    ("enable", 2),
    ("pass", 9),
];

/// The refusals of the mail server: command and reply.
const REFUSALS: &[(&str, &str)] = &[
    ("CONNECT", "554 5.3.2 no service"),
    ("CONNECT", "421 4.3.2 not now"),
    ("EHLO", "504 5.5.2 need a fully-qualified name"),
    ("AUTH", "535 5.7.8 bad credentials"),
    ("MAIL", "553 5.1.8 the sender's domain is unknown"),
    ("RCPT", "554 5.7.1 relay access denied"),
    ("RCPT", "450 4.2.0 greylisted"),
    ("RCPT", "550 5.1.1 no such user"),
    ("RCPT", "550 5.1.1 no such user"),
    ("TEXT", "554 5.7.1 looks like spam"),
];

const PASSWORD: &str = "plums under a grey roof";

pub struct LetterWalk<'h> {
    app: &'h TestApp,
    trail: Trail,
    bag: Bag,
    operator: Desk,
    server: SmtpServer,
    mailer: Mailer,
    people: Vec<StaffId>,
    /// The letters that the server had accepted when they were last read.
    seen: usize,
    links: Vec<Link>,
    addresses: usize,
}

/// The link in a letter.
#[derive(Debug, Clone)]
struct Link {
    token: String,
    /// It confirms an address; otherwise it sets a password.
    confirms: bool,
}

impl<'h> LetterWalk<'h> {
    pub async fn begin(app: &'h TestApp, trail: Trail) -> Self {
        let seed = app.network().await;
        let server = SmtpServer::open().await;
        let config = MailConfig::Smtp {
            from: "Waystation <w@w.example>".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: server.port,
            tls: SmtpTls::None,
            user: Some("w".to_owned()),
            // Any variable that exists: the server accepts every password.
            password_env: Some("PATH".to_owned()),
            hello_name: None,
        };
        let mailer = Mailer::new(&config, std::path::Path::new("unused"))
            .expect("a mailer")
            .with_public_url("https://clinic.example.cn");
        let operator = Desk::of(app, &seed.operator);
        let people = vec![seed.doctor.id, seed.pharmacist.id];
        let bag = Bag::of(STEPS);
        Self { app, trail, bag, operator, server, mailer, people, seen: 0, links: vec![], addresses: 0 }
    }
}

impl Walk for LetterWalk<'_> {
    async fn step(&mut self) {
        let what = self.bag.draw(&mut self.trail.chance);
        self.trail.note(what);
        match what {
            "invite" => {
                let number = self.people.len();
                self.invite(&format!("person-{number}@example.cn")).await;
            }
            "invite again" => {
                if let Some(email) = self.somebody().await.map(|one| one.1) {
                    self.invite(&email).await;
                }
            }
            "forgotten password" => {
                if let Some((_, email, _)) = self.somebody().await {
                    let asked = json!({"email": email});
                    let answer = self.app.post("", "/api/v1/staff/password-reset", asked).await;
                    self.trail.no_fault(answer);
                }
            }
            "send" => self.send().await,
            // Claimed by a process that is killed before it sends the letter.
            "die over a letter" => {
                let claimed = service::letter::claim_due(&self.app.state).await.expect("claimed");
                self.trail.note(format!("  {} claimed", claimed.len()));
            }
            "refuse" => {
                let (verb, reply) = self.trail.chance.one(REFUSALS);
                self.trail.note(format!("  {verb} {reply}"));
                self.server.refuse(verb, reply);
            }
            "relent" => self.server.relent(),
            "send by hand" => {
                let all = self.letters().await;
                if let Some((id, _)) = self.trail.chance.any(&all) {
                    self.operator_posts(&format!("/api/v1/letters/{id}/resend"), json!({})).await;
                }
            }
            "change an address" => {
                if let Some(id) = self.trail.chance.any(&self.people) {
                    self.addresses += 1;
                    let body = json!({"email": format!("moved-{}@example.cn", self.addresses)});
                    self.operator_posts(&format!("/api/v1/staff/{id}/email"), body).await;
                }
            }
            "take a link" => {
                let from = if self.trail.chance.once_in(3) { 0 } else { self.links.len().saturating_sub(2) };
                if let Some(link) = self.trail.chance.any(&self.links[from..]) {
                    self.take(&link).await;
                }
            }
            "disable" | "enable" => {
                if let Some(id) = self.trail.chance.any(&self.people) {
                    self.operator_posts(&format!("/api/v1/staff/{id}/{what}"), json!({})).await;
                }
            }
            "pass" => {
                let seconds =
                    self.trail.chance.one(&[1, 31, 61, 121, 601, 1801, 3601, 4 * 3600, 86_400, 3 * 86_400]);
                self.trail.note(format!("  {seconds} s"));
                self.app.pass(seconds);
            }
            other => unreachable!("{other}"),
        }
    }

    async fn check(&mut self) {
        self.trail.right(&folds::wrong(self.app, &mut Taken::default()).await);
    }

    /// The mail server works again, an operator resends every letter that was given up,
    /// and everybody who is still invited signs up.
    async fn end(&mut self) {
        self.server.relent();
        for (id, state) in self.letters().await {
            if state == LetterState::Dead {
                let answer = self.operator_posts(&format!("/api/v1/letters/{id}/resend"), json!({})).await;
                let code = answer.body["code"].as_str().unwrap_or_default();
                assert!(
                    answer.status == 200 || code == "state_moved_on",
                    "{}{}",
                    answer.body,
                    self.trail.shown()
                );
            }
        }
        for _ in 0..3 {
            // Longer than any retry delay, and than any claim.
            self.app.pass(4 * 3600 + 61);
            self.send().await;
        }
        let waiting = self.letters().await;
        let waiting: Vec<_> = waiting.iter().filter(|(_, state)| *state == LetterState::Waiting).collect();
        assert!(waiting.is_empty(), "never leave: {waiting:?}{}", self.trail.shown());
        for (id, email, disabled) in self.invited().await {
            if disabled {
                continue;
            }
            self.invite(&email).await;
            self.send().await;
            let link = self.newest_link().expect("an invitation");
            let answer = self.take(&link).await;
            assert_eq!(answer.status, 200, "{id}: {}{}", answer.body, self.trail.shown());
        }
        let left: Vec<_> = self.invited().await.into_iter().filter(|(.., disabled)| !disabled).collect();
        assert!(left.is_empty(), "never get in: {left:?}{}", self.trail.shown());
    }

    async fn finished(mut self) -> Taken {
        self.check().await;
        self.app.sound().await;
        let mut taken = Taken::default();
        folds::wrong(self.app, &mut taken).await;
        taken
    }
}

impl LetterWalk<'_> {
    async fn operator_posts(&mut self, path: &str, body: Value) -> Answer {
        let token = self.operator.token(self.app).await;
        let answer = self.app.post(&token, path, body).await;
        self.trail.no_fault(answer)
    }

    async fn invite(&mut self, email: &str) {
        let body = json!({"role": "pharmacist", "email": email, "name_zh": "新药师", "name_en": "New",
            "pharmacist": pharmacist_licence(&email.replace('@', "-"))});
        let answer = self.operator_posts("/api/v1/staff", body).await;
        if answer.status == 201 {
            let id: StaffId = answer.body["staff"]["id"].as_str().expect("an id").parse().expect("an id");
            if !self.people.contains(&id) {
                self.people.push(id);
            }
        }
    }

    /// Sends what is due. The link in a letter that is sent must be valid.
    async fn send(&mut self) {
        let sent = send_due(&self.app.state, &self.mailer).await.expect("a round");
        self.trail.note(format!("  {sent} sent"));
        let taken = self.server.letters().len();
        if taken == self.seen {
            return;
        }
        self.seen = taken;
        // Only the newest: earlier ones of the same round may be void by now.
        let Some(link) = self.newest_link() else { return };
        let (confirms, digest) = (link.confirms, digest::sha256(link.token.as_bytes()));
        let (found, now) = self
            .app
            .state
            .read(Actor::System, move |conn, app| -> Result<_, Failure> {
                let found = if confirms {
                    storage::staff::change::email_change_fetch(conn, &digest)?
                        .map(|change| (change.used_at, change.expires_at))
                } else {
                    storage::staff::session::link_fetch(conn, &digest)?
                        .map(|link| (link.used_at, link.expires_at))
                };
                Ok((found, app.now()))
            })
            .await
            .expect("read");
        let good = found.is_some_and(|(used_at, expires_at)| used_at.is_none() && expires_at > now);
        assert!(good, "a letter was sent with an invalid link{}", self.trail.shown());
        self.links.push(link);
    }

    /// The link in the newest letter, if it has one.
    fn newest_link(&self) -> Option<Link> {
        let body = self.server.newest_body();
        let (before, rest) = body.split_once("#token=")?;
        let token = rest.split_whitespace().next().expect("a token").to_owned();
        Some(Link { token, confirms: before.ends_with("/staff/email") })
    }

    async fn take(&mut self, link: &Link) -> Answer {
        let (path, body) = if link.confirms {
            ("/api/v1/staff/email", json!({"token": link.token}))
        } else {
            ("/api/v1/staff/password", json!({"token": link.token, "password": PASSWORD}))
        };
        let answer = self.app.post("", path, body).await;
        self.trail.no_fault(answer)
    }

    async fn letters(&self) -> Vec<(LetterId, LetterState)> {
        self.app
            .state
            .read(Actor::System, |conn, _| -> Result<_, Failure> {
                let rows = store::letters_list(conn, None, None, 100_000)?;
                Ok(rows.into_iter().map(|row| (row.id, row.state)).collect())
            })
            .await
            .expect("read")
    }

    /// Everybody of the walk: id, address, and whether they are disabled.
    async fn everybody(&self, invited_only: bool) -> Vec<(StaffId, String, bool)> {
        let people = self.people.clone();
        let rows: Vec<(StaffId, String, Option<String>, Option<Timestamp>)> = self
            .app
            .state
            .read(Actor::System, move |conn, _| {
                Ok(on_backend!(conn, c => staff::table
                    .filter(staff::id.eq_any(people.iter().copied()))
                    .order(staff::id)
                    .select((staff::id, staff::email, staff::password_hash, staff::disabled_at))
                    .load(c))?)
            })
            .await
            .expect("read");
        let wanted = rows.into_iter().filter(|row| !invited_only || row.2.is_none());
        wanted.map(|(id, email, _, disabled)| (id, email, disabled.is_some())).collect()
    }

    async fn invited(&self) -> Vec<(StaffId, String, bool)> {
        self.everybody(true).await
    }

    async fn somebody(&mut self) -> Option<(StaffId, String, bool)> {
        let all = self.everybody(false).await;
        self.trail.chance.any(&all)
    }
}
