//! Readings: what a station may measure, in which unit and range, and what a
//! measured value means.
//!
//! It never guesses: a wrong unit or an implausible value is refused with the
//! allowed range, never clamped or converted, because a silent conversion is
//! how 12 mmol/L becomes 1.2. It never diagnoses either: a category describes
//! one reading and names the rule that it comes from.

mod categories;
mod fitness;
mod reading;
mod reading_schema;
mod rules;
mod shown;

pub use categories::{
    AlcoholCategory, BloodPressureCategory, GlucoseCategory, OxygenCategory, Severity, TemperatureCategory,
    VitalFinding, assess, assess_all, blood_alcohol_tenths,
};
pub use fitness::{Fitness, FitnessReading, FitnessRules, fitness};
pub use reading::range_message;
pub use reading::{
    Acvpu, AssessmentContext, MEASURED_AT_MAX_AGE_S, MEASURED_AT_TOLERANCE_S, ReadingInput, ReadingKind,
    ReadingRange, ValidReading, validate, validate_all,
};
pub use rules::{
    AlcoholLimits, BloodPressureFloors, GlucoseLimits, OxygenLimits, Rule, TemperatureLimits, VitalRules,
};
pub use shown::Beyond;
