//! Approved prescriptions, written into the database with their signatures. How a
//! prescription gets there is tested elsewhere.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::{TestApp, seed::Seed, stock::RX};
use crypto::{
    digest,
    signer::{DetachedKind, sign_detached},
};
use domain::{
    consultation::{ConsultationEvent, Medium},
    ids::{CheckInId, ConsultationId, PrescriptionId, StaffId, WorkerId},
    prescription::{EncounterLane, Event, FirstDocument, SupplyKind},
    time::{Timestamp, civil_day},
    triage::TriageLevel,
};
use service::{Actor, Failure, Recipients, Tx};
use storage::{
    on_backend,
    schema::{consultation, prescription, prescription_line},
    sql_types::At,
};

impl TestApp {
    /// An approved prescription for packs of `RX`, with the signature that START verifies.
    pub async fn prescribe_to(
        &self,
        seed: &Seed,
        (worker, check_in): (WorkerId, CheckInId),
        packs: i32,
    ) -> PrescriptionId {
        let (id, talk) = (PrescriptionId::generate(), ConsultationId::generate());
        let document = self.document(seed, worker, (id, talk), packs);
        let first: FirstDocument = serde_json::from_value(document.clone()).expect("a document");
        let canonical = first.canonical_bytes();
        let digest = digest::hex(&digest::sha256(&canonical));
        let body = json!({
            "revision": 1,
            // As an earlier version stored it: not compressed, and beside the signed bytes.
            "draft": {"lane": document["lane"], "kind": document["kind"], "diagnoses": document["diagnoses"],
                "lines": [{"product": RX, "dose_units_thousandths": 1000, "times_per_day": 3, "days": 5}],
                "overrides": document["overrides"]},
            "names": [{"generic_zh": "x", "generic_en": "x", "label": {"zh": "x", "en": "x"}, "packs": packs}],
            "report": {"verdict": "ok", "findings": [], "ruleset_version": "test"},
            "digest": digest,
        });
        let text = String::from_utf8(canonical.clone()).expect("UTF-8");
        let sealed = (
            self.state.seal("prescription", "body_sealed", id, &body.to_string()).expect("sealed"),
            self.state.seal("prescription", "canonical_sealed", id, &text).expect("sealed"),
        );
        let until = self.now() + TimeDelta::hours(10);
        let signer = self.state.keys.prescriptions.signing(self.now()).expect("a key");
        let signature = sign_detached(&signer, DetachedKind::Prescription, &canonical).expect("signed");
        let station = seed.station;
        let (doctor, hospital, pharmacist) = (seed.doctor.id, seed.hospital, seed.pharmacist.id);
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::insert_into(consultation::table)
                    .values((
                        consultation::id.eq(talk),
                        consultation::worker_id.eq(worker),
                        consultation::check_in_id.eq(check_in),
                        consultation::station_id.eq(station),
                        consultation::lane.eq("follow_up_with_evidence"),
                        consultation::department.eq("general_practice"),
                        consultation::language.eq("zh"),
                        consultation::state.eq("completed"),
                        consultation::complaint_sealed.eq(Vec::new()),
                        consultation::symptoms.eq("[]"),
                        consultation::triage.eq("routine"),
                        consultation::requested_at.eq(At(tx.now)),
                        consultation::ranked_since.eq(At(tx.now)),
                        consultation::queue.eq("general_practice/standard/zh/text/zhifu"),
                        consultation::fence.eq(0_i64),
                        consultation::ended_at.eq(Some(At(tx.now))),
                    ))
                    .execute(c))?;
                on_backend!(tx.conn, c => diesel::insert_into(prescription::table)
                    .values((
                        prescription::id.eq(id),
                        prescription::consultation_id.eq(talk),
                        prescription::worker_id.eq(worker),
                        prescription::doctor_id.eq(doctor),
                        prescription::hospital_id.eq(hospital),
                        prescription::state.eq("approved"),
                        prescription::version.eq(1_i64),
                        prescription::body_sealed.eq(&sealed.0),
                        prescription::canonical_sealed.eq(Some(&sealed.1)),
                        prescription::signature.eq(Some(&signature)),
                        prescription::signed_at.eq(Some(At(tx.now))),
                        prescription::valid_until.eq(Some(At(until))),
                        prescription::reviewed_by.eq(Some(pharmacist)),
                        prescription::reviewed_at.eq(Some(At(tx.now))),
                        prescription::created_at.eq(At(tx.now)),
                    ))
                    .execute(c))?;
                on_backend!(tx.conn, c => diesel::insert_into(prescription_line::table)
                    .values((
                        prescription_line::prescription_id.eq(id),
                        prescription_line::line_no.eq(1),
                        prescription_line::product_code.eq(RX),
                        prescription_line::dose_units_thousandths.eq(1000_i64),
                        prescription_line::times_per_day.eq(3),
                        prescription_line::days.eq(5),
                        prescription_line::packs.eq(packs),
                    ))
                    .execute(c))?;
                record(tx, (id, talk), (worker, doctor, pharmacist), (digest.clone(), until))
            })
            .await
            .expect("prescribed");
        id
    }

    fn document(
        &self,
        seed: &Seed,
        worker: WorkerId,
        (id, talk): (PrescriptionId, ConsultationId),
        packs: i32,
    ) -> Value {
        json!({
            "id": id, "revision": 1, "consultation": talk, "worker": worker,
            "prescriber": seed.doctor.id, "hospital": seed.hospital, "lane": "follow_up_with_evidence",
            "kind": "ordinary", "diagnoses": [{"code": "J02", "text": "x"}],
            "lines": [{"product": RX, "dose_units_thousandths": 1000, "times_per_day": 3, "days": 5,
                "packs": packs, "label": {"zh": "x", "en": "x"}}],
            // The doctor's reasons for the warnings about several prescriptions at
            // once, and about a walk-in of unknown age.
            "overrides": [
                {"rule": "duplicate_ingredient", "lines": [0], "reason": "已问明，剂量合适"},
                {"rule": "age_unknown", "lines": [], "reason": "已问明，为成年人"},
            ],
            "longer_reason": null, "issued_on": civil_day(self.now()),
            "valid_until": self.now() + TimeDelta::hours(10), "ruleset_version": "test",
            "policy_version": "test",
        })
    }

    /// Writes a column of a prescription, as somebody with the database could.
    pub async fn tamper_prescription(&self, id: PrescriptionId) {
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(prescription::table.find(id))
                    .set(prescription::canonical_sealed.eq(Some(b"another text".to_vec())))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("written");
    }
}

/// Appends the events of a completed consultation and of the prescription that it led to.
fn record(
    tx: &mut Tx<'_>,
    (id, consultation): (PrescriptionId, ConsultationId),
    (worker, doctor, reviewer): (WorkerId, StaffId, StaffId),
    (digest, valid_until): (String, Timestamp),
) -> Result<(), Failure> {
    let (now, nobody) = (tx.now, Recipients::nobody());
    let triage = TriageLevel::Routine;
    tx.record(
        consultation,
        ConsultationEvent::Requested {
            consultation,
            worker,
            at: now,
            triage: Some(triage),
            medium: Medium::Text,
            department: None,
        },
        nobody,
    )?;
    tx.record(consultation, ConsultationEvent::Completed { doctor, at: now }, nobody)?;
    tx.record(id, Event::Drafted { consultation, prescriber: doctor, revision: 0 }, nobody)?;
    let signed = Event::Signed {
        prescriber: doctor,
        consultation,
        lane: EncounterLane::FollowUpWithEvidence,
        supply: SupplyKind::Ordinary,
        digest: digest.clone(),
        signed_at: now,
        valid_until,
        issued_on: civil_day(now),
        ruleset_version: "test".to_owned(),
        policy_version: "test".to_owned(),
        overridden: Vec::new(),
        emergency: false,
    };
    tx.record(id, signed, nobody)?;
    tx.record(id, Event::Approved { reviewer, digest, countersigned: false }, nobody)
}
