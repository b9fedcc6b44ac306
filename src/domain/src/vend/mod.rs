//! Vending: one attempt from issue to end, on the server and on the cabinet.
//!
//! Vending is exactly-once because it starts with a START that the server has committed. After
//! START only evidence closes the attempt: an expiry, a lost connection or a timeout never means
//! "not vended", so nothing in this module ever concludes that from time or from silence. Both
//! sides are pure functions here, so that one exhaustive model check (`model`, tests only) runs the
//! same code as production.

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
