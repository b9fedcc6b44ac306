//! The meaning of one reading: a category, its severity, and the rule it comes from.

use serde::Serialize;

use super::{
    Beyond,
    reading::{ReadingKind, ValidReading},
    rules::{AlcoholLimits, BloodPressureLimits, GlucoseLimits, OxygenLimits, TemperatureLimits, VitalRules},
};
use crate::words::Bilingual;

crate::text_enum! {
    /// Severity of a finding, in rising order.
    pub enum Severity {
        /// No action needed.
        Normal = "normal",
        /// For information.
        Notice = "notice",
        /// A doctor should see it.
        Warning = "warning",
        /// A doctor must see it soon.
        Urgent = "urgent",
        /// Call 120.
        Emergency = "emergency",
    }
}

/// Declares a category: variant = code, severity, Chinese, English.
macro_rules! categories {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal, $severity:ident, $zh:literal, $en:literal;)+ }) => {
        crate::text_enum! { $(#[$meta])* pub enum $name { $($(#[$doc])* $variant = $code),+ } }
        impl $name {
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }
            /// The name for people.
            pub const fn label(self) -> Bilingual {
                match self { $(Self::$variant => Bilingual::fixed($zh, $en)),+ }
            }
        }
    };
}

categories! {
    /// Chinese blood pressure categories, of one reading. Source: the project's clinical rules,
    /// vitals (two sources agree).
    BloodPressureCategory {
        /// Systolic below 80.
        VeryLow = "very_low", Emergency, "血压过低，请立即拨打 120", "blood pressure very low: call 120";
        /// Systolic 80 to 90.
        Low = "low", Urgent, "血压偏低，请尽快就诊", "low blood pressure: see a doctor soon";
        /// Below 120 and below 80, and not low.
        Normal = "normal", Normal, "血压正常", "normal blood pressure";
        /// 120-139 or 80-89.
        HighNormal = "high_normal", Notice, "血压正常高值", "high normal blood pressure";
        /// 140-159 or 90-99.
        Grade1 = "grade_1", Warning, "血压达 1 级高血压范围", "blood pressure in the grade 1 range";
        /// 160-179 or 100-109.
        Grade2 = "grade_2", Warning, "血压达 2 级高血压范围", "blood pressure in the grade 2 range";
        /// From 180 or from 110.
        Grade3 = "grade_3", Urgent, "血压达 3 级高血压范围，请尽快就诊", "blood pressure in the grade 3 range: see a doctor soon";
    }
}

categories! {
    /// Capillary glucose. Source: the project's clinical rules, vitals (two sources agree); the
    /// urgent limit is our default.
    GlucoseCategory {
        /// Below the meter's range, or below 2.2.
        VeryLow = "very_low", Emergency, "血糖过低，能吞咽时立即补充糖分，并拨打 120", "glucose very low: take sugar now if able to swallow, and call 120";
        /// Low: sugar first, then a doctor.
        Low = "low", Urgent, "血糖偏低，请立即补充糖分", "low glucose: take sugar now";
        /// Neither low nor in the diabetes range.
        InRange = "in_range", Normal, "血糖未见异常", "glucose in range";
        /// Fasting from 7.0, random from 11.1.
        DiabetesRange = "diabetes_range", Warning, "血糖达糖尿病范围", "glucose in the diabetes range";
        /// From 16.7.
        VeryHigh = "very_high", Urgent, "血糖过高，请尽快就诊", "very high glucose: see a doctor soon";
        /// The meter shows HI: above 33.3.
        AboveMeter = "above_meter", Emergency, "血糖超出仪器上限（高于 33.3 mmol/L），请立即拨打 120", "glucose above the meter's range (over 33.3 mmol/L): call 120";
    }
}

categories! {
    /// Body temperature. Source: the project's clinical rules, vitals (one source).
    TemperatureCategory {
        /// At or below 34.0.
        DeepHypothermia = "deep_hypothermia", Emergency, "体温极低，请立即拨打 120 并保暖", "body temperature dangerously low: call 120 and keep warm";
        /// 34.1 to 35.0.
        Hypothermia = "hypothermia", Urgent, "体温过低，请保暖并尽快就诊", "body temperature too low: keep warm and see a doctor soon";
        /// 35.1 to 36.0: cool skin, or the wrong place measured.
        Low = "low", Notice, "体温偏低", "body temperature on the low side";
        /// 36.1 to 37.2.
        NoFever = "no_fever", Normal, "无发热", "no fever";
        /// 37.3 to 38.5.
        Fever = "fever", Warning, "发热", "fever";
        /// Above 38.5.
        Refer = "refer", Urgent, "高热，建议转诊", "high fever: refer";
        /// From 40.0.
        VeryHigh = "very_high", Emergency, "体温过高，请立即拨打 120 并降温", "body temperature dangerously high: call 120 and cool";
    }
}

categories! {
    /// Oxygen saturation. Our default.
    OxygenCategory {
        /// From 95.
        NoEmergency = "no_emergency", Normal, "血氧未达急救标准", "oxygen saturation is no emergency";
        /// 90 to 94.
        Low = "low", Warning, "血氧偏低", "oxygen saturation is low";
        /// Below 90.
        Emergency = "emergency", Emergency, "血氧过低，请立即拨打 120", "oxygen saturation very low: call 120";
    }
}

categories! {
    /// Alcohol in the breath, against the driving limits of GB 19522.
    AlcoholCategory {
        /// None found.
        None = "none", Normal, "未检出酒精", "no alcohol";
        /// Found, below 20 mg/100 mL of blood.
        Present = "present", Notice, "检出酒精", "alcohol found";
        /// 20 to below 80.
        DrinkDriving = "drink_driving", Warning, "达到饮酒驾驶标准", "at the drink driving limit";
        /// From 80.
        DrunkDriving = "drunk_driving", Warning, "达到醉酒驾驶标准", "at the drunk driving limit";
    }
}

impl BloodPressureCategory {
    /// The category of a pressure in mmHg; the higher of the two counts.
    pub const fn of(systolic: i64, diastolic: i64, limits: &BloodPressureLimits) -> Self {
        if systolic < limits.very_low_systolic {
            Self::VeryLow
        } else if systolic <= limits.low_systolic {
            Self::Low
        } else if systolic >= limits.grade_3.0 || diastolic >= limits.grade_3.1 {
            Self::Grade3
        } else if systolic >= limits.grade_2.0 || diastolic >= limits.grade_2.1 {
            Self::Grade2
        } else if systolic >= limits.grade_1.0 || diastolic >= limits.grade_1.1 {
            Self::Grade1
        } else if systolic >= limits.high_normal.0 || diastolic >= limits.high_normal.1 {
            Self::HighNormal
        } else {
            Self::Normal
        }
    }
}

impl GlucoseCategory {
    /// The category of a value in tenths of mmol/L. If diabetes is unknown, the cautious lower
    /// limit applies. If fasting is unknown, the value counts as random.
    pub fn of(value: i64, fasting: Option<bool>, diabetic: Option<bool>, limits: &GlucoseLimits) -> Self {
        let low_below =
            if diabetic == Some(false) { limits.low_below_without } else { limits.low_below_with_diabetes };
        let diabetes_from =
            if fasting == Some(true) { limits.diabetes_from_fasting } else { limits.diabetes_from_random };
        if value < limits.very_low_below {
            Self::VeryLow
        } else if value < low_below {
            Self::Low
        } else if value >= limits.urgent_from {
            Self::VeryHigh
        } else if value >= diabetes_from {
            Self::DiabetesRange
        } else {
            Self::InRange
        }
    }
}

impl TemperatureCategory {
    /// The category of a temperature in tenths of a degree Celsius.
    pub const fn of(value: i64, limits: &TemperatureLimits) -> Self {
        if value <= limits.deep_hypothermia_to {
            Self::DeepHypothermia
        } else if value <= limits.hypothermia_to {
            Self::Hypothermia
        } else if value < limits.low_below {
            Self::Low
        } else if value >= limits.very_high_from {
            Self::VeryHigh
        } else if value > limits.refer_above {
            Self::Refer
        } else if value >= limits.fever_from {
            Self::Fever
        } else {
            Self::NoFever
        }
    }
}

impl OxygenCategory {
    /// The category of a saturation in percent.
    pub const fn of(value: i64, limits: &OxygenLimits) -> Self {
        if value < limits.emergency_below {
            Self::Emergency
        } else if value < limits.low_below {
            Self::Low
        } else {
            Self::NoEmergency
        }
    }
}

/// Blood alcohol in tenths of mg/100 mL, from breath alcohol in micrograms a litre. Rounded down,
/// so that rounding never lifts a value to a limit that it did not reach.
pub(crate) const fn blood_alcohol_tenths(breath_ug_per_l: i64, limits: &AlcoholLimits) -> i64 {
    breath_ug_per_l.saturating_mul(limits.breath_to_blood) / 100
}

impl AlcoholCategory {
    /// The category of breath alcohol in micrograms a litre.
    pub const fn of(breath_ug_per_l: i64, limits: &AlcoholLimits) -> Self {
        let blood = blood_alcohol_tenths(breath_ug_per_l, limits);
        if blood >= limits.drunk_driving_from * 10 {
            Self::DrunkDriving
        } else if blood >= limits.drink_driving_from * 10 {
            Self::DrinkDriving
        } else if breath_ug_per_l > 0 {
            Self::Present
        } else {
            Self::None
        }
    }
}

/// The category of one reading, and the rule it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct VitalFinding {
    /// What was measured.
    pub kind: ReadingKind,
    /// The category's code, e.g. `grade_2`.
    pub category: &'static str,
    /// How pressing it is.
    pub severity: Severity,
    /// The sentence for people.
    pub label: Bilingual,
    /// Blood alcohol in tenths of mg/100 mL, for breath alcohol.
    pub blood_alcohol_tenths: Option<i64>,
    /// The rule's version.
    pub rule_version: String,
    /// The rule's source.
    pub rule_source: String,
}

/// The category of one reading; `None` for kinds without categories of their own (heart rate,
/// respiratory rate and weight: NEWS2 covers the first two).
pub fn assess(reading: &ValidReading, diabetic: Option<bool>, rules: &VitalRules) -> Option<VitalFinding> {
    macro_rules! finding {
        ($category:expr, $rule:expr) => {
            Some(VitalFinding {
                kind: reading.kind,
                category: $category.as_str(),
                severity: $category.severity(),
                label: $category.label(),
                blood_alcohol_tenths: None,
                rule_version: $rule.version.to_string(),
                rule_source: $rule.source.to_string(),
            })
        };
    }
    let (value, beyond) = (reading.value, reading.beyond);
    match reading.kind {
        ReadingKind::BloodPressure => {
            let category = match beyond {
                Some(Beyond::High) => BloodPressureCategory::Grade3,
                Some(Beyond::Low) => BloodPressureCategory::VeryLow,
                // A stored blood pressure always has its second value; without one there is no
                // category.
                None => BloodPressureCategory::of(value?, reading.second?, &rules.blood_pressure.values),
            };
            finding!(category, rules.blood_pressure)
        }
        ReadingKind::Glucose => {
            let category = match beyond {
                Some(Beyond::High) => GlucoseCategory::AboveMeter,
                Some(Beyond::Low) => GlucoseCategory::VeryLow,
                None => GlucoseCategory::of(value?, reading.fasting, diabetic, &rules.glucose.values),
            };
            finding!(category, rules.glucose)
        }
        ReadingKind::Temperature => {
            let category = match beyond {
                Some(Beyond::High) => TemperatureCategory::VeryHigh,
                Some(Beyond::Low) => TemperatureCategory::DeepHypothermia,
                None => TemperatureCategory::of(value?, &rules.temperature.values),
            };
            finding!(category, rules.temperature)
        }
        ReadingKind::Spo2 => {
            let category = match beyond {
                Some(_) => OxygenCategory::Emergency,
                None => OxygenCategory::of(value?, &rules.oxygen.values),
            };
            finding!(category, rules.oxygen)
        }
        ReadingKind::BreathAlcohol => {
            let category = match beyond {
                Some(_) => AlcoholCategory::DrunkDriving,
                None => AlcoholCategory::of(value?, &rules.alcohol.values),
            };
            let finding: Option<VitalFinding> = finding!(category, rules.alcohol);
            let blood_alcohol_tenths = value.map(|value| blood_alcohol_tenths(value, &rules.alcohol.values));
            finding.map(|found| VitalFinding { blood_alcohol_tenths, ..found })
        }
        ReadingKind::HeartRate | ReadingKind::RespiratoryRate | ReadingKind::Weight => None,
    }
}

/// The findings of several readings, in their order.
pub fn assess_all(
    readings: &[ValidReading],
    diabetic: Option<bool>,
    rules: &VitalRules,
) -> Vec<VitalFinding> {
    readings.iter().filter_map(|reading| assess(reading, diabetic, rules)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> VitalRules {
        VitalRules::default()
    }

    #[test]
    fn the_higher_blood_pressure_category_wins() {
        use BloodPressureCategory::{Grade1, Grade2, Grade3, HighNormal, Low, Normal, VeryLow};
        for (systolic, diastolic, expected) in [
            (79, 50, VeryLow),
            (80, 50, Low),
            (90, 60, Low),
            (91, 60, Normal),
            (119, 79, Normal),
            (120, 79, HighNormal),
            (119, 80, HighNormal),
            (139, 89, HighNormal),
            (140, 70, Grade1),
            (110, 90, Grade1),
            (159, 99, Grade1),
            (160, 80, Grade2),
            (120, 100, Grade2),
            (179, 109, Grade2),
            (180, 70, Grade3),
            (120, 110, Grade3),
        ] {
            let category = BloodPressureCategory::of(systolic, diastolic, &rules().blood_pressure.values);
            assert_eq!(category, expected, "{systolic}/{diastolic}");
        }
    }

    #[test]
    fn glucose_depends_on_diabetes_and_fasting() {
        use GlucoseCategory::{DiabetesRange, InRange, Low, VeryHigh, VeryLow};
        for (value, fasting, diabetic, expected) in [
            (38, None, Some(true), Low),
            (39, None, Some(true), InRange),
            (38, None, Some(false), InRange),
            (21, None, Some(false), VeryLow),
            (22, None, Some(false), Low),
            (27, None, Some(false), Low),
            (28, None, Some(false), InRange),
            (38, None, None, Low),
            (69, Some(true), None, InRange),
            (70, Some(true), None, DiabetesRange),
            (70, Some(false), None, InRange),
            (110, None, None, InRange),
            (111, None, None, DiabetesRange),
            (166, None, None, DiabetesRange),
            (167, None, None, VeryHigh),
        ] {
            let category = GlucoseCategory::of(value, fasting, diabetic, &rules().glucose.values);
            assert_eq!(category, expected, "{value} {fasting:?} {diabetic:?}");
        }
    }

    #[test]
    fn fever_and_oxygen_limits() {
        let fever = |value| TemperatureCategory::of(value, &rules().temperature.values);
        assert_eq!(fever(320), TemperatureCategory::DeepHypothermia);
        assert_eq!(fever(341), TemperatureCategory::Hypothermia);
        assert_eq!(fever(351), TemperatureCategory::Low);
        assert_eq!(fever(361), TemperatureCategory::NoFever);
        assert_eq!(fever(399), TemperatureCategory::Refer);
        assert_eq!(fever(400), TemperatureCategory::VeryHigh);
        assert_eq!(fever(372), TemperatureCategory::NoFever);
        assert_eq!(fever(373), TemperatureCategory::Fever);
        assert_eq!(fever(385), TemperatureCategory::Fever);
        assert_eq!(fever(386), TemperatureCategory::Refer);
        let oxygen = |value| OxygenCategory::of(value, &rules().oxygen.values);
        assert_eq!(oxygen(89), OxygenCategory::Emergency);
        assert_eq!(oxygen(90), OxygenCategory::Low);
        assert_eq!(oxygen(95), OxygenCategory::NoEmergency);
    }

    #[test]
    fn breath_becomes_blood_without_reaching_a_limit_early() {
        let limits = rules().alcohol.values;
        assert_eq!(blood_alcohol_tenths(1_000, &limits), 2_200);
        let category = |breath| AlcoholCategory::of(breath, &limits);
        assert_eq!(category(0), AlcoholCategory::None);
        assert_eq!(category(1), AlcoholCategory::Present);
        assert_eq!(category(90), AlcoholCategory::Present); // 19.8
        assert_eq!(category(91), AlcoholCategory::DrinkDriving); // 20.02
        assert_eq!(category(363), AlcoholCategory::DrinkDriving); // 79.86
        assert_eq!(category(364), AlcoholCategory::DrunkDriving); // 80.08
    }

    #[test]
    fn the_rules_survive_their_own_json_and_can_be_overridden_one_by_one() {
        let text = serde_json::to_string(&rules()).expect("rules are JSON");
        assert_eq!(serde_json::from_str::<VitalRules>(&text).expect("the same rules"), rules());
        let changed = r#"{"oxygen":{"version":"x","source":"our default","values":{"emergency_below":92}}}"#;
        let changed: VitalRules = serde_json::from_str(changed).expect("one rule changed");
        assert_eq!(changed.oxygen.values.emergency_below, 92);
        assert_eq!(changed.glucose, rules().glucose);
    }
}
