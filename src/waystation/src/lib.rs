//! Waystation: the backend of a network of health points for people who work
//! outdoors. This crate is the program: command line, settings, composition.
//!
//! The steps of a consultation; every crate uses the same step names:
//!
//! ```text
//! check-in -> readings (-> report) -> triage -> waiting -> offered -> active
//!   -> prescription -> review -> order (pay) -> attempts -> vended -> report
//! ```
//!
//! The invariants, asserted in tests and checked by the crash test:
//!
//! 1. At most one physical vend per attempt, and per prescribed unit.
//! 2. Units dispensed, in doubt and live never exceed units prescribed.
//! 3. Per slot and lot, received = on hand + reserved + in doubt + dispensed
//!    + discarded; no term is negative.
//! 4. Nothing is vended without a prescription signed by its doctor, approved
//!    by a pharmacist who is not that doctor, unexpired and paid; or an order
//!    whose every line may be sold over the counter.
//! 5. The vended lot was allowed when the attempt started.
//! 6. Every acknowledged consultation is in exactly one state, and ends.
//! 7. A doctor never has more live consultations by one medium than places for it; a consultation
//!    has at most one accepted doctor.
//! 8. The same idempotency key gives the same answer.
//! 9. What was acknowledged survives SIGKILL.
//! 10. State columns equal the fold of their events.
//! 11. No caller sees a row that is not theirs.

mod allocator;
mod audit;
mod backup;
pub mod cli;
mod compose;
#[cfg(feature = "demo")]
mod demo;
mod import;
mod keys;
mod listen;
mod rules;
mod serving;
mod settings;
mod shutdown;

pub use compose::{Built, build};
pub use listen::serve_metrics;
