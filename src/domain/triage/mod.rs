//! Triage: how soon somebody must be seen, out of readings, complaints and NEWS2.
//!
//! It never lowers a level because something was not measured: a missing part
//! makes a score incomplete, never 0. It never turns anybody away; a red flag
//! shows the emergency number at once and the worker still gets a doctor.

mod level;
mod news2;
mod red_flags;

pub use level::{TriageDecision, TriageFacts, TriageLevel, TriageReason, TriageWeights, triage};
pub use news2::{Applicability, News2Band, News2Input, News2Part, News2Score, applicability, news2};
pub use red_flags::{EMERGENCY_NUMBER, RedFlag, RedFlagCode, SymptomFlag, red_flags};
