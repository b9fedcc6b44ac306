//! Format `waystation-prescription-1`, which the network's key signed until version 0.3.0. Nothing is
//! written in it any more; what was, must still verify.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::canonical;
use crate::{
    formulary::ProductCode,
    ids::{ConsultationId, HospitalId, PrescriptionId, StaffId, WorkerId},
    prescription::{
        draft::{Diagnosis, Override, SupplyKind},
        lanes::EncounterLane,
    },
    time::Timestamp,
    words::Bilingual,
};

/// One line as it is signed. It contains the product's name on that day, so that a later rename
/// changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstLine {
    pub product: ProductCode,
    /// Thousandths of a unit per dose.
    pub dose_units_thousandths: i64,
    pub times_per_day: u32,
    pub days: u32,
    pub packs: u32,
    /// Text of the label.
    pub label: Bilingual,
}

/// What a doctor signs and a pharmacist reviews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstDocument {
    pub id: PrescriptionId,
    pub revision: u32,
    pub consultation: ConsultationId,
    pub worker: WorkerId,
    pub prescriber: StaffId,
    pub hospital: HospitalId,
    /// The encounter lane.
    pub lane: EncounterLane,
    pub kind: SupplyKind,
    pub diagnoses: Vec<Diagnosis>,
    pub lines: Vec<FirstLine>,
    /// The doctor's reasons to go on in spite of findings.
    pub overrides: Vec<Override>,
    /// Why the supply is longer than usual.
    pub longer_reason: Option<String>,
    /// The civil day of issue.
    pub issued_on: NaiveDate,
    /// The last instant at which it may be used.
    pub valid_until: Timestamp,
    /// The safety rules it was checked under.
    pub ruleset_version: String,
    /// The prescribing policy it was checked under.
    pub policy_version: String,
}

impl FirstDocument {
    /// The bytes that were hashed and signed.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        canonical(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use uuid::Uuid;

    fn document() -> FirstDocument {
        let id = |n: u128| Uuid::from_u128(n);
        FirstDocument {
            id: PrescriptionId::from_uuid(id(1)),
            revision: 2,
            consultation: ConsultationId::from_uuid(id(3)),
            worker: WorkerId::from_uuid(id(4)),
            prescriber: StaffId::from_uuid(id(5)),
            hospital: HospitalId::from_uuid(id(6)),
            lane: EncounterLane::FollowUpWithEvidence,
            kind: SupplyKind::Ordinary,
            diagnoses: vec![Diagnosis { code: None, text: "感冒 \"A\"\n".into() }],
            lines: vec![],
            overrides: vec![],
            longer_reason: None,
            issued_on: NaiveDate::from_ymd_opt(2026, 11, 23).expect("a date"),
            valid_until: Utc.with_ymd_and_hms(2026, 11, 23, 15, 59, 59).single().expect("once"),
            ruleset_version: "s".into(),
            policy_version: "p".into(),
        }
    }

    #[test]
    fn the_canonical_bytes_never_change() {
        let expected = concat!(
            r#"{"consultation":"00000000-0000-0000-0000-000000000003","diagnoses":[{"code":null,"text":"感冒 \"A\"\u000a"}],"#,
            r#""hospital":"00000000-0000-0000-0000-000000000006","id":"00000000-0000-0000-0000-000000000001","#,
            r#""issued_on":"2026-11-23","kind":"ordinary","lane":"follow_up_with_evidence","lines":[],"longer_reason":null,"#,
            r#""overrides":[],"policy_version":"p","prescriber":"00000000-0000-0000-0000-000000000005","revision":2,"#,
            r#""ruleset_version":"s","valid_until":"2026-11-23T15:59:59Z","worker":"00000000-0000-0000-0000-000000000004"}"#
        );
        assert_eq!(String::from_utf8(document().canonical_bytes()).expect("utf-8"), expected);
    }

    #[test]
    fn they_are_json_of_the_same_document_and_change_with_it() {
        let bytes = document().canonical_bytes();
        assert_eq!(serde_json::from_slice::<FirstDocument>(&bytes).expect("json"), document());
        let other = FirstDocument { longer_reason: Some("x".into()), ..document() };
        assert_ne!(other.canonical_bytes(), bytes);
    }
}
