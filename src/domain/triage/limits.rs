//! The limits of an emergency, as data: a deployment may change each, and its
//! clinicians confirm them. They hold whatever NEWS2 says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A value at or below `at_most`, or at or above `at_least`, crosses the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// The highest value that is too low.
    pub at_most: Option<i64>,
    /// The lowest value that is too high.
    pub at_least: Option<i64>,
}

/// On which side of its bounds a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Too low.
    Low,
    /// Too high.
    High,
}

impl Bounds {
    const fn low(at_most: i64) -> Self {
        Self { at_most: Some(at_most), at_least: None }
    }

    const fn high(at_least: i64) -> Self {
        Self { at_most: None, at_least: Some(at_least) }
    }

    const fn both(at_most: i64, at_least: i64) -> Self {
        Self { at_most: Some(at_most), at_least: Some(at_least) }
    }

    /// Where `value` lies, if it crosses a bound.
    pub fn crossed(&self, value: i64) -> Option<Side> {
        if self.at_most.is_some_and(|most| value <= most) {
            Some(Side::Low)
        } else if self.at_least.is_some_and(|least| value >= least) {
            Some(Side::High)
        } else {
            None
        }
    }
}

/// Single signs of anybody; a child's age band replaces heart rate, breathing
/// and pressure. Units are those of the readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SingleSigns {
    /// Tenths of a degree Celsius: 34.0 and below, 40.0 and above.
    pub temperature: Bounds,
    /// Tenths of mmol/L: below 2.2.
    pub glucose: Bounds,
    /// The same with a symptom: below 3.0.
    pub glucose_with_symptoms: Bounds,
    /// Percent: below 90.
    pub spo2: Bounds,
    /// mmHg: below 80.
    pub systolic: Bounds,
    /// The same with a symptom: 220 and above.
    pub systolic_with_symptoms: Bounds,
    /// Beats a minute: below 35, above 150.
    pub heart_rate: Bounds,
    /// Breaths a minute: 8 and below, 30 and above.
    pub respiratory_rate: Bounds,
}

impl SingleSigns {
    const SHIPPED: Self = Self {
        temperature: Bounds::both(340, 400),
        glucose: Bounds::low(21),
        glucose_with_symptoms: Bounds::low(29),
        spo2: Bounds::low(89),
        systolic: Bounds::low(79),
        systolic_with_symptoms: Bounds::high(220),
        heart_rate: Bounds::both(34, 151),
        respiratory_rate: Bounds::both(8, 30),
    };
}

impl Default for SingleSigns {
    fn default() -> Self {
        Self::SHIPPED
    }
}

/// What counts in pregnancy beside the single signs, in place of the score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PregnancySigns {
    /// mmHg: below 90, 160 and above.
    pub systolic: Bounds,
    /// mmHg: 110 and above.
    pub diastolic: Bounds,
    /// Beats a minute: 120 and above.
    pub heart_rate: Bounds,
    /// Breaths a minute: 25 and above.
    pub respiratory_rate: Bounds,
    /// Percent: below 94.
    pub spo2: Bounds,
    /// Tenths of a degree: 38.0 and above, with any other sign.
    pub temperature_with_another_sign: Bounds,
}

impl PregnancySigns {
    const SHIPPED: Self = Self {
        systolic: Bounds::both(89, 160),
        diastolic: Bounds::high(110),
        heart_rate: Bounds::high(120),
        respiratory_rate: Bounds::high(25),
        spo2: Bounds::low(93),
        temperature_with_another_sign: Bounds::high(380),
    };
}

impl Default for PregnancySigns {
    fn default() -> Self {
        Self::SHIPPED
    }
}

/// Limits of one age band: what is an emergency, and what a doctor must see soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildBand {
    /// Below this age in months; the bands stand in ascending order.
    pub below_months: u32,
    /// Beats a minute: an emergency.
    pub heart_rate: Bounds,
    /// Beats a minute: urgent.
    pub heart_rate_urgent: Bounds,
    /// mmHg: an emergency.
    pub systolic: Bounds,
    /// mmHg: urgent.
    pub systolic_urgent: Bounds,
    /// Breaths a minute: an emergency.
    pub respiratory_rate: Bounds,
    /// Breaths a minute: urgent.
    pub respiratory_rate_urgent: Bounds,
    /// Percent: an emergency.
    pub spo2: Bounds,
}

const fn band(below_months: u32, heart: [i64; 4], pressure: [i64; 4], breathing: [i64; 4]) -> ChildBand {
    ChildBand {
        below_months,
        heart_rate: Bounds::both(heart[0], heart[3]),
        heart_rate_urgent: Bounds::both(heart[1], heart[2]),
        systolic: Bounds::both(pressure[0], pressure[3]),
        systolic_urgent: Bounds::both(pressure[1], pressure[2]),
        respiratory_rate: Bounds::both(breathing[0], breathing[3]),
        respiratory_rate_urgent: Bounds::both(breathing[1], breathing[2]),
        spo2: Bounds::low(90),
    }
}

/// Sub-scores of 4 (outer values) and of 2 (inner values) of the Bedside PEWS.
const CHILDREN: &[ChildBand] = &[
    band(3, [80, 90, 180, 190], [45, 50, 100, 130], [15, 19, 81, 91]),
    band(12, [70, 80, 170, 180], [60, 70, 120, 150], [15, 19, 71, 81]),
    band(48, [60, 70, 150, 170], [65, 75, 125, 160], [12, 15, 61, 71]),
    band(144, [50, 60, 130, 151], [70, 80, 140, 170], [10, 14, 41, 51]),
    band(192, [40, 49, 120, 140], [75, 85, 150, 190], [9, 10, 23, 30]),
];

/// The limits of an emergency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriageLimits {
    /// Changes whenever a value changes.
    pub version: Cow<'static, str>,
    /// Where the values of adults and of pregnancy come from.
    pub source: Cow<'static, str>,
    /// Where the values of children come from.
    pub children_source: Cow<'static, str>,
    /// A single extreme without a symptom is measured once more within so many
    /// seconds, and is an emergency when it is not.
    pub measure_again_s: u32,
    /// Single signs.
    pub single: SingleSigns,
    /// Signs in pregnancy.
    pub pregnancy: PregnancySigns,
    /// Age bands below 16 years, the youngest first.
    pub children: Cow<'static, [ChildBand]>,
}

impl TriageLimits {
    /// The values that come with the program.
    pub const SHIPPED: Self = Self {
        version: Cow::Borrowed("2026-11"),
        source: Cow::Borrowed(
            "Our default: the triage paragraph of the network's clinical rules, after a clinical audit \
             of 2026-11-29; a diastolic of 110 in pregnancy is severe hypertension by ACOG Practice \
             Bulletin 222. A deployment's clinicians confirm",
        ),
        children_source: Cow::Borrowed(
            "Parshuram, Hutchison, Middaugh: Development and initial validation of the Bedside Paediatric \
             Early Warning System score, Critical Care 2009, 13:R135, table 1: an emergency where a single \
             item's sub-score is 4, urgent where it is 2; SpO2 at or below 90. Our default: that a single \
             item decides. A deployment's clinicians confirm",
        ),
        measure_again_s: 180,
        single: SingleSigns::SHIPPED,
        pregnancy: PregnancySigns::SHIPPED,
        children: Cow::Borrowed(CHILDREN),
    };

    /// The band of a child of so many months.
    pub fn band_of(&self, months: u32) -> Option<&ChildBand> {
        self.children.iter().find(|band| months < band.below_months)
    }
}

impl Default for TriageLimits {
    fn default() -> Self {
        Self::SHIPPED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_ascend_to_sixteen_years_and_an_emergency_lies_beyond_urgent() {
        let limits = TriageLimits::default();
        assert!(limits.children.windows(2).all(|pair| pair[0].below_months < pair[1].below_months));
        assert_eq!(limits.children.last().map(|band| band.below_months), Some(16 * 12));
        for band in limits.children.iter() {
            for (outer, inner) in [
                (band.heart_rate, band.heart_rate_urgent),
                (band.systolic, band.systolic_urgent),
                (band.respiratory_rate, band.respiratory_rate_urgent),
            ] {
                assert!(outer.at_most <= inner.at_most && inner.at_most < inner.at_least);
                assert!(inner.at_least <= outer.at_least);
            }
        }
        assert_eq!(limits.band_of(0).map(|band| band.below_months), Some(3));
        assert_eq!(limits.band_of(191).map(|band| band.below_months), Some(192));
        assert_eq!(limits.band_of(192), None);
    }

    #[test]
    fn each_value_can_be_changed_alone() {
        let text = r#"{"version":"x","single":{"spo2":{"at_most":91}}}"#;
        let changed: TriageLimits = serde_json::from_str(text).expect("one value");
        assert_eq!(changed.single.spo2, Bounds::low(91));
        assert_eq!(changed.single.heart_rate, SingleSigns::SHIPPED.heart_rate);
        let whole = serde_json::to_string(&TriageLimits::default()).expect("JSON");
        assert_eq!(serde_json::from_str::<TriageLimits>(&whole).expect("the same"), TriageLimits::default());
    }
}
