//! A prescription while the doctor writes it.

use serde::{Deserialize, Serialize};

use super::{lanes::EncounterLane, long_term::LongTermAttestation};
use crate::{
    safety::{Diagnosed, DraftLine, SafetyInput, SkinTest, SkinTestResult},
    time::Timestamp,
};

crate::text_enum! {
    /// The kind of supply, which limits its days.
    pub enum SupplyKind {
        /// The normal case.
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
    /// The diagnosis as text.
    pub text: String,
}

impl Diagnosis {
    /// As rules read it.
    pub(super) fn diagnosed(&self) -> Diagnosed {
        Diagnosed { code: self.code.clone(), text: self.text.clone() }
    }
}

/// The doctor's reason to go on in spite of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    pub rule: String,
    pub lines: Vec<usize>,
    /// The pharmacist sees it.
    pub reason: String,
}

/// The attestations that a child under six needs.
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
    /// The encounter lane.
    pub lane: EncounterLane,
    pub kind: SupplyKind,
    pub lines: Vec<DraftLine>,
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
    /// For a penicillin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skin_test: Option<StatedSkinTest>,
    /// For long-term supply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_term: Option<LongTermAttestation>,
}

/// A skin test for penicillins, as the doctor states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedSkinTest {
    pub result: SkinTestResult,
    pub at: Timestamp,
}

impl PrescriptionDraft {
    /// Adds what the doctor states to what a check reads.
    pub fn add_to(&self, input: &mut SafetyInput, now: Timestamp) {
        input.profile.skin_test = self.skin_test.map(|test| test.seen(now));
        input.profile.diagnoses = self.diagnoses.iter().map(Diagnosis::diagnosed).collect();
    }
}

impl StatedSkinTest {
    /// The test as a check reads it.
    pub fn seen(self, now: Timestamp) -> SkinTest {
        // A test of later today is no test, although less than a minute away.
        let minutes_ago = (now - self.at).num_seconds().div_euclid(60);
        SkinTest { result: self.result, minutes_ago }
    }
}
