//! From the profile to the prescription: the steps of a worker with doctor and
//! pharmacist.

use serde_json::{Value, json};

use super::{
    JourneyError,
    event_listener::EventListener,
    walk::{Walk, must},
};
use crate::{
    api::{ConsultationView, MessageView, Page, PrescriptionView, ReadingsTaken},
    client::{As, Call, CallError},
};
use domain::{
    consultation::{ConsultationEventKind, ConsultationState},
    event::care::ConsultationNoteKind,
    prescription::EventKind,
};

const RATING: i64 = 5;
const ACCEPTED: &str = ConsultationEventKind::Accepted.as_str();
/// Events after which nobody will accept.
const UNANSWERED: [&str; 2] =
    [ConsultationEventKind::Cancelled.as_str(), ConsultationEventKind::Unserved.as_str()];
/// Events after which a prescription may have changed its state.
const PRESCRIPTION_KINDS: &[&str] = &[
    EventKind::Approved.as_str(),
    EventKind::Voided.as_str(),
    EventKind::Expired.as_str(),
    UNANSWERED[0],
    UNANSWERED[1],
];

impl Walk<'_> {
    /// Stores an empty profile (no allergies, conditions or medicines).
    pub(super) async fn profile(&mut self, worker: As<'_>) -> Result<(), JourneyError> {
        let path = "/api/v1/me/profile";
        let found = self.api.call_tagged::<Value>(worker, Call::get(path).may_miss()).await;
        let etag = match found {
            Ok(found) => found.etag,
            Err(error) if error.status() == 404 => None,
            Err(error) => return Err(error.into()),
        };
        let nothing = json!({"allergies": [], "conditions": [], "medicines": []});
        let etag = etag.or_else(|| Some("\"0\"".to_owned()));
        let _: Value = self.timed("profile", self.api.call(worker, Call::put(path, etag, &nothing))).await?;
        Ok(())
    }

    pub(super) async fn readings(&mut self, worker: As<'_>) -> Result<(), JourneyError> {
        let sent = self.complaint.readings();
        let taken: ReadingsTaken =
            self.timed("readings", self.api.call(worker, Call::post("/api/v1/readings", &sent))).await?;
        for reading in sent["readings"].as_array().into_iter().flatten() {
            let stored =
                taken.readings.iter().find(|stored| Some(stored.kind.as_str()) == reading["kind"].as_str());
            must(stored.is_some_and(|stored| stored.value == reading["value"].as_i64()), "readings", || {
                format!("reading {} was not kept as sent", reading["kind"])
            })?;
        }
        must(taken.triage.is_object(), "triage", || "no triage came with the readings".into())
    }

    /// Requests a consultation.
    pub(super) async fn ask(&mut self, worker: As<'_>) -> Result<ConsultationView, JourneyError> {
        let complaint = self.turn.mark_in(self.complaint.text);
        let body = json!({"complaint": complaint, "department": null, "lane": "minor_ailment_pilot"});
        let asked: ConsultationView =
            self.timed("ask", self.api.call(worker, Call::post("/api/v1/consultations", &body))).await?;
        self.api.offers.acknowledged(asked.id);
        self.acknowledge("consultation", asked.id, asked.state)?;
        must(asked.state.is_live() && asked.complaint == complaint, "consultation_asked", || {
            format!("a fresh consultation is {}, or of something else", asked.state)
        })?;
        Ok(asked)
    }

    /// Cancels while no doctor has accepted; `false` if one has.
    pub(super) async fn give_up(
        &mut self,
        worker: As<'_>,
        asked: &ConsultationView,
    ) -> Result<bool, JourneyError> {
        let path = format!("/api/v1/consultations/{}", asked.id);
        let call = Call::post(format!("{path}/cancel"), &json!({})).may_conflict();
        let cancelled: Result<ConsultationView, _> = self.api.call(worker, call).await;
        let cancelled = match cancelled {
            Ok(cancelled) => cancelled,
            Err(error) if error.is_conflict() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.acknowledge("consultation", asked.id, cancelled.state)?;
        must(cancelled.state == ConsultationState::Cancelled, "cancelled", || {
            format!("a cancelled consultation is {}", cancelled.state)
        })?;
        let report: Value = self.timed("report", self.api.call(worker, Call::get("/api/v1/report"))).await?;
        let shown = &report["consultations"][0]["consultation"];
        must(shown["id"] == json!(asked.id) && shown["state"] == "cancelled", "report_cancelled", || {
            format!("the report shows {} for a cancelled consultation", shown["state"])
        })?;
        Ok(true)
    }

    /// A doctor accepts and asks; the worker answers.
    pub(super) async fn meet_doctor(
        &mut self,
        worker: As<'_>,
        events: &EventListener,
        asked: &ConsultationView,
    ) -> Result<ConsultationView, JourneyError> {
        let (api, path) = (self.api, format!("/api/v1/consultations/{}", asked.id));
        let kinds = [ACCEPTED, UNANSWERED[0], UNANSWERED[1]];
        let active = self
            .wait("doctor", events, &kinds, async || {
                let now: ConsultationView = api.call(worker, Call::get(&path)).await?;
                let unanswered = matches!(now.state, ConsultationState::Waiting | ConsultationState::Offered);
                Ok((!unanswered).then_some(now))
            })
            .await?;
        let served = matches!(active.state, ConsultationState::Active | ConsultationState::Completed);
        self.acknowledge("consultation", active.id, active.state)?;
        must(served && active.doctor.is_some(), "doctor", || {
            format!("the consultation is {} without a doctor", active.state)
        })?;
        let messages = format!("{path}/messages");
        let asked_back = self
            .wait("talk", events, &[ConsultationNoteKind::Message.as_str()], async || {
                let lines: Page<MessageView> = api.call(worker, Call::get(&messages)).await?;
                Ok(lines.items.into_iter().find(|line| line.sender_role == "doctor"))
            })
            .await?;
        must(asked_back.text == self.complaint.question, "talk", || {
            "the doctor's words changed on the way".into()
        })?;
        let answer = Call::post(&messages, &json!({"text": self.complaint.answer})).may_conflict();
        match self.api.call::<Value>(worker, answer).await {
            // The doctor may have finished in the meantime.
            Ok(_) => {}
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(active)
    }

    /// Waits until a pharmacist has approved what the doctor prescribed.
    pub(super) async fn prescription(
        &mut self,
        worker: As<'_>,
        events: &EventListener,
        consultation: &ConsultationView,
    ) -> Result<PrescriptionView, JourneyError> {
        let api = self.api;
        let approved = self
            .wait("prescription", events, PRESCRIPTION_KINDS, async || {
                let all: Page<PrescriptionView> =
                    api.call(worker, Call::get("/api/v1/prescriptions")).await?;
                let own = all.items.into_iter().find(|one| one.consultation_id == consultation.id);
                if own
                    .as_ref()
                    .is_some_and(|one| matches!(one.state.as_str(), "draft" | "signed" | "returned"))
                {
                    return Ok(None);
                }
                if own.is_some() {
                    return Ok(own);
                }
                let path = format!("/api/v1/consultations/{}", consultation.id);
                let now: ConsultationView = api.call(worker, Call::get(path)).await?;
                if now.state.is_live() {
                    return Ok(None);
                }
                Err(CallError::Ours("the consultation ended without a prescription".to_owned()))
            })
            .await?;
        must(approved.state == "approved", "approved", || format!("the prescription is {}", approved.state))?;
        let treated = self.complaint.treatments.iter().any(|treatment| {
            treatment.len() == approved.lines.len()
                && treatment.iter().all(|line| {
                    approved.lines.iter().any(|stored| {
                        stored.product_code == line.product_code
                            && stored.dose_units_thousandths == i64::from(line.dose_units_thousandths)
                            && stored.times_per_day == i64::from(line.times_per_day)
                            && stored.days == i64::from(line.days)
                    })
                })
        });
        must(treated, "prescription_lines", || "it holds other drugs or doses than the doctor chose".into())?;
        Ok(approved)
    }

    /// Waits for the end, rates, and checks that the doctor did not change.
    pub(super) async fn rate(
        &mut self,
        worker: As<'_>,
        events: &EventListener,
        active: &ConsultationView,
    ) -> Result<(), JourneyError> {
        let (api, path) = (self.api, format!("/api/v1/consultations/{}", active.id));
        self.wait("completed", events, &[ConsultationEventKind::Completed.as_str()], async || {
            let now: ConsultationView = api.call(worker, Call::get(&path)).await?;
            Ok((now.state == ConsultationState::Completed).then_some(()))
        })
        .await?;
        self.acknowledge("consultation", active.id, ConsultationState::Completed)?;
        let call = Call::post(format!("{path}/rating"), &json!({"rating": RATING}));
        let _: Value = self.timed("rating", self.api.call(worker, call)).await?;
        self.acknowledge("rating", active.id, RATING)?;
        let rated = self.consultation(worker, &path).await?;
        must(rated.rating == Some(RATING), "rating", || "the rating was not kept".into())?;
        let doctor = |view: &ConsultationView| view.doctor.as_ref().map(|doctor| doctor.id);
        let accepted = events.count(&[ACCEPTED]);
        // A broken stream may have missed the event, but never adds one.
        must(doctor(&rated) == doctor(active) && accepted <= 1, "one_doctor", || {
            format!("accepted {accepted} times; the doctor at the end is another one or the same")
        })
    }
}
