//! The triage level: how soon a doctor must see somebody, and why.

use std::borrow::Cow;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    history::Latest,
    limits::{ChildBand, TriageLimits},
    news2::{News2Band, News2Score},
    red_flags::{EMERGENCY_NUMBER, RedFlag, RedFlagCode},
    signs::{measured, others, warnings},
    symptoms::SymptomFlag,
};
use crate::{
    bounds::Bounds,
    time::Timestamp,
    vitals::{Acvpu, ReadingKind, Severity, VitalFinding},
    words::Bilingual,
};

crate::text_enum! {
    /// How soon, most pressing first. Source: the project's clinical rules, vitals. The mapping is
    /// our default.
    pub enum TriageLevel {
        /// A red flag: ahead of all others.
        Emergency = "emergency",
        Urgent = "urgent",
        /// In queue order.
        Standard = "standard",
        /// Nothing pressing was found, and everything was measured.
        Routine = "routine",
    }
}

crate::text_enum! {
    /// The reason for a level.
    pub enum TriageReason {
        /// A red flag.
        RedFlag = "red_flag",
        /// A single extreme that waits for its second measurement.
        MeasureAgain = "measure_again",
        /// NEWS2 5-6, or a single 3 in it.
        News2Raised = "news2_raised",
        /// A reading lies in the warning band of the person's group: pregnancy, or a child's age.
        GroupLimit = "group_limit",
        /// NEWS2 is incomplete or does not apply to this person.
        News2Unknown = "news2_unknown",
        /// A reading's category is urgent.
        ReadingUrgent = "reading_urgent",
        /// A reading's category is a warning.
        ReadingWarning = "reading_warning",
        /// Nothing was found.
        NothingFound = "nothing_found",
    }
}

/// Points that a level adds in the queue. Policy data; our defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriageWeights {
    /// Changes whenever a value changes.
    pub version: Cow<'static, str>,
    /// Where the values come from.
    pub source: Cow<'static, str>,
    pub emergency: u32,
    pub urgent: u32,
    pub standard: u32,
    pub routine: u32,
}

impl Default for TriageWeights {
    fn default() -> Self {
        Self {
            version: Cow::Borrowed("2026-11"),
            source: Cow::Borrowed("Waystation policy default"),
            emergency: 1_000,
            urgent: 300,
            standard: 100,
            routine: 0,
        }
    }
}

impl TriageWeights {
    /// Checks the values: a more pressing level never has fewer points.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self { version: _, source: _, emergency, urgent, standard, routine } = self;
        let why = "a more pressing level must have more points than the next";
        bounds.must("emergency", emergency > urgent, why);
        bounds.must("urgent", urgent > standard, why);
        bounds.must("standard", standard > routine, why);
        bounds.within("emergency", *emergency, 1..=1_000_000);
    }

    pub const fn of(&self, level: TriageLevel) -> u32 {
        match level {
            TriageLevel::Emergency => self.emergency,
            TriageLevel::Urgent => self.urgent,
            TriageLevel::Standard => self.standard,
            TriageLevel::Routine => self.routine,
        }
    }
}

/// The input of triage.
#[derive(Debug, Clone, Copy)]
pub struct TriageFacts<'a> {
    pub limits: &'a TriageLimits,
    /// The score; `None` where NEWS2 does not apply to this person.
    pub news2: Option<&'a News2Score>,
    /// The parts of the score, whether NEWS2 applies or not.
    pub parts: Option<&'a News2Score>,
    /// Age in whole months; an unknown age counts as adult.
    pub age_months: Option<u32>,
    /// Whether the person is pregnant, as far as known.
    pub pregnant: bool,
    /// Complaints that are red flags by themselves.
    pub symptoms: &'a [SymptomFlag],
    /// Whether the person asked for a doctor; this counts as a complaint.
    pub asked: bool,
    /// Categories of the readings.
    pub findings: &'a [VitalFinding],
    /// The latest reading of each kind.
    pub latest: &'a [Latest],
    /// Level of consciousness.
    pub consciousness: Option<Acvpu>,
    /// Red flags that were raised before in the same visit or consultation: a
    /// later reading that is normal does not hide them.
    pub earlier: &'a [RedFlagCode],
    /// The present instant; `None` where nobody will check again later, so that a single extreme
    /// counts at once.
    pub now: Option<Timestamp>,
}

impl<'a> TriageFacts<'a> {
    /// The facts of a person of whom nothing is known.
    pub const fn nothing(limits: &'a TriageLimits) -> Self {
        Self {
            limits,
            news2: None,
            parts: None,
            age_months: None,
            pregnant: false,
            symptoms: &[],
            asked: false,
            findings: &[],
            latest: &[],
            consciousness: None,
            earlier: &[],
            now: None,
        }
    }

    /// The limits of the person's age band, below 16 years.
    pub(super) fn child(&self) -> Option<&'a ChildBand> {
        self.age_months.and_then(|months| self.limits.band_of(months))
    }

    /// Whether anything other than measurements indicates an illness.
    pub(super) fn symptomatic(&self) -> bool {
        let awake = matches!(self.consciousness, None | Some(Acvpu::Alert));
        self.asked || !self.symptoms.is_empty() || !awake
    }
}

/// A single extreme that is measured again before it counts as an emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MeasureAgain {
    /// What to measure.
    pub kind: ReadingKind,
    /// Until when; from then on it counts as an emergency.
    pub until: chrono::DateTime<chrono::Utc>,
    /// What to say to the worker.
    pub advice: Bilingual,
}

impl MeasureAgain {
    fn of(kind: ReadingKind, until: Timestamp) -> Self {
        let label = kind.label();
        let advice = Bilingual::made(
            format!("{}读数异常：请坐好，马上再测一次。如有不适，请立即拨打 120。", label.zh),
            format!(
                "The {} reading is far out of range: sit down and measure once more now. If you feel \
                 unwell, call 120.",
                label.en
            ),
        );
        Self { kind, until, advice }
    }
}

/// A level with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TriageDecision {
    pub level: TriageLevel,
    /// Most pressing first.
    pub reasons: Vec<TriageReason>,
    /// To be shown at once.
    pub red_flags: Vec<RedFlag>,
    /// A single extreme that waits for its second measurement.
    pub measure_again: Option<MeasureAgain>,
    /// Shown at once with an emergency, and while an extreme waits for its second measurement.
    pub emergency_number: Option<&'static str>,
}

impl TriageReason {
    /// The minimum level that this reason alone requires.
    const fn level(self) -> TriageLevel {
        match self {
            Self::RedFlag => TriageLevel::Emergency,
            Self::MeasureAgain | Self::News2Raised | Self::ReadingUrgent | Self::GroupLimit => {
                TriageLevel::Urgent
            }
            Self::News2Unknown | Self::ReadingWarning => TriageLevel::Standard,
            Self::NothingFound => TriageLevel::Routine,
        }
    }
}

/// The level of `facts`: the most pressing of all reasons.
pub fn triage(facts: &TriageFacts<'_>) -> TriageDecision {
    let (red_flags, measure_again) = emergencies(facts);
    let worst = facts.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Normal);
    let mut reasons = Vec::new();
    if !red_flags.is_empty() {
        reasons.push(TriageReason::RedFlag);
    }
    if measure_again.is_some() {
        reasons.push(TriageReason::MeasureAgain);
    }
    match facts.news2.map(|score| (score.band, score.any_single_three)) {
        Some(
            (News2Band::High | News2Band::Medium | News2Band::LowMedium, _) | (News2Band::Incomplete, true),
        ) => {
            reasons.push(TriageReason::News2Raised);
        }
        Some((News2Band::Incomplete, false)) | None => reasons.push(TriageReason::News2Unknown),
        Some((News2Band::Low, _)) => {}
    }
    if warnings(facts).urgent > 0 {
        reasons.push(TriageReason::GroupLimit);
    }
    match worst {
        Severity::Emergency | Severity::Urgent => reasons.push(TriageReason::ReadingUrgent),
        Severity::Warning => reasons.push(TriageReason::ReadingWarning),
        Severity::Notice | Severity::Normal => {}
    }
    if reasons.is_empty() {
        reasons.push(TriageReason::NothingFound);
    }
    reasons.sort_by_key(|reason| (reason.level(), *reason));
    let call = !red_flags.is_empty() || measure_again.is_some();
    TriageDecision {
        level: reasons[0].level(),
        reasons,
        red_flags,
        measure_again,
        emergency_number: call.then_some(EMERGENCY_NUMBER),
    }
}

/// Every red flag once, in the order of [`RedFlagCode`]; and the measurement to repeat instead. The
/// latter is one extreme alone, without a symptom, not confirmed by the measurement before it and
/// not older than the policy's span. A request for a doctor is a complaint: then the extreme counts
/// at once.
fn emergencies(facts: &TriageFacts<'_>) -> (Vec<RedFlag>, Option<MeasureAgain>) {
    let signs = measured(facts);
    let mut codes = others(facts, &signs);
    codes.extend_from_slice(facts.earlier);
    let mut again = None;
    if let ([sign], true, false, Some(now)) = (&signs[..], codes.is_empty(), facts.symptomatic(), facts.now) {
        let until = sign.latest.recorded_at + TimeDelta::seconds(i64::from(facts.limits.measure_again_s));
        if !sign.confirmed && now < until {
            again = Some(MeasureAgain::of(sign.latest.reading.kind, until));
        }
    }
    if again.is_none() {
        codes.extend(signs.iter().map(|sign| sign.code));
    }
    codes.sort_unstable();
    codes.dedup();
    (codes.into_iter().map(RedFlag::from).collect(), again)
}

#[cfg(test)]
#[path = "level_tests.rs"]
mod tests;
