//! The triage level: how soon a doctor must see somebody, and why.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    news2::{News2Band, News2Score},
    red_flags::{RedFlag, SymptomFlag, red_flags},
};
use crate::domain::bounds::Bounds;
use crate::domain::vitals::{Acvpu, Severity, VitalFinding};

crate::text_enum! {
    /// How soon, most pressing first. Source: house rules, vitals; the mapping is [P].
    pub enum TriageLevel {
        /// A red flag: ahead of everybody.
        Emergency = "emergency",
        /// Soon.
        Urgent = "urgent",
        /// In turn.
        Standard = "standard",
        /// Nothing pressing was found, and everything was measured.
        Routine = "routine",
    }
}

crate::text_enum! {
    /// What a level follows from.
    pub enum TriageReason {
        /// A red flag.
        RedFlag = "red_flag",
        /// NEWS2 5-6, or a single 3 in it.
        News2Raised = "news2_raised",
        /// NEWS2 could not be completed or does not hold for this person.
        News2Unknown = "news2_unknown",
        /// A reading's category is urgent.
        ReadingUrgent = "reading_urgent",
        /// A reading's category is a warning.
        ReadingWarning = "reading_warning",
        /// Nothing was found.
        NothingFound = "nothing_found",
    }
}

/// Points that a level brings into the queue. Policy data [P].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriageWeights {
    /// Changes whenever a value changes.
    pub version: Cow<'static, str>,
    /// Where the values come from.
    pub source: Cow<'static, str>,
    /// Points of an emergency.
    pub emergency: u32,
    /// Points of an urgent one.
    pub urgent: u32,
    /// Points of a standard one.
    pub standard: u32,
    /// Points of a routine one.
    pub routine: u32,
}

impl Default for TriageWeights {
    fn default() -> Self {
        Self {
            version: Cow::Borrowed("2026-11"),
            source: Cow::Borrowed("house policy [P]"),
            emergency: 1_000,
            urgent: 300,
            standard: 100,
            routine: 0,
        }
    }
}

impl TriageWeights {
    /// What the values may be: a more pressing level never has fewer points.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self { version: _, source: _, emergency, urgent, standard, routine } = self;
        let why = "a more pressing level must have more points than the next";
        bounds.must("emergency", emergency > urgent, why);
        bounds.must("urgent", urgent > standard, why);
        bounds.must("standard", standard > routine, why);
        bounds.within("emergency", *emergency, 1..=1_000_000);
    }

    /// The points of `level`.
    pub const fn of(&self, level: TriageLevel) -> u32 {
        match level {
            TriageLevel::Emergency => self.emergency,
            TriageLevel::Urgent => self.urgent,
            TriageLevel::Standard => self.standard,
            TriageLevel::Routine => self.routine,
        }
    }
}

/// What triage looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct TriageFacts<'a> {
    /// The score; `None` where NEWS2 does not hold for this person.
    pub news2: Option<&'a News2Score>,
    /// Complaints that are red flags by themselves.
    pub symptoms: &'a [SymptomFlag],
    /// What the readings mean.
    pub findings: &'a [VitalFinding],
    /// How awake the worker is.
    pub consciousness: Option<Acvpu>,
}

/// A level with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TriageDecision {
    /// How soon.
    pub level: TriageLevel,
    /// Why, most pressing first.
    pub reasons: Vec<TriageReason>,
    /// Show these at once.
    pub red_flags: Vec<RedFlag>,
}

impl TriageReason {
    /// The least level that this reason alone asks for.
    const fn level(self) -> TriageLevel {
        match self {
            Self::RedFlag => TriageLevel::Emergency,
            Self::News2Raised | Self::ReadingUrgent => TriageLevel::Urgent,
            Self::News2Unknown | Self::ReadingWarning => TriageLevel::Standard,
            Self::NothingFound => TriageLevel::Routine,
        }
    }
}

/// The level of `facts`: the most pressing of all reasons.
pub fn triage(facts: &TriageFacts<'_>) -> TriageDecision {
    let red_flags = red_flags(facts);
    let worst = facts.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Normal);
    let mut reasons = Vec::new();
    if !red_flags.is_empty() {
        reasons.push(TriageReason::RedFlag);
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
    match worst {
        Severity::Emergency | Severity::Urgent => reasons.push(TriageReason::ReadingUrgent),
        Severity::Warning => reasons.push(TriageReason::ReadingWarning),
        Severity::Notice | Severity::Normal => {}
    }
    if reasons.is_empty() {
        reasons.push(TriageReason::NothingFound);
    }
    reasons.sort_by_key(|reason| (reason.level(), *reason));
    TriageDecision { level: reasons[0].level(), reasons, red_flags }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        triage::{News2Input, news2},
        vitals::ReadingKind,
        words::Bilingual,
    };

    fn score(change: impl FnOnce(&mut News2Input)) -> News2Score {
        let mut input = News2Input {
            respiratory_rate_per_min: Some(16),
            spo2_percent: Some(98),
            supplemental_oxygen: Some(false),
            systolic_mmhg: Some(120),
            heart_rate_per_min: Some(70),
            temperature_tenths_c: Some(370),
            acvpu: Some(Acvpu::Alert),
            spo2_scale: None,
        };
        change(&mut input);
        news2(&input).expect("in range")
    }

    fn finding(severity: Severity) -> VitalFinding {
        VitalFinding {
            kind: ReadingKind::BloodPressure,
            category: "x",
            severity,
            label: Bilingual::fixed("", ""),
            blood_alcohol_tenths: None,
            rule_version: String::new(),
            rule_source: String::new(),
        }
    }

    fn level(score: &News2Score, findings: &[VitalFinding]) -> TriageLevel {
        triage(&TriageFacts { news2: Some(score), findings, ..Default::default() }).level
    }

    #[test]
    fn routine_needs_everything_measured_and_nothing_found() {
        assert_eq!(level(&score(|_| ()), &[]), TriageLevel::Routine);
        assert_eq!(level(&score(|_| ()), &[finding(Severity::Notice)]), TriageLevel::Routine);
        assert_eq!(level(&score(|input| input.acvpu = None), &[]), TriageLevel::Standard);
        assert_eq!(triage(&TriageFacts::default()).reasons, [TriageReason::News2Unknown]);
    }

    #[test]
    fn news2_and_readings_raise_the_level() {
        assert_eq!(level(&score(|input| input.acvpu = Some(Acvpu::Confused)), &[]), TriageLevel::Urgent);
        let single_three_but_incomplete = score(|input| {
            input.acvpu = None;
            input.heart_rate_per_min = Some(140);
        });
        assert_eq!(level(&single_three_but_incomplete, &[]), TriageLevel::Urgent);
        assert_eq!(level(&score(|_| ()), &[finding(Severity::Warning)]), TriageLevel::Standard);
        assert_eq!(level(&score(|_| ()), &[finding(Severity::Urgent)]), TriageLevel::Urgent);
    }

    #[test]
    fn a_red_flag_is_an_emergency_whatever_else_is_known() {
        let fine = score(|_| ());
        let symptoms = [SymptomFlag::ChestPain];
        let decision = triage(&TriageFacts { news2: Some(&fine), symptoms: &symptoms, ..Default::default() });
        assert_eq!((decision.level, decision.red_flags.len()), (TriageLevel::Emergency, 1));
        let high = score(|input| {
            input.heart_rate_per_min = Some(140);
            input.systolic_mmhg = Some(80);
            input.temperature_tenths_c = Some(385);
        });
        assert_eq!(level(&high, &[]), TriageLevel::Emergency);
    }

    #[test]
    fn weights_fall_with_the_level() {
        let weights = TriageWeights::default();
        assert!(TriageLevel::ALL.windows(2).all(|pair| weights.of(pair[0]) > weights.of(pair[1])));
    }
}
