//! Simulated pharmacists: they approve what is safe and send the rest back.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    api::Page,
    client::{Api, As, Call, CallError},
    doctors::objects,
    sessions::Staff,
};
use crate::domain::{ids::PrescriptionId, time::Timestamp};

const POLL_SECONDS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);
/// A colleague's share is taken over after this many milliseconds.
const COLLEAGUE_MS: i64 = 4_000;
/// Before the list is looked at again, when all of it is a colleague's.
const COLLEAGUE_PAUSE: Duration = Duration::from_millis(500);

/// One of several pharmacists who share the work.
pub struct Pharmacist {
    /// Who.
    pub staff: Arc<Staff>,
    /// Their place among `of` colleagues, from 0.
    pub place: usize,
    /// How many share the work.
    pub of: usize,
}

/// Works as this pharmacist until `until`.
pub async fn work(api: Api, pharmacist: Pharmacist, until: Timestamp) {
    while api.clock.now() < until {
        if let Err(error) = one_look(&api, &pharmacist).await {
            tracing::debug!(%error, pharmacist = pharmacist.staff.email, "a simulated pharmacist pauses");
            sleep(PAUSE).await;
        }
    }
}

async fn one_look(api: &Api, pharmacist: &Pharmacist) -> Result<(), CallError> {
    let who = As::Staff(&pharmacist.staff);
    let path = format!("/api/v1/reviews?wait={POLL_SECONDS}");
    let waiting: Page<Value> = api.call(who, Call::get(path).once()).await?;
    let mut reviewed = 0;
    let seen = waiting.items.len();
    for prescription in &waiting.items {
        let Some(id) = prescription["id"].as_str().and_then(|id| id.parse::<PrescriptionId>().ok()) else {
            continue;
        };
        if !takes(pharmacist, id, prescription, api.clock.now()) {
            continue;
        }
        pharmacist.staff.open_signing_window().await?;
        reviewed += 1;
        match review(api, pharmacist, id, prescription).await {
            Ok(_) => {}
            // A colleague was faster, or the doctor withdrew it.
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    if seen > 0 && reviewed == 0 {
        sleep(COLLEAGUE_PAUSE).await;
    }
    Ok(())
}

/// Colleagues share the list by id, so that two seldom review the same one;
/// what lies for long is anybody's.
fn takes(pharmacist: &Pharmacist, id: PrescriptionId, prescription: &Value, now: Timestamp) -> bool {
    let share = usize::from(id.uuid().as_bytes()[15]) % pharmacist.of.max(1);
    let signed_at = prescription["signed_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let age = signed_at.map_or(i64::MAX, |at| now.signed_duration_since(at).num_milliseconds());
    share == pharmacist.place || age > COLLEAGUE_MS
}

async fn review(
    api: &Api,
    pharmacist: &Pharmacist,
    id: PrescriptionId,
    prescription: &Value,
) -> Result<Value, CallError> {
    let call = if objects(&prescription["safety"]) {
        let reason =
            json!({"reason": "用药安全提示未解决，请调整处方 / an open safety finding; please revise"});
        Call::post(format!("/api/v1/prescriptions/{id}/return"), &reason)
    } else {
        let pin = json!({"pin": pharmacist.staff.signing_pin});
        Call::post(format!("/api/v1/prescriptions/{id}/approve"), &pin)
    };
    api.call(As::Staff(&pharmacist.staff), call).await
}
