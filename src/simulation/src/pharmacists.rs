//! Simulated pharmacists: they approve safe prescriptions and return the others.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    api::Page,
    client::{Api, As, Call, CallError},
    doctors::objects,
    pace::Pace,
    sessions::Staff,
    turns::Turn,
};
use domain::{ids::PrescriptionId, time::Timestamp};

const POLL_SECONDS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);
/// A colleague's share is taken over after this time.
const COLLEAGUE_MS: i64 = 4_000;

/// One of several pharmacists who share the work.
pub struct Pharmacist {
    pub staff: Arc<Staff>,
    /// Their index among `of` colleagues, from 0.
    pub place: usize,
    pub of: usize,
    pub pace: Pace,
}

/// Works as this pharmacist until `until`.
pub async fn work(api: Api, pharmacist: Pharmacist, until: Timestamp) {
    while api.clock.now() < until {
        if let Err(error) = poll_once(&api, &pharmacist).await {
            tracing::debug!(%error, pharmacist = pharmacist.staff.email, "a simulated pharmacist pauses");
            sleep(PAUSE).await;
        }
    }
}

async fn poll_once(api: &Api, pharmacist: &Pharmacist) -> Result<(), CallError> {
    let who = As::Staff(&pharmacist.staff);
    let path = format!("/api/v1/reviews?wait={POLL_SECONDS}");
    let waiting: Page<Value> = api.call(who, Call::get(path).once()).await?;
    let now = api.clock.now();
    let mine = waiting.items.iter().filter_map(|prescription| {
        let id = prescription["id"].as_str()?.parse::<PrescriptionId>().ok()?;
        takes(pharmacist, id, prescription, now).then_some((id, prescription))
    });
    let mine: Vec<_> = mine.collect();
    if mine.is_empty() {
        if !waiting.items.is_empty() {
            sleep(pharmacist.pace.colleague).await;
        }
        return Ok(());
    }
    pharmacist.staff.open_signing_window().await?;
    let reviews = mine.into_iter().map(|(id, prescription)| review(api, pharmacist, id, prescription));
    for outcome in join_all(reviews).await {
        match outcome {
            Ok(_) => {}
            // A colleague reviewed it first, or the doctor voided it.
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Colleagues share the list by id, so that two seldom review the same one; an old
/// one is reviewed by anybody.
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
    let agreed = prescription["diagnoses"].as_array().into_iter().flatten();
    let agreed = agreed.filter_map(|diagnosis| diagnosis["name"].as_str()).map(Turn::in_text);
    let call = if objects(&prescription["safety"]) || agreed.into_iter().any(|turn| turn == Turn::Return) {
        let reason =
            json!({"reason": "用药安全提示未解决，请调整处方 / an open safety finding; please revise"});
        Call::post(format!("/api/v1/prescriptions/{id}/return"), &reason)
    } else {
        let pin = json!({"pin": pharmacist.staff.signing_pin});
        Call::post(format!("/api/v1/prescriptions/{id}/approve"), &pin)
    };
    api.call(As::Staff(&pharmacist.staff), call.may_conflict()).await
}
