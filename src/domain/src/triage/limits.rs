//! The emergency limits, as data: a deployment may change each, and its clinicians confirm them.
//! They apply independently of NEWS2.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bounds::Bounds;

/// A value at or below `at_most`, or at or above `at_least`, crosses the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignBounds {
    /// The highest value that is too low.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
    /// The lowest value that is too high.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
}

/// The side of the bounds on which a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Too low.
    Low,
    /// Too high.
    High,
}

impl SignBounds {
    const NONE: Self = Self { at_most: None, at_least: None };

    const fn low(at_most: i64) -> Self {
        Self { at_most: Some(at_most), at_least: None }
    }

    const fn high(at_least: i64) -> Self {
        Self { at_most: None, at_least: Some(at_least) }
    }

    const fn both(at_most: i64, at_least: i64) -> Self {
        Self { at_most: Some(at_most), at_least: Some(at_least) }
    }

    /// Checks that each expected bound is set, and within its range.
    fn check(&self, key: &str, of: &mut Bounds<'_>, low: Option<(i64, i64)>, high: Option<(i64, i64)>) {
        for (value, span) in [(self.at_most, low), (self.at_least, high)] {
            match (value, span) {
                (Some(value), Some((least, most))) => of.within(key, value, least..=most),
                (None, Some(_)) => of.must(key, false, "a limit is missing"),
                (_, None) => {}
            }
        }
    }

    /// The bound that `value` crosses, if any.
    pub(crate) fn crossed(&self, value: i64) -> Option<Side> {
        if self.at_most.is_some_and(|most| value <= most) {
            Some(Side::Low)
        } else if self.at_least.is_some_and(|least| value >= least) {
            Some(Side::High)
        } else {
            None
        }
    }
}

/// Single signs for everybody; a child's age band replaces heart rate, breathing and pressure.
/// Units are those of the readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SingleSigns {
    /// Tenths of a degree Celsius: 34.0 and below, 40.0 and above.
    pub temperature: SignBounds,
    /// Tenths of mmol/L: below 2.2.
    pub glucose: SignBounds,
    /// The same with a symptom: below 3.0.
    pub glucose_with_symptoms: SignBounds,
    /// Percent: below 90.
    pub spo2: SignBounds,
    /// mmHg: below 80.
    pub systolic: SignBounds,
    /// The same with a symptom: 220 and above.
    pub systolic_with_symptoms: SignBounds,
    /// Beats a minute: below 35, above 150.
    pub heart_rate: SignBounds,
    /// Breaths a minute: 8 and below, 30 and above.
    pub respiratory_rate: SignBounds,
}

impl SingleSigns {
    const SHIPPED: Self = Self {
        temperature: SignBounds::both(340, 400),
        glucose: SignBounds::low(21),
        glucose_with_symptoms: SignBounds::low(29),
        spo2: SignBounds::low(89),
        systolic: SignBounds::low(79),
        systolic_with_symptoms: SignBounds::high(220),
        heart_rate: SignBounds::both(34, 151),
        respiratory_rate: SignBounds::both(8, 30),
    };
}

impl Default for SingleSigns {
    fn default() -> Self {
        Self::SHIPPED
    }
}

/// The signs in pregnancy in addition to the single signs; they replace the score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PregnancySigns {
    /// mmHg: below 90, 160 and above.
    pub systolic: SignBounds,
    /// mmHg: 110 and above.
    pub diastolic: SignBounds,
    /// Beats a minute: 120 and above.
    pub heart_rate: SignBounds,
    /// Breaths a minute: 25 and above.
    pub respiratory_rate: SignBounds,
    /// Percent: below 94.
    pub spo2: SignBounds,
    /// Tenths of a degree: 38.0 and above, with any other sign.
    pub temperature_with_another_sign: SignBounds,
    /// The warning band: one sign means being seen soon, two together are an emergency.
    pub warning: PregnancyWarnings,
}

/// The warning band in pregnancy: the yellow band of the obstetric early warning chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PregnancyWarnings {
    /// mmHg: 100 and below, 150 and above.
    pub systolic: SignBounds,
    /// mmHg: 90 and above.
    pub diastolic: SignBounds,
    /// Beats a minute: 50 and below, 100 and above.
    pub heart_rate: SignBounds,
    /// Breaths a minute: 10 and below, 21 and above.
    pub respiratory_rate: SignBounds,
    /// Percent: 95 and below; below 95 is the chart's red zone.
    pub spo2: SignBounds,
    /// Tenths of a degree: 36.0 and below, 38.0 and above; above 38 is the chart's red zone.
    pub temperature: SignBounds,
}

impl PregnancyWarnings {
    const SHIPPED: Self = Self {
        systolic: SignBounds::both(100, 150),
        diastolic: SignBounds::high(90),
        heart_rate: SignBounds::both(50, 100),
        respiratory_rate: SignBounds::both(10, 21),
        spo2: SignBounds::low(95),
        temperature: SignBounds::both(360, 380),
    };

    fn check(&self, of: &mut Bounds<'_>) {
        let Self { systolic, diastolic, heart_rate, respiratory_rate, spo2, temperature } = self;
        systolic.check("systolic", of, Some((80, 110)), Some((130, 160)));
        diastolic.check("diastolic", of, None, Some((80, 110)));
        heart_rate.check("heart_rate", of, Some((35, 60)), Some((90, 120)));
        respiratory_rate.check("respiratory_rate", of, Some((8, 12)), Some((18, 25)));
        spo2.check("spo2", of, Some((92, 96)), None);
        temperature.check("temperature", of, Some((350, 365)), Some((373, 385)));
    }
}

impl Default for PregnancyWarnings {
    fn default() -> Self {
        Self::SHIPPED
    }
}

impl PregnancySigns {
    const SHIPPED: Self = Self {
        systolic: SignBounds::both(89, 160),
        diastolic: SignBounds::high(110),
        heart_rate: SignBounds::high(120),
        respiratory_rate: SignBounds::high(25),
        spo2: SignBounds::low(93),
        temperature_with_another_sign: SignBounds::high(380),
        warning: PregnancyWarnings::SHIPPED,
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
    /// Upper age in months (exclusive); the bands are in ascending order.
    pub below_months: u32,
    /// Beats a minute: an emergency.
    pub heart_rate: SignBounds,
    /// Beats a minute: urgent.
    pub heart_rate_urgent: SignBounds,
    /// mmHg: an emergency.
    pub systolic: SignBounds,
    /// mmHg: urgent.
    pub systolic_urgent: SignBounds,
    /// Breaths a minute: an emergency.
    pub respiratory_rate: SignBounds,
    /// Breaths a minute: urgent.
    pub respiratory_rate_urgent: SignBounds,
    /// Percent: an emergency.
    pub spo2: SignBounds,
    /// Percent: urgent.
    pub spo2_urgent: SignBounds,
    /// Tenths of a degree: an emergency, without a second measurement.
    pub temperature: SignBounds,
    /// Tenths of a degree: urgent.
    pub temperature_urgent: SignBounds,
}

const fn band(below_months: u32, heart: [i64; 4], pressure: [i64; 4], breathing: [i64; 4]) -> ChildBand {
    ChildBand {
        below_months,
        heart_rate: SignBounds::both(heart[0], heart[3]),
        heart_rate_urgent: SignBounds::both(heart[1], heart[2]),
        systolic: SignBounds::both(pressure[0], pressure[3]),
        systolic_urgent: SignBounds::both(pressure[1], pressure[2]),
        respiratory_rate: SignBounds::both(breathing[0], breathing[3]),
        respiratory_rate_urgent: SignBounds::both(breathing[1], breathing[2]),
        spo2: SignBounds::low(90),
        spo2_urgent: SignBounds::low(94),
        temperature: if below_months <= 3 { SignBounds::high(380) } else { SignBounds::NONE },
        temperature_urgent: SignBounds::both(359, 386),
    }
}

/// Outer values: sub-scores of 4 of the Bedside PEWS. Inner values: its sub-scores of 2, or the
/// amber of the NICE traffic light where that is reached first (heart rate above 160, 150 and 140
/// below one, two and five years, breathing above 50 and 40). Oxygen and temperature: the first
/// step of the Bedside PEWS, and NICE's red for 38.0 below three months.
const CHILDREN: &[ChildBand] = &[
    band(3, [80, 90, 161, 190], [45, 50, 100, 130], [15, 19, 61, 91]),
    band(12, [70, 80, 161, 180], [60, 70, 120, 150], [15, 19, 51, 81]),
    band(24, [60, 70, 150, 170], [65, 75, 125, 160], [12, 15, 41, 71]),
    band(48, [60, 70, 141, 170], [65, 75, 125, 160], [12, 15, 41, 71]),
    band(144, [50, 60, 130, 151], [70, 80, 140, 170], [10, 14, 41, 51]),
    band(192, [40, 49, 120, 140], [75, 85, 150, 190], [9, 10, 23, 30]),
];

/// The emergency limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriageLimits {
    /// Changes whenever a value changes.
    pub version: Cow<'static, str>,
    /// Where the values of adults and of pregnancy come from.
    pub source: Cow<'static, str>,
    /// Where the values of children come from.
    pub children_source: Cow<'static, str>,
    /// A single extreme without a symptom is measured again within this many seconds; if it is not,
    /// it is an emergency.
    pub measure_again_s: u32,
    /// Single signs.
    pub single: SingleSigns,
    /// Signs in pregnancy.
    pub pregnancy: PregnancySigns,
    /// Age bands below 16 years, the youngest first.
    pub children: Cow<'static, [ChildBand]>,
}

impl TriageLimits {
    /// The default values.
    pub(crate) const SHIPPED: Self = Self {
        version: Cow::Borrowed("2026-11-29"),
        source: Cow::Borrowed(
            "Our default: the triage paragraph of the network's clinical rules, after a clinical audit \
             of 2026-11-29; a diastolic of 110 in pregnancy is severe hypertension by ACOG Practice \
             Bulletin 222; its warning band is the yellow band of the modified early obstetric warning chart \
             of CEMACH, Saving Mothers' Lives 2003-2005 (Singh and others, Anaesthesia 2012, 67:12-18). \
             A deployment's clinicians confirm",
        ),
        children_source: Cow::Borrowed(
            "Parshuram, Hutchison, Middaugh: Development and initial validation of the Bedside Paediatric \
             Early Warning System score, Critical Care 2009, 13:R135, table 1: an emergency where a single \
             item's sub-score is 4, urgent where it is 2; NICE guideline NG143, Fever in under 5s, traffic \
             light: amber heart rate and breathing, red for 38.0 below three months. Our default: that a \
             single item decides, and that two urgent ones besides the temperature are an emergency. \
             A deployment's clinicians confirm",
        ),
        measure_again_s: 180,
        single: SingleSigns::SHIPPED,
        pregnancy: PregnancySigns::SHIPPED,
        children: Cow::Borrowed(CHILDREN),
    };

    /// Checks the values. A sign that is switched off, or whose limit no value of a device can
    /// reach, would make triage miss emergencies.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self { version: _, source, children_source, measure_again_s, single, pregnancy, children } = self;
        let why = "it must name the source of the values";
        bounds.must("source", !source.trim().is_empty(), why);
        bounds.must("children_source", !children_source.trim().is_empty(), why);
        bounds.within("measure_again_s", *measure_again_s, 30..=600);
        let SingleSigns {
            temperature,
            glucose,
            glucose_with_symptoms,
            spo2,
            systolic,
            systolic_with_symptoms,
            heart_rate,
            respiratory_rate,
        } = single;
        let mut of = bounds.of("single");
        temperature.check("temperature", &mut of, Some((320, 360)), Some((385, 420)));
        glucose.check("glucose", &mut of, Some((10, 39)), None);
        glucose_with_symptoms.check("glucose_with_symptoms", &mut of, Some((15, 45)), None);
        spo2.check("spo2", &mut of, Some((80, 94)), None);
        systolic.check("systolic", &mut of, Some((60, 100)), None);
        systolic_with_symptoms.check("systolic_with_symptoms", &mut of, None, Some((160, 250)));
        heart_rate.check("heart_rate", &mut of, Some((25, 50)), Some((110, 200)));
        respiratory_rate.check("respiratory_rate", &mut of, Some((4, 11)), Some((21, 40)));
        let PregnancySigns {
            systolic,
            diastolic,
            heart_rate,
            respiratory_rate,
            spo2,
            temperature_with_another_sign,
            warning,
        } = pregnancy;
        let mut of = bounds.of("pregnancy");
        systolic.check("systolic", &mut of, Some((70, 100)), Some((140, 180)));
        diastolic.check("diastolic", &mut of, None, Some((90, 120)));
        heart_rate.check("heart_rate", &mut of, None, Some((100, 150)));
        respiratory_rate.check("respiratory_rate", &mut of, None, Some((20, 35)));
        spo2.check("spo2", &mut of, Some((88, 95)), None);
        let fever = "temperature_with_another_sign";
        temperature_with_another_sign.check(fever, &mut of, None, Some((373, 400)));
        warning.check(&mut of.of("warning"));
        let ascending = children.windows(2).all(|pair| pair[0].below_months < pair[1].below_months);
        let whole = ascending && children.last().is_some_and(|band| band.below_months == 192);
        bounds.must("children", whole, "the bands must ascend to below 192 months");
    }

    /// The band of a child of this age in months.
    pub(crate) fn band_of(&self, months: u32) -> Option<&ChildBand> {
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
        assert_eq!(changed.single.spo2, SignBounds::low(91));
        assert_eq!(changed.single.heart_rate, SingleSigns::SHIPPED.heart_rate);
        let whole = serde_json::to_string(&TriageLimits::default()).expect("JSON");
        assert_eq!(serde_json::from_str::<TriageLimits>(&whole).expect("the same"), TriageLimits::default());
    }
}
