//! Tests of one fact about the worker, as the tables of people and of conditions write them.

use chrono::NaiveDate;

use super::{
    input::{Profile, SafetyInput, Sex, SkinTestResult},
    rows::DiagnosisKind,
    rules::RuleSet,
    thresholds::Thresholds,
};
use crate::formulary::Condition;

/// One fact about the worker. `people.csv` explains how each is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProfileTest {
    /// On file, or as answered (pregnancy, breast feeding).
    Has(Condition),
    /// As `Has`; without an answer it is missing for a woman of the age, and clear where the sex is not known.
    OfWomen(Condition),
    /// On file, and neither eGFR nor creatinine clearance tells how severe it is.
    HasUnmeasured(Condition),
    /// Kidney disease on file, or by eGFR or creatinine clearance.
    KidneyDisease,
    EgfrBelow(i64),
    /// eGFR or creatinine clearance measured below this; of both the lower one counts.
    FiltrationBelow(i64),
    /// eGFR within both bounds, and the drug is not taken yet.
    EgfrNew(i64, i64),
    /// eGFR within both bounds, and the drug is taken already.
    EgfrOngoing(i64, i64),
    /// Creatinine clearance below this, or kidney disease of unknown clearance.
    ClearanceBelow(i64),
    /// Systolic or diastolic pressure from this, in mmHg.
    PressureFrom(i64, i64),
    AtHeight,
    /// The job drives or uses machines, though not at height.
    DrivesOrMachines,
    /// Creatinine clearance below this, or eGFR if that is not known; kidney disease of unknown
    /// degree counts.
    RenalBelow(i64),
    /// Below this age in years.
    AgeBelow(u32),
    /// From this age in years.
    AgeFrom(u32),
    /// Dehydrated, or treated for heat illness.
    Dehydrated,
    /// No skin test for penicillins is known.
    NoSkinTest,
    SkinTestPositive,
    /// The skin test is older than this many hours.
    SkinTestOlder(i64),
    /// A diagnosis of this kind is treated, by its row in the table of diagnoses.
    Treats(usize),
}

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Hit,
    Clear,
    /// The fact is not known.
    Missing,
}

/// What a test reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) on: NaiveDate,
    pub(super) profile: &'a Profile,
    pub(super) thresholds: &'a Thresholds,
    pub(super) diagnoses: &'a [DiagnosisKind],
}

impl<'a> Facts<'a> {
    pub(super) fn of(input: &'a SafetyInput, rules: &'a RuleSet) -> Self {
        let (thresholds, diagnoses) = (&rules.thresholds, rules.tables().diagnoses.as_slice());
        Self { on: input.on, profile: &input.profile, thresholds, diagnoses }
    }
}

impl ProfileTest {
    /// The test that `text` writes. `diagnosis` finds the row of a kind of diagnoses.
    pub(super) fn parse(text: &str, diagnosis: impl Fn(&str) -> Option<usize>) -> Option<Self> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let number = || value.parse::<i64>().ok();
        let range = |separator| {
            let (from, to) = value.split_once(separator)?;
            Some((from.parse::<i64>().ok()?, to.parse::<i64>().ok()?))
        };
        let plain = |test: Self| value.is_empty().then_some(test);
        match name {
            "has" => Condition::parse(value).map(Self::Has),
            "asked_of_women" => Condition::parse(value).map(Self::OfWomen),
            "has_unmeasured" => Condition::parse(value).map(Self::HasUnmeasured),
            "egfr_below" => number().map(Self::EgfrBelow),
            "filtration_below" => number().map(Self::FiltrationBelow),
            "egfr_new" => range('-').map(|(from, to)| Self::EgfrNew(from, to)),
            "egfr_ongoing" => range('-').map(|(from, to)| Self::EgfrOngoing(from, to)),
            "clearance_below" => number().map(Self::ClearanceBelow),
            "pressure_from" => range('/').map(|(high, low)| Self::PressureFrom(high, low)),
            "kidney_disease" => plain(Self::KidneyDisease),
            "renal_below" => number().map(Self::RenalBelow),
            "age_below" => value.parse().ok().map(Self::AgeBelow),
            "age_from" => value.parse().ok().map(Self::AgeFrom),
            "at_height" => plain(Self::AtHeight),
            "drives_or_machines" => plain(Self::DrivesOrMachines),
            "dehydrated" => plain(Self::Dehydrated),
            "no_skin_test" => plain(Self::NoSkinTest),
            "skin_test_positive" => plain(Self::SkinTestPositive),
            "skin_test_older" => number().filter(|hours| *hours > 0).map(Self::SkinTestOlder),
            "treats" => diagnosis(value).map(Self::Treats),
            _ => None,
        }
    }

    /// Whether no value of the fact satisfies it.
    pub(super) const fn is_empty(self) -> bool {
        match self {
            Self::EgfrBelow(most)
            | Self::FiltrationBelow(most)
            | Self::ClearanceBelow(most)
            | Self::RenalBelow(most) => most <= 0,
            Self::AgeBelow(years) => years == 0,
            Self::EgfrNew(from, to) | Self::EgfrOngoing(from, to) => from > to || to <= 0,
            Self::PressureFrom(high, low) => low >= high || low <= 0,
            Self::Has(_)
            | Self::OfWomen(_)
            | Self::HasUnmeasured(_)
            | Self::KidneyDisease
            | Self::AtHeight
            | Self::DrivesOrMachines
            | Self::AgeFrom(_)
            | Self::Dehydrated
            | Self::NoSkinTest
            | Self::SkinTestPositive
            | Self::SkinTestOlder(_)
            | Self::Treats(_) => false,
        }
    }

    /// Whether whoever satisfies it satisfies `other` too.
    pub(super) fn implies(self, other: Self) -> bool {
        match (self, other) {
            (Self::EgfrBelow(one), Self::EgfrBelow(two))
            | (Self::FiltrationBelow(one) | Self::EgfrBelow(one), Self::FiltrationBelow(two))
            | (Self::RenalBelow(one), Self::RenalBelow(two))
            | (Self::ClearanceBelow(one), Self::ClearanceBelow(two)) => one <= two,
            (Self::AgeBelow(one), Self::AgeBelow(two)) => one <= two,
            (Self::AgeFrom(one), Self::AgeFrom(two)) => one >= two,
            (Self::PressureFrom(high, low), Self::PressureFrom(high_two, low_two)) => {
                high >= high_two && low >= low_two
            }
            (Self::EgfrNew(_, to) | Self::EgfrOngoing(_, to), Self::EgfrBelow(most)) => to < most,
            (one, two) => one == two,
        }
    }

    /// The result for this worker. `takes` tells whether the drug is taken already.
    pub(super) fn outcome(self, facts: &Facts<'_>, takes: impl Fn() -> bool) -> Outcome {
        let profile = facts.profile;
        let hit_if = |hit: bool| if hit { Outcome::Hit } else { Outcome::Clear };
        let within = |from: i64, to: i64| profile.egfr.is_some_and(|egfr| (from..=to).contains(&egfr));
        match self {
            Self::Has(condition) => has(condition, facts),
            Self::OfWomen(condition) => match has(condition, facts) {
                Outcome::Missing if profile.sex.is_none() => Outcome::Clear,
                outcome => outcome,
            },
            Self::HasUnmeasured(condition) => hit_if(profile.has(condition) && filtration(profile).is_none()),
            Self::KidneyDisease => hit_if(facts.kidney_disease()),
            Self::EgfrBelow(most) => profile.egfr.map_or(Outcome::Missing, |egfr| hit_if(egfr < most)),
            Self::FiltrationBelow(most) => {
                filtration(profile).map_or(Outcome::Missing, |rate| hit_if(rate < most))
            }
            Self::EgfrNew(from, to) => hit_if(within(from, to) && !takes()),
            Self::EgfrOngoing(from, to) => hit_if(within(from, to) && takes()),
            Self::ClearanceBelow(most) => match profile.creatinine_clearance {
                Some(clearance) => hit_if(clearance < most),
                None if facts.kidney_disease() => Outcome::Hit,
                None => Outcome::Missing,
            },
            Self::PressureFrom(high, low) => {
                let reached = profile.systolic.is_some_and(|mmhg| mmhg >= high)
                    || profile.diastolic.is_some_and(|mmhg| mmhg >= low);
                match (reached, profile.systolic, profile.diastolic) {
                    (true, _, _) => Outcome::Hit,
                    (false, Some(_), Some(_)) => Outcome::Clear,
                    (false, None, _) | (false, Some(_), None) => Outcome::Missing,
                }
            }
            Self::RenalBelow(most) => match profile.creatinine_clearance.or(profile.egfr) {
                Some(value) => hit_if(value < most),
                None if facts.kidney_disease() => Outcome::Hit,
                None => Outcome::Missing,
            },
            Self::AgeBelow(years) => {
                profile.age_on(facts.on).map_or(Outcome::Missing, |age| hit_if(age < years))
            }
            Self::AgeFrom(years) => {
                profile.age_on(facts.on).map_or(Outcome::Missing, |age| hit_if(age >= years))
            }
            Self::AtHeight if profile.at_height() => Outcome::Hit,
            Self::AtHeight => profile.job.map_or(Outcome::Missing, |_| Outcome::Clear),
            Self::DrivesOrMachines if profile.at_height() => Outcome::Clear,
            Self::DrivesOrMachines => profile.job.map_or(Outcome::Missing, |_| Outcome::Hit),
            Self::Dehydrated => hit_if(profile.dehydrated),
            Self::NoSkinTest => hit_if(profile.skin_test.is_none()),
            Self::SkinTestPositive => {
                hit_if(profile.skin_test.is_some_and(|test| test.result == SkinTestResult::Positive))
            }
            // A test of the future was not done.
            Self::SkinTestOlder(hours) => hit_if(
                profile
                    .skin_test
                    .is_some_and(|test| !(0..=hours.saturating_mul(60)).contains(&test.minutes_ago)),
            ),
            Self::Treats(kind) => {
                let kind = facts.diagnoses.get(kind);
                hit_if(kind.is_some_and(|kind| profile.diagnoses.iter().any(|one| kind.covers(one))))
            }
        }
    }
}

fn has(condition: Condition, facts: &Facts<'_>) -> Outcome {
    if facts.profile.has(condition) {
        return Outcome::Hit;
    }
    let answer = match condition {
        Condition::Pregnancy => facts.profile.pregnant,
        Condition::BreastFeeding => facts.profile.breastfeeding,
        _ => return Outcome::Clear,
    };
    match answer {
        Some(true) => Outcome::Hit,
        None if facts.may_be_pregnant() => Outcome::Missing,
        Some(false) | None => Outcome::Clear,
    }
}

/// How the kidneys filter, by eGFR or creatinine clearance: the lower one of those that were measured.
fn filtration(profile: &Profile) -> Option<i64> {
    [profile.egfr, profile.creatinine_clearance].into_iter().flatten().min()
}

impl Facts<'_> {
    /// Kidney disease on file, or by eGFR or creatinine clearance.
    pub(super) fn kidney_disease(&self) -> bool {
        self.profile.has(Condition::KidneyDisease)
            || self.profile.has(Condition::SevereKidneyDisease)
            || filtration(self.profile).is_some_and(|rate| rate < self.thresholds.kidney_disease_below_egfr)
    }

    fn may_be_pregnant(&self) -> bool {
        let ages = self.thresholds.may_be_pregnant_from_years..=self.thresholds.may_be_pregnant_to_years;
        let of_age = self.profile.age_on(self.on).is_none_or(|age| ages.contains(&age));
        of_age && self.profile.sex != Some(Sex::Male)
    }
}
