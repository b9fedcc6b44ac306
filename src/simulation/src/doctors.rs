//! Simulated doctors: they accept offers while on shift, read the record, ask a
//! question, prescribe if the server's safety check finds nothing, sign and
//! complete.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    api::{ConsultationView, DutyView, LineInput, OfferView, Page, PrescriptionView, ProductView},
    client::{Api, As, Call, CallError},
    complaints::Complaint,
    pace::Pace,
    sessions::Staff,
    turns::{OfferAnswer, Turn},
};
use domain::{
    ids::{ConsultationId, OfferId, PrescriptionId},
    matching::presence::Presence,
    time::Timestamp,
};

/// Seconds that a long poll for offers waits on the server.
const POLL_SECONDS: u32 = 20;
/// The same while an offer is left to expire, which makes the doctor away.
const POLL_SECONDS_BEFORE_AWAY: u32 = 2;
/// Pause after an error.
const PAUSE: Duration = Duration::from_secs(3);
/// How long a doctor waits for the review of a signed prescription.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(20);

/// A simulated doctor.
struct Doctor {
    api: Api,
    staff: Arc<Staff>,
    pace: Pace,
}

/// Works as this doctor until `until`.
pub async fn work(api: Api, staff: Arc<Staff>, until: Timestamp, pace: Pace) {
    let doctor = Arc::new(Doctor { api, staff, pace });
    let mut at_work: JoinSet<()> = JoinSet::new();
    // Of an earlier run of this simulation.
    if let Err(error) = take_up_active(&doctor, &mut at_work).await {
        tracing::debug!(%error, doctor = doctor.staff.email, "what a simulated doctor has is not known");
    }
    let mut screen = Screen::default();
    while doctor.api.clock.now() < until {
        match poll_once(&doctor, &mut screen, &mut at_work).await {
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%error, doctor = doctor.staff.email, "a simulated doctor pauses");
                screen = Screen::default();
                sleep(PAUSE).await;
            }
        }
        while at_work.try_join_next().is_some() {}
    }
    let off = Call::put("/api/v1/duty", None, &json!({"presence": Presence::Off}));
    // Going off duty may fail: the shift is over and the server knows that.
    let _over = doctor.call::<Value>(off.once()).await;
    while at_work.join_next().await.is_some() {}
}

impl Doctor {
    async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallError> {
        self.api.call(As::Staff(&self.staff), call).await
    }
}

/// What a doctor's screen shows.
#[derive(Default)]
struct Screen {
    /// The doctor is available, and nothing since could have made them away.
    on_duty: bool,
    offers: Vec<OfferId>,
    /// Those that will not be answered.
    left: Vec<OfferId>,
}

async fn poll_once(
    doctor: &Arc<Doctor>,
    screen: &mut Screen,
    at_work: &mut JoinSet<()>,
) -> Result<(), CallError> {
    if !screen.on_duty {
        let duty: DutyView = doctor.call(Call::get("/api/v1/duty")).await?;
        if duty.presence != Presence::Available {
            // Off at first, or away after an offer that was not answered.
            let back = json!({"presence": Presence::Available});
            let _: DutyView = doctor.call(Call::put("/api/v1/duty", None, &back)).await?;
        }
        if at_work.is_empty() {
            take_up_active(doctor, at_work).await?;
        }
        screen.on_duty = true;
    }
    let wait = if screen.left.is_empty() { POLL_SECONDS } else { POLL_SECONDS_BEFORE_AWAY };
    let mut path = format!("/api/v1/offers?wait={wait}");
    if !screen.offers.is_empty() {
        let shown: Vec<String> = screen.offers.iter().map(OfferId::to_string).collect();
        path = format!("{path}&shown={}", shown.join(","));
    }
    let open: Page<OfferView> = doctor.call(Call::get(path).once()).await?;
    for offer in open.items.iter().filter(|offer| !screen.offers.contains(&offer.id)) {
        if offer.fence == 1 {
            doctor.api.offers.offered(offer.consultation_id);
        }
        match Turn::in_text(&offer.complaint).answer(offer.fence) {
            OfferAnswer::None => screen.left.push(offer.id),
            // Meanwhile the screen waits for the next one.
            answer => start_answer(at_work, doctor, offer, answer),
        }
    }
    let timed_out = open.items.is_empty();
    screen.offers = open.items.iter().map(|offer| offer.id).collect();
    let unanswered = screen.left.len();
    screen.left.retain(|left| screen.offers.contains(left));
    screen.on_duty = !timed_out && screen.left.len() == unanswered;
    Ok(())
}

/// Conducts consultations that nobody works on: accepted in an earlier run of this simulation, or left when a
/// call failed.
async fn take_up_active(doctor: &Arc<Doctor>, at_work: &mut JoinSet<()>) -> Result<(), CallError> {
    let active: Page<ConsultationView> = doctor.call(Call::get("/api/v1/consultations")).await?;
    for consultation in active.items {
        let doctor = Arc::clone(doctor);
        at_work.spawn(async move { conduct(&doctor, &consultation).await });
    }
    Ok(())
}

/// Answers an offer in a task of its own, and conducts the consultation if it is accepted.
fn start_answer(at_work: &mut JoinSet<()>, doctor: &Arc<Doctor>, offer: &OfferView, answer: OfferAnswer) {
    let (doctor, id, fence) = (Arc::clone(doctor), offer.id, offer.fence);
    at_work.spawn(async move {
        let answered = match answer {
            OfferAnswer::Accept => accept(&doctor, id, fence).await.map(Some),
            _declined => {
                let call = Call::post(format!("/api/v1/offers/{id}/decline"), &json!({"fence": fence}));
                doctor.call::<Value>(call.may_conflict()).await.map(|_| None)
            }
        };
        match answered {
            Ok(Some(accepted)) => conduct(&doctor, &accepted).await,
            Ok(None) => {}
            // Expired, withdrawn, or one too many at a time.
            Err(error) if error.is_conflict() => {}
            Err(error) => {
                tracing::warn!(%error, doctor = doctor.staff.email, "a simulated doctor could not answer");
            }
        }
    });
}

async fn conduct(doctor: &Doctor, accepted: &ConsultationView) {
    if let Err(error) = consult(doctor, accepted).await {
        tracing::warn!(%error, doctor = doctor.staff.email, "a simulated consultation went wrong");
    }
}

async fn accept(doctor: &Doctor, offer: OfferId, fence: i64) -> Result<ConsultationView, CallError> {
    let path = format!("/api/v1/offers/{offer}/accept");
    let call = Call::post(&path, &json!({"fence": fence}));
    match doctor.call(call.may_conflict()).await {
        // After a while of inactivity the server requires the PIN again.
        Err(error) if error.code() == "reauthentication_needed" => {
            let body = json!({"fence": fence, "pin": doctor.staff.signing_pin});
            doctor.call(Call::post(path, &body).may_conflict()).await
        }
        answer => answer,
    }
}

async fn consult(doctor: &Doctor, accepted: &ConsultationView) -> Result<(), CallError> {
    let id = accepted.id;
    let _record: Value = doctor.call(Call::get(format!("/api/v1/consultations/{id}/record"))).await?;
    let complaint = Complaint::in_text(&accepted.complaint);
    let question = complaint.map_or("您好，请说说哪里不舒服？", |complaint| complaint.question);
    let messages = format!("/api/v1/consultations/{id}/messages");
    let _: Value = doctor.call(Call::post(&messages, &json!({"text": question}))).await?;
    doctor.pace.think().await;
    if let Some(complaint) = complaint {
        let turn = Turn::in_text(&accepted.complaint);
        match prescribe(doctor, id, complaint, turn).await {
            Ok(()) => {}
            // Without a prescription the worker gets advice only.
            Err(error @ CallError::Refused { .. }) => {
                tracing::warn!(%error, doctor = doctor.staff.email, "a simulated doctor could not prescribe");
            }
            Err(error) => return Err(error),
        }
    }
    let (code, name) = complaint.map_or(("Z71.9", "咨询 / advice"), |complaint| complaint.diagnosis);
    let summary = "按医嘱用药，多喝水，三天不好转请到医院就诊。 / Take as directed, drink plenty; see a hospital \
                   if it is no better in three days.";
    let body = json!({"summary": summary, "diagnoses": [{"code": code, "name": name}]});
    let complete = || Call::post(format!("/api/v1/consultations/{id}/complete"), &body);
    match doctor.call::<ConsultationView>(complete().may_conflict()).await {
        Ok(_) => Ok(()),
        Err(error) => {
            // A draft that could not be signed.
            let open = open_prescription(&error).ok_or(error)?;
            void(doctor, open).await?;
            doctor.call::<ConsultationView>(complete()).await.map(drop)
        }
    }
}

/// The prescription that is open already, where that is why a call was refused: an earlier run of this
/// simulation ended before it was signed.
fn open_prescription(error: &CallError) -> Option<PrescriptionId> {
    match error {
        CallError::Refused { code, data: Some(data), .. } if code == "prescription_open" => {
            data["prescription_id"].as_str()?.parse().ok()
        }
        _other => None,
    }
}

/// Goes on with an open prescription: one that is not signed gets these contents.
async fn take_up(doctor: &Doctor, open: PrescriptionId, body: &Value) -> Result<PrescriptionView, CallError> {
    let path = format!("/api/v1/prescriptions/{open}");
    let known =
        doctor.api.call_tagged::<PrescriptionView>(As::Staff(&doctor.staff), Call::get(&path)).await?;
    if !matches!(known.body.state.as_str(), "draft" | "returned") {
        return Ok(known.body);
    }
    let draft: PrescriptionView = doctor.call(Call::put(&path, known.etag, body)).await?;
    sign(doctor, &draft).await
}

async fn void(doctor: &Doctor, prescription: PrescriptionId) -> Result<(), CallError> {
    let reason = json!({"reason": "no other treatment at hand"});
    let path = format!("/api/v1/prescriptions/{prescription}/void");
    doctor.call::<PrescriptionView>(Call::post(path, &reason)).await.map(drop)
}

async fn prescribe(
    doctor: &Doctor,
    consultation: ConsultationId,
    complaint: &Complaint,
    turn: Turn,
) -> Result<(), CallError> {
    let mut treatments = complaint.treatments.iter();
    let Some(first) = next_safe(doctor, consultation, &mut treatments).await? else {
        tracing::info!(complaint = complaint.slug, "no simulated treatment passes the check");
        return Ok(());
    };
    let path = format!("/api/v1/consultations/{consultation}/prescriptions");
    let body = draft_of(complaint, first, turn);
    let signed = match doctor.call(Call::post(path, &body).may_conflict()).await {
        Ok(draft) => sign(doctor, &draft).await?,
        Err(error) => match open_prescription(&error) {
            Some(open) => take_up(doctor, open, &body).await?,
            None => return Err(error),
        },
    };
    if !doctor.pace.stays_for_review && turn != Turn::Return {
        return Ok(());
    }
    let (began, path) = (Instant::now(), format!("/api/v1/prescriptions/{}", signed.id));
    while began.elapsed() < REVIEW_TIMEOUT {
        let now =
            doctor.api.call_tagged::<PrescriptionView>(As::Staff(&doctor.staff), Call::get(&path)).await?;
        match now.body.state.as_str() {
            "signed" => sleep(doctor.pace.review).await,
            "returned" => {
                // A return that the turn asked for: the same lines without the mark.
                let other = match turn {
                    Turn::Return => Some(first),
                    _ => next_safe(doctor, consultation, &mut treatments).await?,
                };
                let Some(other) = other else {
                    return void(doctor, signed.id).await;
                };
                let body = draft_of(complaint, other, Turn::Straight);
                let revised: PrescriptionView = doctor.call(Call::put(&path, now.etag, &body)).await?;
                sign(doctor, &revised).await?;
                if !doctor.pace.stays_for_review {
                    return Ok(());
                }
            }
            _ended_or_approved => return Ok(()),
        }
    }
    Ok(())
}

/// The diagnosis carries the turn's mark, if it concerns the pharmacist.
fn draft_of(complaint: &Complaint, lines: &[LineInput], turn: Turn) -> Value {
    let (code, name) = complaint.diagnosis;
    let name = if turn == Turn::Return { turn.mark_in(name) } else { name.to_owned() };
    json!({"lines": lines, "diagnoses": [{"code": code, "name": name}], "kind": "ordinary"})
}

/// The next treatment whose drugs may be prescribed and in which the server's
/// safety check finds nothing.
async fn next_safe<'t>(
    doctor: &Doctor,
    consultation: ConsultationId,
    treatments: &mut impl Iterator<Item = &'t &'static [LineInput]>,
) -> Result<Option<&'static [LineInput]>, CallError> {
    for lines in treatments {
        let mut prescribable = true;
        for line in lines.iter() {
            let path = format!("/api/v1/products/{}", line.product_code);
            match doctor.call::<ProductView>(Call::get(path).may_miss()).await {
                Ok(product) => prescribable &= product.prescribable,
                Err(error) if error.status() == 404 => prescribable = false,
                Err(error) => return Err(error),
            }
        }
        if !prescribable {
            continue;
        }
        let body = json!({"consultation_id": consultation, "lines": lines});
        let report: Value = doctor.call(Call::post_plain("/api/v1/prescriptions/check", &body)).await?;
        if !objects(&report) {
            return Ok(Some(lines));
        }
    }
    Ok(None)
}

/// Whether a safety report contains a block or a warning: simulated people then
/// choose another treatment.
pub fn objects(report: &Value) -> bool {
    findings_of(report, &["block", "warn"]).next().is_some()
}

/// A report's findings of these severities.
fn findings_of<'r>(report: &'r Value, severities: &'r [&str]) -> impl Iterator<Item = &'r Value> {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().filter(move |finding| {
        finding["severity"].as_str().is_some_and(|severity| severities.contains(&severity))
    })
}

async fn sign(doctor: &Doctor, draft: &PrescriptionView) -> Result<PrescriptionView, CallError> {
    doctor.staff.open_signing_window().await?;
    let mut body = json!({"pin": doctor.staff.signing_pin});
    // `unknown` findings need an override: the doctor has asked, and the answer is in the chat.
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
    doctor.call(Call::post(format!("/api/v1/prescriptions/{}/sign", draft.id), &body)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_an_objection_and_a_note_is_not() {
        assert!(!objects(&json!({"findings": []})));
        assert!(!objects(&json!({"findings": [{"severity": "note"}]})));
        assert!(objects(&json!({"findings": [{"severity": "note"}, {"severity": "warn"}]})));
        assert!(objects(&json!({"findings": [{"severity": "block"}]})));
        assert!(!objects(&json!({"findings": [{"severity": "unknown", "rule": "r"}]})));
        assert!(!objects(&Value::Null));
    }
}
