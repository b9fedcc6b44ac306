//! Simulated doctors: they take offers while on shift, read the record, ask,
//! prescribe where the house's own check finds nothing, sign and complete.

use std::{sync::Arc, time::Duration};

use rand::Rng;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

use super::{
    api::{ConsultationView, DutyView, LineInput, OfferView, Page, PrescriptionView, ProductView},
    client::{Api, As, Call, CallError},
    complaints::Complaint,
    sessions::Staff,
};
use crate::domain::{ids::ConsultationId, presence::Presence, time::Timestamp};

/// Seconds that one look for offers waits at the house.
const POLL_SECONDS: u32 = 20;
/// After trouble, and after a refused duty.
const PAUSE: Duration = Duration::from_secs(3);
/// How long a doctor looks after a signed prescription for the pharmacist's word.
const REVIEW_LOOKS: u32 = 20;
const REVIEW_PAUSE: Duration = Duration::from_secs(1);

/// Works as this doctor until `until`.
pub async fn work(api: Api, doctor: Arc<Staff>, until: Timestamp) {
    let mut at_work: JoinSet<()> = JoinSet::new();
    // Held since an earlier life of this simulation: somebody still waits for a word.
    let held: Result<Page<ConsultationView>, CallError> =
        api.call(As::Staff(&doctor), Call::get("/api/v1/consultations")).await;
    for consultation in held.map(|page| page.items).unwrap_or_default() {
        see(&mut at_work, &api, &doctor, consultation);
    }
    while api.clock.now() < until {
        if let Err(error) = one_look(&api, &doctor, &mut at_work).await {
            tracing::debug!(%error, doctor = doctor.email, "a simulated doctor pauses");
            sleep(PAUSE).await;
        }
        while at_work.try_join_next().is_some() {}
    }
    let off = Call::put("/api/v1/duty", None, &json!({"presence": Presence::Off}));
    // The shift is over either way; the house sees that by itself.
    let _over = api.call::<Value>(As::Staff(&doctor), off.once()).await;
    while at_work.join_next().await.is_some() {}
}

async fn one_look(api: &Api, doctor: &Arc<Staff>, at_work: &mut JoinSet<()>) -> Result<(), CallError> {
    let who = As::Staff(doctor);
    let duty: DutyView = api.call(who, Call::get("/api/v1/duty")).await?;
    if duty.presence != Presence::Available {
        // Off at first, or away after an offer that came while the line was down.
        let back = json!({"presence": Presence::Available});
        let _: DutyView = api.call(who, Call::put("/api/v1/duty", None, &back)).await?;
    }
    let path = format!("/api/v1/offers?wait={POLL_SECONDS}");
    let offers: Page<OfferView> = api.call(who, Call::get(path).once()).await?;
    for offer in offers.items {
        let accepted = match accept(api, doctor, &offer).await {
            Ok(accepted) => accepted,
            // Expired, withdrawn, or one too many at a time.
            Err(error) if error.is_conflict() => continue,
            Err(error) => return Err(error),
        };
        see(at_work, api, doctor, accepted);
    }
    Ok(())
}

/// Sees a patient beside whatever else this doctor does.
fn see(at_work: &mut JoinSet<()>, api: &Api, doctor: &Arc<Staff>, accepted: ConsultationView) {
    let (api, doctor) = (api.clone(), Arc::clone(doctor));
    at_work.spawn(async move {
        if let Err(error) = consult(&api, &doctor, &accepted).await {
            tracing::warn!(%error, doctor = doctor.email, "a simulated consultation went wrong");
        }
    });
}

async fn accept(api: &Api, doctor: &Staff, offer: &OfferView) -> Result<ConsultationView, CallError> {
    let path = format!("/api/v1/offers/{}/accept", offer.id);
    let accepted = api.call(As::Staff(doctor), Call::post(&path, &json!({"fence": offer.fence}))).await;
    match accepted {
        // A while without a word: the house wants to know that it is still the same person.
        Err(error) if error.code() == "reauthentication_needed" => {
            let body = json!({"fence": offer.fence, "pin": doctor.signing_pin});
            api.call(As::Staff(doctor), Call::post(path, &body)).await
        }
        answer => answer,
    }
}

async fn consult(api: &Api, doctor: &Staff, accepted: &ConsultationView) -> Result<(), CallError> {
    let who = As::Staff(doctor);
    let id = accepted.id;
    let _record: Value = api.call(who, Call::get(format!("/api/v1/consultations/{id}/record"))).await?;
    let complaint = Complaint::told_by(&accepted.complaint);
    let question = complaint.map_or("您好，请说说哪里不舒服？", |complaint| complaint.question);
    let talk = format!("/api/v1/consultations/{id}/messages");
    let _: Value = api.call(who, Call::post(&talk, &json!({"text": question}))).await?;
    think().await;
    if let Some(complaint) = complaint {
        match prescribe(api, doctor, id, complaint).await {
            Ok(()) => {}
            // Without a prescription the worker still gets advice.
            Err(error @ CallError::Refused { .. }) => {
                tracing::warn!(%error, doctor = doctor.email, "a simulated doctor could not prescribe");
            }
            Err(error) => return Err(error),
        }
    }
    let (code, name) = complaint.map_or(("Z71.9", "咨询 / advice"), |complaint| complaint.diagnosis);
    let summary = "按医嘱用药，多喝水，三天不好转请到医院就诊。 / Take as directed, drink plenty; see a hospital \
                   if it is no better in three days.";
    let body = json!({"summary": summary, "diagnoses": [{"code": code, "name": name}]});
    let _: ConsultationView =
        api.call(who, Call::post(format!("/api/v1/consultations/{id}/complete"), &body)).await?;
    Ok(())
}

async fn prescribe(
    api: &Api,
    doctor: &Staff,
    consultation: ConsultationId,
    complaint: &Complaint,
) -> Result<(), CallError> {
    let mut treatments = complaint.treatments.iter();
    let Some(first) = next_safe(api, doctor, consultation, &mut treatments).await? else {
        tracing::info!(complaint = complaint.slug, "no simulated treatment passes the check");
        return Ok(());
    };
    let path = format!("/api/v1/consultations/{consultation}/prescriptions");
    let draft: PrescriptionView =
        api.call(As::Staff(doctor), Call::post(path, &draft_of(complaint, first))).await?;
    let signed = sign(api, doctor, &draft).await?;
    for _ in 0..REVIEW_LOOKS {
        let path = format!("/api/v1/prescriptions/{}", signed.id);
        let now = api.call_tagged::<PrescriptionView>(As::Staff(doctor), Call::get(&path)).await?;
        match now.body.state.as_str() {
            "signed" => sleep(REVIEW_PAUSE).await,
            "returned" => {
                let Some(other) = next_safe(api, doctor, consultation, &mut treatments).await? else {
                    let reason = json!({"reason": "no other treatment at hand"});
                    let _: PrescriptionView =
                        api.call(As::Staff(doctor), Call::post(format!("{path}/void"), &reason)).await?;
                    return Ok(());
                };
                let revised = Call::put(&path, now.etag, &draft_of(complaint, other));
                let revised: PrescriptionView = api.call(As::Staff(doctor), revised).await?;
                sign(api, doctor, &revised).await?;
            }
            _ended_or_approved => return Ok(()),
        }
    }
    Ok(())
}

fn draft_of(complaint: &Complaint, lines: &[LineInput]) -> Value {
    let (code, name) = complaint.diagnosis;
    json!({"lines": lines, "diagnoses": [{"code": code, "name": name}], "kind": "ordinary"})
}

/// The next treatment whose drugs may be prescribed here and in which the
/// house's check finds nothing.
async fn next_safe<'t>(
    api: &Api,
    doctor: &Staff,
    consultation: ConsultationId,
    treatments: &mut impl Iterator<Item = &'t &'static [LineInput]>,
) -> Result<Option<&'static [LineInput]>, CallError> {
    for lines in treatments {
        let mut prescribable = true;
        for line in lines.iter() {
            let path = format!("/api/v1/products/{}", line.product_code);
            match api.call::<ProductView>(As::Staff(doctor), Call::get(path)).await {
                Ok(product) => prescribable &= product.prescribable,
                Err(error) if error.status() == 404 => prescribable = false,
                Err(error) => return Err(error),
            }
        }
        if !prescribable {
            continue;
        }
        let body = json!({"consultation_id": consultation, "lines": lines});
        let report: Value =
            api.call(As::Staff(doctor), Call::post_plain("/api/v1/prescriptions/check", &body)).await?;
        if !objects(&report) {
            return Ok(Some(lines));
        }
    }
    Ok(None)
}

/// Whether a safety report holds a block or a warning: simulated people go
/// another way then.
pub fn objects(report: &Value) -> bool {
    findings_of(report, &["block", "warn"]).next().is_some()
}

/// A report's findings of these severities.
fn findings_of<'r>(report: &'r Value, severities: &'r [&str]) -> impl Iterator<Item = &'r Value> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings
        .iter()
        .filter(move |finding| finding["severity"].as_str().is_some_and(|word| severities.contains(&word)))
}

async fn sign(api: &Api, doctor: &Staff, draft: &PrescriptionView) -> Result<PrescriptionView, CallError> {
    doctor.open_signing_window().await?;
    let mut body = json!({"pin": doctor.signing_pin});
    // What the tables cannot tell, a doctor asks; the answer is on record in the talk.
    let asked: Vec<Value> = findings_of(&draft.safety, &["unknown"])
        .filter_map(|finding| finding["rule"].as_str())
        .map(|rule| json!({"rule": rule, "reason": "已在问诊中核实 / asked and clarified in the talk"}))
        .collect();
    if !asked.is_empty() {
        body["overrides"] = asked.into();
    }
    if let Some(days) = draft.proposed_valid_days {
        body["valid_days"] = days.into();
    }
    api.call(As::Staff(doctor), Call::post(format!("/api/v1/prescriptions/{}/sign", draft.id), &body)).await
}

async fn think() {
    let pause = rand::rng().random_range(150..600);
    sleep(Duration::from_millis(pause)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_no_objection_and_a_warning_is() {
        assert!(!objects(&json!({"findings": []})));
        assert!(!objects(&json!({"findings": [{"severity": "note"}]})));
        assert!(objects(&json!({"findings": [{"severity": "note"}, {"severity": "warn"}]})));
        assert!(objects(&json!({"findings": [{"severity": "block"}]})));
        assert!(!objects(&json!({"findings": [{"severity": "unknown", "rule": "r"}]})));
        assert!(!objects(&Value::Null));
    }
}
