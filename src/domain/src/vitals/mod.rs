//! Readings: what a station may measure, in which unit and range, and the category of a measured
//! value.
//!
//! It never guesses: a wrong unit or an implausible value is refused with the allowed range, never
//! clamped or converted, because a silent conversion is how 12 mmol/L becomes 1.2. It never
//! diagnoses either: a category describes one reading and names its rule.

mod categories;
mod fitness;
mod reading;
mod rules;
mod shown;

pub use categories::{
    AlcoholCategory, BloodPressureCategory, GlucoseCategory, OxygenCategory, Severity, TemperatureCategory,
    VitalFinding, assess, assess_all,
};
pub(crate) use fitness::FitnessRules;
pub use fitness::{Fitness, FitnessReading, fitness};
pub use reading::range_message;
pub use reading::{
    Acvpu, AssessmentContext, ReadingInput, ReadingKind, ValidReading, validate, validate_all,
};
pub use rules::Rule;
pub(crate) use rules::VitalRules;
pub use shown::Beyond;
