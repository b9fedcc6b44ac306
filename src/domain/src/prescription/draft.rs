//! A prescription while the doctor writes it.

use serde::{Deserialize, Serialize};

use super::lanes::EncounterLane;
use crate::safety::DraftLine;

crate::text_enum! {
    /// How long a supply this prescription may hold.
    pub enum SupplyKind {
        /// The ordinary case.
        Ordinary = "ordinary",
        /// Given in an emergency.
        Emergency = "emergency",
        /// A stable chronic disease.
        LongTerm = "long_term",
    }
}

/// What is treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// ICD-10 code, where the doctor gave one.
    #[serde(default)]
    pub code: Option<String>,
    /// The diagnosis in words.
    pub text: String,
}

/// The doctor's reason to go on in spite of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The rule of the finding.
    pub rule: String,
    /// The lines of the finding.
    pub lines: Vec<usize>,
    /// Why; the pharmacist sees it.
    pub reason: String,
}

/// Who stands in for a child under six.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChildAttestation {
    /// A guardian is present.
    pub guardian: bool,
    /// The prescriber is a paediatrician, or one was consulted.
    pub paediatrician: bool,
}

/// The whole draft. The software may block and warn; it never fills in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrescriptionDraft {
    /// On what footing.
    pub lane: EncounterLane,
    /// How long a supply.
    pub kind: SupplyKind,
    /// The drugs.
    pub lines: Vec<DraftLine>,
    /// What is treated.
    pub diagnoses: Vec<Diagnosis>,
    /// Why the supply is longer than usual.
    #[serde(default)]
    pub longer_reason: Option<String>,
    /// Reasons for warnings.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// For a child under six.
    #[serde(default)]
    pub child: Option<ChildAttestation>,
}
