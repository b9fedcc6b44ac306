//! The limits behind the categories, as data: each rule has a version and a source, so that a
//! deployment can change it and old findings remain explained.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bounds::Bounds;

/// One rule's values, with its version and source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule<T> {
    /// Changes whenever a value changes.
    pub version: Cow<'static, str>,
    /// Where the values come from. Brackets say how well it is supported: two sources agree, one
    /// source, or our default.
    pub source: Cow<'static, str>,
    pub values: T,
}

impl<T> Rule<T> {
    const fn shipped(source: &'static str, values: T) -> Self {
        Self { version: Cow::Borrowed("2026-11"), source: Cow::Borrowed(source), values }
    }
}

/// The lower limits of each category: systolic and diastolic pressure (mmHg).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BloodPressureLimits {
    pub high_normal: (i64, i64),
    pub grade_1: (i64, i64),
    pub grade_2: (i64, i64),
    pub grade_3: (i64, i64),
    /// A systolic pressure at or below this is low.
    #[serde(default = "low_systolic")]
    pub low_systolic: i64,
    /// A systolic pressure below this is very low.
    #[serde(default = "very_low_systolic")]
    pub very_low_systolic: i64,
}

const fn low_systolic() -> i64 {
    90
}

const fn very_low_systolic() -> i64 {
    80
}

/// Glucose limits, in tenths of mmol/L.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlucoseLimits {
    /// Below this is low for somebody with diabetes.
    pub low_below_with_diabetes: i64,
    /// Below this is low for anybody else.
    pub low_below_without: i64,
    /// Fasting values from here lie in the diabetes range.
    pub diabetes_from_fasting: i64,
    /// Random values from here lie in the diabetes range.
    pub diabetes_from_random: i64,
    /// From here a doctor must see the person soon.
    pub urgent_from: i64,
    /// Below this it is an emergency, with diabetes or without.
    #[serde(default = "very_low_glucose")]
    pub very_low_below: i64,
}

const fn very_low_glucose() -> i64 {
    22
}

/// Temperature limits, in tenths of a degree Celsius.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemperatureLimits {
    /// Fever from here.
    pub fever_from: i64,
    /// Refer above this.
    pub refer_above: i64,
    /// From here the temperature itself is dangerous.
    #[serde(default = "very_high_temperature")]
    pub very_high_from: i64,
    /// Below this the temperature is low.
    #[serde(default = "low_temperature")]
    pub low_below: i64,
    /// At or below this is hypothermia.
    #[serde(default = "hypothermia")]
    pub hypothermia_to: i64,
    /// At or below this is deep hypothermia.
    #[serde(default = "deep_hypothermia")]
    pub deep_hypothermia_to: i64,
}

const fn very_high_temperature() -> i64 {
    400
}

const fn low_temperature() -> i64 {
    361
}

const fn hypothermia() -> i64 {
    350
}

const fn deep_hypothermia() -> i64 {
    340
}

/// Oxygen saturation limits, in percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OxygenLimits {
    /// Below this is an emergency.
    pub emergency_below: i64,
    /// Below this is low.
    #[serde(default = "low_oxygen")]
    pub low_below: i64,
}

const fn low_oxygen() -> i64 {
    95
}

/// Alcohol: the conversion and the driving limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlcoholLimits {
    /// Breath in mg/L times this is blood in mg/100 mL.
    pub breath_to_blood: i64,
    /// Drink driving from here, blood mg/100 mL.
    pub drink_driving_from: i64,
    /// Drunk driving from here, blood mg/100 mL.
    pub drunk_driving_from: i64,
    /// The observed wait before the one retest, in minutes.
    pub retest_after_min: i64,
}

/// Every rule that turns a reading into a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VitalRules {
    /// Chinese blood pressure categories; the higher of the two counts.
    pub blood_pressure: Rule<BloodPressureLimits>,
    /// Low, diabetes range, urgent.
    pub glucose: Rule<GlucoseLimits>,
    /// Fever and referral.
    pub temperature: Rule<TemperatureLimits>,
    /// The emergency limit.
    pub oxygen: Rule<OxygenLimits>,
    /// Breath to blood, and driving.
    pub alcohol: Rule<AlcoholLimits>,
}

impl VitalRules {
    /// Checks the values: each rule names its source, and its categories are in ascending order.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self { blood_pressure, glucose, temperature, oxygen, alcohol } = self;
        let sources = [
            ("blood_pressure", &blood_pressure.source),
            ("glucose", &glucose.source),
            ("temperature", &temperature.source),
            ("oxygen", &oxygen.source),
            ("alcohol", &alcohol.source),
        ];
        for (key, source) in sources {
            bounds.must(key, !source.trim().is_empty(), "it must name the source of the values");
        }
        let why = "its limits must stand in ascending order";
        let BloodPressureLimits { high_normal, grade_1, grade_2, grade_3, low_systolic, very_low_systolic } =
            &blood_pressure.values;
        let systolic = [*very_low_systolic, *low_systolic, high_normal.0, grade_1.0, grade_2.0, grade_3.0];
        bounds.must("blood_pressure", systolic.is_sorted(), why);
        let diastolic = [high_normal.1, grade_1.1, grade_2.1, grade_3.1];
        bounds.must("blood_pressure", diastolic.is_sorted(), why);
        let GlucoseLimits {
            low_below_with_diabetes,
            low_below_without,
            diabetes_from_fasting,
            diabetes_from_random,
            urgent_from,
            very_low_below,
        } = &glucose.values;
        let low = [*very_low_below, *low_below_without, *low_below_with_diabetes];
        let high = [*low_below_with_diabetes, *diabetes_from_fasting, *diabetes_from_random, *urgent_from];
        bounds.must("glucose", low.is_sorted() && high.is_sorted(), why);
        let TemperatureLimits {
            fever_from,
            refer_above,
            very_high_from,
            low_below,
            hypothermia_to,
            deep_hypothermia_to,
        } = &temperature.values;
        let degrees =
            [*deep_hypothermia_to, *hypothermia_to, *low_below, *fever_from, *refer_above, *very_high_from];
        bounds.must("temperature", degrees.is_sorted(), why);
        let OxygenLimits { emergency_below, low_below } = &oxygen.values;
        bounds.must("oxygen", emergency_below <= low_below, why);
        bounds.within("oxygen", *emergency_below, 80..=95);
        let AlcoholLimits { breath_to_blood, drink_driving_from, drunk_driving_from, retest_after_min } =
            &alcohol.values;
        bounds.must("alcohol", drink_driving_from <= drunk_driving_from, why);
        bounds.within("alcohol", *breath_to_blood, 200..=250);
        bounds.within("alcohol", *retest_after_min, 0..=60);
    }
}

impl Default for VitalRules {
    fn default() -> Self {
        Self {
            blood_pressure: Rule::shipped(
                "Waystation clinical rules, vitals: blood pressure, China (two sources agree). Our default: low from 90, where NEWS2 \
                 scores 3, and very low below 80; a deployment's clinicians confirm",
                BloodPressureLimits {
                    high_normal: (120, 80),
                    grade_1: (140, 90),
                    grade_2: (160, 100),
                    grade_3: (180, 110),
                    low_systolic: low_systolic(),
                    very_low_systolic: very_low_systolic(),
                },
            ),
            glucose: Rule::shipped(
                "Waystation clinical rules, vitals: glucose (two sources agree). Our default: urgent from 16.7, very low below 2.2; a \
                 deployment's clinicians confirm",
                GlucoseLimits {
                    low_below_with_diabetes: 39,
                    low_below_without: 28,
                    diabetes_from_fasting: 70,
                    diabetes_from_random: 111,
                    urgent_from: 167,
                    very_low_below: very_low_glucose(),
                },
            ),
            temperature: Rule::shipped(
                "Waystation clinical rules, vitals: fever >=37.3, refer >38.5 (one source). Our default: very high from 40.0, \
                 low below 36.1 and hypothermia from 35.0, where NEWS2 scores 1 and 3, deep from 34.0; a \
                 deployment's clinicians confirm",
                TemperatureLimits {
                    fever_from: 373,
                    refer_above: 385,
                    very_high_from: very_high_temperature(),
                    low_below: low_temperature(),
                    hypothermia_to: hypothermia(),
                    deep_hypothermia_to: deep_hypothermia(),
                },
            ),
            oxygen: Rule::shipped(
                "Waystation clinical rules, vitals. Our default: SpO2 below 90 is an emergency, below 95 is low; a \
                 deployment's clinicians confirm",
                OxygenLimits { emergency_below: 90, low_below: low_oxygen() },
            ),
            alcohol: Rule::shipped(
                "Waystation clinical rules, vitals: breath mg/L x 220 (one source); limits 20 and 80, GB 19522",
                AlcoholLimits {
                    breath_to_blood: 220,
                    drink_driving_from: 20,
                    drunk_driving_from: 80,
                    retest_after_min: 20,
                },
            ),
        }
    }
}
