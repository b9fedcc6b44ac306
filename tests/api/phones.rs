//! Phones and documents of people without a card: the messages that leave, and
//! what is typed at the screen.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    seed::Seed,
};
use base::config::SmsConfig;
use crypto::device::DeviceKey;
use domain::{
    ids::{DeviceId, StationId, WorkerId},
    ledger,
    money::Fen,
    network::Phone,
};
use mail::TextSender;
use service::{Actor, Failure};
use storage::{network as store, sql_types::At};

impl TestApp {
    /// Everything that waits to leave, as the phones get it: number and words.
    pub async fn texts(&self) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let sender = TextSender::new(&SmsConfig::Files, dir.path()).expect("a sender");
        service::jobs::texts::send_due(&self.state, &sender).await.expect("sent");
        let Ok(files) = std::fs::read_dir(dir.path().join("sms")) else { return Vec::new() };
        let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("text"));
        let read = |text: String| {
            let (to, body) = text.split_once("\n\n").expect("a head");
            (to.trim_start_matches("To: ").to_owned(), body.to_owned())
        };
        texts.map(read).collect()
    }

    /// Asks for a code for a phone, and reads it off the phone.
    pub async fn code(&self, seed: &Seed, phone: &str, purpose: &str) -> Value {
        let body = json!({"phone": phone, "purpose": purpose});
        let sent = self.post(&self.station_token(seed), "/api/v1/phone-codes", body).await.expect(201);
        let texts = self.texts().await;
        let to = Phone::parse(phone).expect("a number");
        let (_, words) = texts.iter().rfind(|(number, _)| number == to.as_str()).expect("a message");
        json!({"id": sent["id"], "code": digits_of(words)})
    }

    /// Somebody without a card comes to the screen.
    pub async fn walk_in(&self, seed: &Seed, body: Value) -> Answer {
        self.post(&self.station_token(seed), "/api/v1/check-ins/walk-in", body).await
    }

    /// The same, with a phone that a code proves.
    pub async fn walk_in_by_phone(&self, seed: &Seed, name: &str, phone: &str) -> Value {
        let code = self.code(seed, phone, "check_in").await;
        let body = json!({"name": name, "phone": phone, "phone_code": code, "consent": true});
        self.walk_in(seed, body).await.expect(201)
    }

    /// The same, with a document that the reader read.
    pub async fn walk_in_by_document(&self, seed: &Seed, name: &str, number: &str) -> Value {
        let document = json!({"kind": "resident_id", "number": number, "evidence": "reader"});
        self.walk_in(seed, json!({"name": name, "document": document, "consent": true})).await.expect(201)
    }
}

impl TestApp {
    /// The token of one more screen, at a station of its own.
    pub async fn another_screen(&self, nth: usize) -> String {
        let (station, device) = (StationId::generate(), DeviceId::generate());
        let key = DeviceKey::generate().expect("a key");
        self.keys.keep(device, &key);
        let public_key = key.public_key().to_string();
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let created_at = At(tx.now);
                store::stations_add(
                    tx.conn,
                    &[store::NewStation {
                        id: station,
                        code: format!("more-{nth:02}"),
                        name_zh: "样例驿站".into(),
                        name_en: "Sample Station".into(),
                        district: "zhifu".into(),
                        latitude_e6: 37_540_000,
                        longitude_e6: 121_390_000,
                        encounter_lanes: "minor_ailment_pilot;consultation_only".into(),
                        created_at,
                    }],
                )?;
                store::devices_add(
                    tx.conn,
                    &[store::NewDevice {
                        id: device,
                        kind: "station".into(),
                        station_id: station,
                        cabinet_id: None,
                        epoch: 1,
                        public_key: public_key.clone(),
                        enrolled_at: created_at,
                    }],
                )?;
                Ok(())
            })
            .await
            .expect("a station");
        self.screen_token(station, device)
    }

    /// Gives somebody an allowance as the version before did: to anybody.
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
pub fn digits_of(words: &str) -> String {
    let mut runs = words.split(|letter: char| !letter.is_ascii_digit());
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

/// Text at a place in an answer.
pub fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer}: {value}"))
        .to_owned()
}
