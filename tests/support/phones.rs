//! Phones and documents of people without a card: the text messages that are sent,
//! and what is typed at the screen.

use serde_json::{Value, json};

use super::{Answer, Caller, TestApp, places::Place, seed::Seed};
use base::config::SmsConfig;
use domain::{ids::WorkerId, ledger, money::Fen, network::Phone};
use mail::SmsSender;
use service::Actor;

impl TestApp {
    /// Sends every text message that is due; returns number and text of each.
    pub async fn texts(&self) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let sender = SmsSender::new(&SmsConfig::Files, dir.path()).expect("a sender");
        service::jobs::texts::send_due(&self.state, &sender).await.expect("sent");
        let Ok(files) = std::fs::read_dir(dir.path().join("sms")) else { return Vec::new() };
        let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text"));
        let read = |text: String| {
            let (to, body) = text.split_once("\n\n").expect("a head");
            (to.trim_start_matches("To: ").to_owned(), body.to_owned())
        };
        texts.map(read).collect()
    }

    /// Asks for a code for a phone, and reads it from the text message.
    pub async fn code(&self, seed: &Seed, phone: &str, purpose: &str) -> Value {
        let body = json!({"phone": phone, "purpose": purpose});
        let sent = self.post(&self.station_token(seed), "/api/v1/phone-codes", body).await.expect_created();
        let texts = self.texts().await;
        let to = Phone::parse(phone).expect("a number");
        let (_, message) = texts.iter().rfind(|(number, _)| number == to.as_str()).expect("a message");
        json!({"id": sent["id"], "code": digits_of(message)})
    }

    /// Checks somebody without a card in.
    pub async fn walk_in(&self, seed: &Seed, body: Value) -> Answer {
        self.post(&self.station_token(seed), "/api/v1/check-ins/walk-in", body).await
    }

    /// Checks somebody in by a phone that a code proves.
    pub async fn walk_in_by_phone(&self, seed: &Seed, name: &str, phone: &str) -> Value {
        let code = self.code(seed, phone, "check_in").await;
        let body = json!({"name": name, "phone": phone, "phone_code": code, "consent": true});
        self.walk_in(seed, body).await.expect_created()
    }

    /// Checks somebody in by a document that the reader read.
    pub async fn walk_in_by_document(&self, seed: &Seed, name: &str, number: &str) -> Value {
        let document = json!({"kind": "resident_id", "number": number, "evidence": "reader"});
        self.walk_in(seed, json!({"name": name, "document": document, "consent": true}))
            .await
            .expect_created()
    }
}

impl TestApp {
    /// The token of one more screen, at a station of its own.
    pub async fn another_screen(&self, nth: usize) -> String {
        self.open_station(Place::nearby(format!("more-{nth:02}"))).await.token()
    }

    /// Grants somebody an allowance, as the previous version did to anybody.
    pub async fn granted_before(&self, worker: WorkerId) {
        self.state
            .write(Actor::System, move |tx| {
                let granted = ledger::grant_allowance(worker, "2026-11", Fen(20_000))?.expect("a sum");
                service::ledger::book(tx, &granted, worker)
            })
            .await
            .expect("granted");
    }
}

/// The six digits in a message.
pub fn digits_of(message: &str) -> String {
    let mut runs = message.split(|letter: char| !letter.is_ascii_digit());
    runs.rfind(|run| run.len() == 6).expect("a code").to_owned()
}

/// A resident identity number of somebody born on `day` (`19900501`), the
/// `nth` of that day.
pub fn resident_id(day: &str, nth: u32) -> String {
    let body = format!("370602{day}{nth:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = &"10X98765432"[(sum % 11) as usize..=(sum % 11) as usize];
    format!("{body}{check}")
}

/// The text at a JSON pointer in an answer.
pub fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer}: {value}"))
        .to_owned()
}
