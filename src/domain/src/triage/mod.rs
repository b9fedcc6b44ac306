//! Triage: how soon a person must be seen, from readings, complaints and NEWS2.
//!
//! It never lowers a level because something was not measured: a missing part makes a score
//! incomplete, never 0. Single signs are an emergency whatever the score is, and where the score
//! does not apply (pregnancy, below 16 years) the limits of the group replace it. It never turns
//! anybody away; a red flag shows the emergency number at once and the worker still gets a doctor.

mod history;
mod level;
mod limits;
mod news2;
mod red_flags;
mod signs;
mod symptoms;

pub use history::{Latest, TimedReading, latest_of_each_kind};
pub(crate) use level::TriageWeights;
pub use level::{MeasureAgain, TriageFacts, TriageLevel, TriageReason, triage};
pub use limits::Side;
pub(crate) use limits::TriageLimits;
pub use news2::{Applicability, News2Band, News2Input, News2Part, News2Score, applicability, news2};
pub use red_flags::{EMERGENCY_NUMBER, RedFlag, RedFlagCode, SUPPORT_NUMBER};
pub use symptoms::SymptomFlag;
