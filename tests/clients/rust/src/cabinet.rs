//! A cabinet: it takes work, checks the permission, vends, and keeps its journal.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use chrono::{SecondsFormat, SubsecRound, Utc};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;
use waystation_client::{
    apis::{
        cabinet_api::{poll_work, report_journal, say_hello, start_attempt},
        public_api::get_key_set,
    },
    models::{EventsRequest, HelloRequest, JournalEntry, JournalHead, StartRequest, Versions, WorkItem},
};

use crate::{
    device::{Device, hex},
    people::ENGLISH,
};

/// What a vend authorization permits.
#[derive(Deserialize)]
struct Permission {
    #[serde(rename = "aud")]
    device: Uuid,
    #[serde(rename = "sub")]
    attempt: Uuid,
    slot: String,
    lot: String,
}

pub struct Cabinet {
    device: Device,
    boot: String,
    began: Instant,
    journal: Vec<JournalEntry>,
    last_hash: String,
    cursor: i64,
}

impl Cabinet {
    /// Boots with an empty journal, and says hello.
    pub async fn boot(device: Device) -> Result<Self> {
        let boot = Uuid::new_v4().simple().to_string();
        let last_hash = "0".repeat(64);
        let cabinet = Self { device, boot, began: Instant::now(), journal: Vec::new(), last_hash, cursor: 0 };
        let hello = HelloRequest::new(
            cabinet.device.epoch,
            cabinet.boot.clone(),
            cabinet.monotonic_ms()?,
            Utc::now().fixed_offset(),
            JournalHead::new(0, cabinet.last_hash.clone()),
            Vec::new(),
            false,
            false,
            Vec::new(),
            Versions::new("client-1".to_owned(), 1),
        );
        let signature = cabinet.device.signature("/cabinet/v1/hello", &hello)?;
        say_hello(&cabinet.device.api, &signature, hello, ENGLISH).await?;
        Ok(cabinet)
    }

    /// Waits for work and vends every pack in it, with the code that the worker typed; returns their
    /// number.
    pub async fn vend(&mut self, code: &str) -> Result<usize> {
        let work = poll_work(&self.device.api, Some(self.cursor), Some(20), ENGLISH).await?;
        self.cursor = work.cursor;
        let mut vended = 0;
        for item in work.items {
            match item {
                WorkItem::Vend(vend) => {
                    let permission = self.verify(&vend.authorization).await?;
                    self.run(&permission, code).await?;
                    vended += 1;
                }
                WorkItem::Void(_) | WorkItem::Recall(_) => {}
            }
        }
        Ok(vended)
    }

    async fn verify(&self, authorization: &str) -> Result<Permission> {
        let (signed, signature) = authorization.rsplit_once('.').context("a compact JWS")?;
        let (header, payload) = signed.split_once('.').context("a compact JWS")?;
        let header: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(header.as_bytes())?)?;
        let served = serde_json::to_value(get_key_set(&self.device.api, ENGLISH).await?)?;
        let keys = served["keys"].as_array().context("a key set")?;
        let key = keys.iter().find(|key| key["kid"] == header["kid"]).context("an unknown key")?;
        let point = BASE64URL_NOPAD.decode(key["x"].as_str().context("an Ed25519 key")?.as_bytes())?;
        let key = VerifyingKey::try_from(point.as_slice())?;
        let signature = Signature::from_slice(&BASE64URL_NOPAD.decode(signature.as_bytes())?)?;
        key.verify_strict(signed.as_bytes(), &signature)?;
        let permission: Permission = serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes())?)?;
        ensure!(permission.device == self.device.id, "an authorization for another cabinet");
        Ok(permission)
    }

    /// The intent is written before the motor runs, and the outcome after it.
    async fn run(&mut self, permission: &Permission, code: &str) -> Result<()> {
        let attempt = permission.attempt.to_string();
        let request = StartRequest::new(self.boot.clone(), code.to_owned());
        let path = format!("/cabinet/v1/attempts/{attempt}/start");
        let signature = self.device.signature(&path, &request)?;
        let grant = start_attempt(&self.device.api, &attempt, &signature, request, ENGLISH).await?;
        ensure!(grant.boot_id == self.boot, "the grant is of another boot");
        let (slot, lot_no): (u32, _) = (permission.slot.parse()?, &permission.lot);
        self.write("intent", &json!({"attempt": attempt, "lot_no": lot_no, "slot": slot}))?;
        self.write("motor", &json!({"attempt": attempt}))?;
        self.write("drop_sensed", &json!({"attempt": attempt}))?;
        self.write("dispensed", &json!({"attempt": attempt, "lot_no": lot_no}))?;
        self.report().await
    }

    async fn report(&self) -> Result<()> {
        let batch = EventsRequest::new(self.device.epoch, self.journal.clone());
        let signature = self.device.signature("/cabinet/v1/events", &batch)?;
        let arrived = report_journal(&self.device.api, &signature, batch, ENGLISH).await?.acked_seq;
        if usize::try_from(arrived)? != self.journal.len() {
            bail!("only {arrived} entries arrived");
        }
        Ok(())
    }

    /// The members of `body` are in the order of the alphabet, as the hash needs them.
    fn write(&mut self, kind: &str, body: &Value) -> Result<()> {
        let (seq, mono_ms) = (self.journal.len() + 1, self.monotonic_ms()?);
        let wall = Utc::now().trunc_subsecs(6).to_rfc3339_opts(SecondsFormat::Micros, true);
        let (previous, boot) = (&self.last_hash, &self.boot);
        let text =
            format!("waystation-journal-v1\n{seq}\n{previous}\n{boot}\n{mono_ms}\n{wall}\n{kind}\n{body}\n");
        let hash = hex(text.as_bytes());
        let entry = json!({
            "kind": kind, "body": body, "seq": seq, "prev_hash": previous, "hash": hash, "boot_id": boot,
            "mono_ms": mono_ms, "wall": wall,
        });
        self.journal.push(serde_json::from_value(entry)?);
        self.last_hash = hash;
        Ok(())
    }

    fn monotonic_ms(&self) -> Result<i64> {
        Ok(i64::try_from(self.began.elapsed().as_millis())?)
    }
}
