//! Vending: one attempt from issue to its end, and the cabinet that carries it out.
//!
//! The exactly-once point is a START that the server has committed. After it only
//! evidence closes the attempt: an expiry, a lost connection or a timeout never
//! means "not vended", so nothing in this folder ever concludes that from time or
//! from silence. Both sides stand here as pure functions, so that one exhaustive
//! model check (`model`, tests only) can drive the very code that runs.

pub mod attempt;
pub mod cabinet_side;
mod canonical;
pub mod decide;
pub mod identity;
pub mod journal;
pub mod messages;
pub mod reconcile;

#[cfg(test)]
mod decide_tests;
pub mod event;
#[cfg(test)]
mod model;

pub use attempt::{Attempt, AttemptState, NotDispensedReason, Outcome};
pub use decide::{Command, Evidence, StartGate, decide};
pub use event::AttemptEvent;
pub use identity::{BootId, Epoch, JournalHash};
