//! The prescription document that is signed, and its canonical bytes.
//!
//! Canonical bytes: UTF-8 JSON without white space; the members of every object sorted by name (by
//! bytes); arrays in their order; numbers whole and in decimal; strings escaped only as JSON requires
//! (`"`, `\`, and control characters, those as `\u00xx`). An absent member is written as `null`, except for the two that came later. So the
//! same document always gives the same bytes, whichever library reads it later.
//!
//! [`PrescriptionDocument`] is format `waystation-prescription-2`: everything that the prescription form
//! must show, as it was at the signature, kept byte for byte. `first` is the format before it.

mod first;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use first::{FirstDocument, FirstLine};

use super::{
    draft::{Diagnosis, Override, StatedSkinTest, SupplyKind},
    lanes::EncounterLane,
    long_term::LongTermAttestation,
};
use crate::{
    formulary::{DoseUnit, ProductCode},
    ids::{ConsultationId, HospitalId, PrescriptionId, StaffId, WorkerId},
    matching::Department,
    network::Sex,
    time::Timestamp,
    words::Bilingual,
};

crate::text_enum! {
    /// The formats that are written now.
    pub enum DocumentFormat {
        Second = "waystation-prescription-2",
    }
}

/// The patient's part of the form. Source: Measures for the Administration of Prescriptions (Ministry
/// of Health, 2007), articles 5 and 6 and annex 1, as cited by the project's clinical rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentPatient {
    pub worker: WorkerId,
    pub name: String,
    pub sex: Sex,
    /// Whole years on the day of issue.
    pub age_years: u32,
    /// Whole months on the day of issue; the form states them for small children.
    pub age_months: u32,
}

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentPrescriber {
    pub staff: StaffId,
    pub name: String,
    pub licence_no: String,
}

/// The hospital of the prescriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentHospital {
    pub id: HospitalId,
    pub name: String,
}

/// The department of the consultation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentDepartment {
    pub code: Department,
    pub name: String,
}

/// One line as it is signed. It contains the product's names on that day, so that a later rename
/// changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentLine {
    pub product: ProductCode,
    /// Generic name in Chinese.
    pub name: String,
    /// Strength and pack in Chinese.
    pub specification: String,
    /// Thousandths of a unit per dose.
    pub dose_units_thousandths: i64,
    pub dose_unit: DoseUnit,
    pub times_per_day: u32,
    pub days: u32,
    pub packs: u32,
    /// How to take it, in Chinese.
    pub directions: String,
    /// Text of the label.
    pub label: Bilingual,
}

/// The rules that it was checked under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentRules {
    /// Edition of the safety rules.
    pub ruleset: String,
    /// Version of the prescribing policy.
    pub policy: String,
}

/// The parts of a document that are of the moment of the signature and nowhere else: people and
/// places may be renamed, and rules replaced, afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsSigned {
    pub patient: DocumentPatient,
    pub department: DocumentDepartment,
    pub prescriber: DocumentPrescriber,
    pub hospital: DocumentHospital,
    pub rules: DocumentRules,
    /// Whether it states the skin test of the contents: documents of before do not.
    pub states_skin_test: bool,
}

/// What a doctor signs and a pharmacist reviews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrescriptionDocument {
    pub format: DocumentFormat,
    pub id: PrescriptionId,
    pub revision: u32,
    pub consultation: ConsultationId,
    pub patient: DocumentPatient,
    pub department: DocumentDepartment,
    pub prescriber: DocumentPrescriber,
    pub hospital: DocumentHospital,
    /// The encounter lane.
    pub lane: EncounterLane,
    pub kind: SupplyKind,
    pub diagnoses: Vec<Diagnosis>,
    pub lines: Vec<DocumentLine>,
    /// The doctor's reasons to go on in spite of findings.
    pub overrides: Vec<Override>,
    /// Why the supply is longer than usual.
    pub longer_reason: Option<String>,
    /// What the doctor attested for long-term supply. Absent, and not `null`, in documents without it, so
    /// that those of before keep their bytes; so is the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_term: Option<LongTermAttestation>,
    /// The skin test that a penicillin was prescribed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skin_test: Option<StatedSkinTest>,
    /// The civil day of issue.
    pub issued_on: NaiveDate,
    pub signed_at: Timestamp,
    /// The last instant at which it may be used.
    pub valid_until: Timestamp,
    pub rules: DocumentRules,
}

impl PrescriptionDocument {
    /// The bytes that are hashed, signed and kept.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// The document of kept bytes; `None` if they are of another format, or not canonical.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Self = serde_json::from_slice(bytes).ok()?;
        (document.canonical_bytes() == bytes).then_some(document)
    }

    /// What cannot be derived from other rows.
    pub fn as_signed(&self) -> AsSigned {
        AsSigned {
            patient: self.patient.clone(),
            department: self.department.clone(),
            prescriber: self.prescriber.clone(),
            hospital: self.hospital.clone(),
            rules: self.rules.clone(),
            states_skin_test: self.skin_test.is_some(),
        }
    }
}

fn canonical(document: &impl Serialize) -> Vec<u8> {
    let value = serde_json::to_value(document).expect("texts, whole numbers and lists always become JSON");
    let mut out = Vec::with_capacity(2048);
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
            format: DocumentFormat::Second,
            id: PrescriptionId::from_uuid(id(1)),
            revision: 2,
            consultation: ConsultationId::from_uuid(id(3)),
            patient: DocumentPatient {
                worker: WorkerId::from_uuid(id(4)),
                name: "张伟".into(),
                sex: Sex::Male,
                age_years: 36,
                age_months: 438,
            },
            department: DocumentDepartment { code: Department::GENERAL_PRACTICE, name: "全科".into() },
            prescriber: DocumentPrescriber {
                staff: StaffId::from_uuid(id(5)),
                name: "李医生".into(),
                licence_no: "110".into(),
            },
            hospital: DocumentHospital { id: HospitalId::from_uuid(id(6)), name: "一院".into() },
            lane: EncounterLane::FollowUpWithEvidence,
            kind: SupplyKind::Ordinary,
            diagnoses: vec![Diagnosis { code: None, text: "感冒 \"A\"\n".into() }],
            lines: vec![],
            overrides: vec![],
            longer_reason: None,
            long_term: None,
            skin_test: None,
            issued_on: NaiveDate::from_ymd_opt(2026, 11, 23).expect("a date"),
            signed_at: Utc.with_ymd_and_hms(2026, 11, 23, 1, 2, 3).single().expect("once"),
            valid_until: Utc.with_ymd_and_hms(2026, 11, 23, 15, 59, 59).single().expect("once"),
            rules: DocumentRules { ruleset: "s".into(), policy: "p".into() },
        }
    }

    #[test]
    fn the_canonical_bytes_never_change() {
        let expected = concat!(
            r#"{"consultation":"00000000-0000-0000-0000-000000000003","#,
            r#""department":{"code":"general_practice","name":"全科"},"#,
            r#""diagnoses":[{"code":null,"text":"感冒 \"A\"\u000a"}],"format":"waystation-prescription-2","#,
            r#""hospital":{"id":"00000000-0000-0000-0000-000000000006","name":"一院"},"#,
            r#""id":"00000000-0000-0000-0000-000000000001","#,
            r#""issued_on":"2026-11-23","kind":"ordinary","lane":"follow_up_with_evidence","lines":[],"longer_reason":null,"#,
            r#""overrides":[],"patient":{"age_months":438,"age_years":36,"name":"张伟","sex":"male","#,
            r#""worker":"00000000-0000-0000-0000-000000000004"},"#,
            r#""prescriber":{"licence_no":"110","name":"李医生","staff":"00000000-0000-0000-0000-000000000005"},"revision":2,"#,
            r#""rules":{"policy":"p","ruleset":"s"},"signed_at":"2026-11-23T01:02:03Z","valid_until":"2026-11-23T15:59:59Z"}"#
        );
        assert_eq!(String::from_utf8(document().canonical_bytes()).expect("utf-8"), expected);
    }

    #[test]
    fn they_are_read_back_only_as_they_were_written() {
        let bytes = document().canonical_bytes();
        assert_eq!(PrescriptionDocument::parse(&bytes), Some(document()));
        let other = PrescriptionDocument { longer_reason: Some("x".into()), ..document() };
        assert_ne!(other.canonical_bytes(), bytes);
        let text = String::from_utf8(bytes).expect("utf-8");
        let spaced = text.replace(r#""revision":2"#, r#""revision": 2"#);
        let more = text.replace(r#""revision":2"#, r#""revision":2,"x":1"#);
        let older = text.replace("prescription-2", "prescription-1");
        for changed in [spaced, more, older] {
            assert_eq!(PrescriptionDocument::parse(changed.as_bytes()), None, "{changed}");
        }
    }
}
