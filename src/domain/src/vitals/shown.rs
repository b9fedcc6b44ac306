//! How a reading is displayed to people, and what a device shows instead of a number.

use super::reading::ReadingKind;
use crate::words::Bilingual;

crate::text_enum! {
    /// What a device shows instead of a number: the value is outside the range that it can measure.
    /// It is a reading, and no number is invented for it.
    pub enum Beyond {
        /// `HI`: above the device's range.
        High = "high",
        /// `LO`: below the device's range.
        Low = "low",
    }
}

impl Beyond {
    /// As the device shows it.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::High => "HI",
            Self::Low => "LO",
        }
    }
}

impl ReadingKind {
    /// What a device for this kind may show instead of a number. Breathing is counted by a person,
    /// and a scale or a breath tester shows 0 when there is nothing to measure.
    pub const fn beyond(self) -> &'static [Beyond] {
        match self {
            Self::BloodPressure | Self::HeartRate | Self::Temperature | Self::Glucose => {
                &[Beyond::High, Beyond::Low]
            }
            Self::Spo2 => &[Beyond::Low],
            Self::Weight | Self::BreathAlcohol => &[Beyond::High],
            Self::RespiratoryRate => &[],
        }
    }

    /// The unit as people read it, in both languages. UCUM codes are for machines.
    pub(crate) const fn unit_for_people(self) -> Bilingual {
        match self {
            Self::BloodPressure => Bilingual::fixed("mmHg", "mmHg"),
            Self::HeartRate => Bilingual::fixed("次/分", "beats/min"),
            Self::Spo2 => Bilingual::fixed("%", "%"),
            Self::Temperature => Bilingual::fixed("℃", "℃"),
            Self::RespiratoryRate => Bilingual::fixed("次/分", "breaths/min"),
            Self::Glucose => Bilingual::fixed("mmol/L", "mmol/L"),
            Self::Weight => Bilingual::fixed("kg", "kg"),
            Self::BreathAlcohol => Bilingual::fixed("mg/L", "mg/L"),
        }
    }

    /// A measured value for people: `37.2 ℃`, `72 次/分`, `HI`.
    pub fn shown(self, value: Option<i64>, second: Option<i64>, beyond: Option<Beyond>) -> Bilingual {
        let range = self.range();
        let number = match (value, second, beyond) {
            (_, _, Some(beyond)) => return Bilingual::fixed(beyond.shown(), beyond.shown()),
            (None, _, None) => return Bilingual::fixed("—", "—"),
            (Some(value), Some(second), None) => format!("{}/{}", range.show(value), range.show(second)),
            (Some(value), None, None) => range.show(value),
        };
        let unit = self.unit_for_people();
        let with = |unit: &str| if unit == "%" { format!("{number}%") } else { format!("{number} {unit}") };
        Bilingual::made(with(&unit.zh), with(&unit.en))
    }
}
