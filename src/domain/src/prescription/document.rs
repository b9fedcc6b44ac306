//! The prescription document that is signed, and its canonical bytes.
//!
//! Format `waystation-prescription-1`: UTF-8 JSON without white space; the members of every object
//! sorted by name (by bytes); arrays in their order; numbers whole and in decimal; strings escaped
//! only as JSON requires (`"`, `\`, and control characters, those as `\u00xx`). An absent member is
//! written as `null`. So the same document always gives the same bytes, whichever library reads it
//! later.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    draft::{Diagnosis, Override, SupplyKind},
    lanes::EncounterLane,
};
use crate::{
    formulary::ProductCode,
    ids::{ConsultationId, HospitalId, PrescriptionId, StaffId, WorkerId},
    time::Timestamp,
    words::Bilingual,
};

/// One line as it is signed. It contains the product's name on that day, so that a later rename
/// changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentLine {
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
pub struct PrescriptionDocument {
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
    pub lines: Vec<DocumentLine>,
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

/// The bytes that are hashed and signed, in format `waystation-prescription-1`.
pub fn canonical_bytes(document: &PrescriptionDocument) -> Vec<u8> {
    let value = serde_json::to_value(document).expect("texts, whole numbers and lists always become JSON");
    let mut out = Vec::with_capacity(1024);
    write(&value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_text(text, out),
        Value::Array(values) => {
            out.push(b'[');
            for (at, one) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(one, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            // Sorted here: whether serde_json preserves order depends on features enabled
            // elsewhere.
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (at, (name, one)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write(one, out);
            }
            out.push(b'}');
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if u32::from(c) < 0x20 => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use uuid::Uuid;

    fn document() -> PrescriptionDocument {
        let id = |n: u128| Uuid::from_u128(n);
        PrescriptionDocument {
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
        assert_eq!(String::from_utf8(canonical_bytes(&document())).expect("utf-8"), expected);
    }

    #[test]
    fn they_are_json_of_the_same_document_and_change_with_it() {
        let bytes = canonical_bytes(&document());
        assert_eq!(serde_json::from_slice::<PrescriptionDocument>(&bytes).expect("json"), document());
        let other = PrescriptionDocument { longer_reason: Some("x".into()), ..document() };
        assert_ne!(canonical_bytes(&other), bytes);
    }
}
