//! Matching: which consultation is next, with which doctor, and the expected wait. It
//! works like an automatic call distributor, not like a list that doctors pick from.
//!
//! It stores no queue and reserves no doctor: it ranks and chooses among the rows that
//! the caller read, and the storage's conditional write decides, because two instances
//! may choose the same doctor at the same time.

mod choose;
mod department;
mod erlang_c;
mod fairness;
mod policy;
pub mod presence;
mod score;

pub use choose::{Candidate, Choice, ChoiceReason, MatchRequest, PreviousDoctor, choose_doctor};
pub use department::Department;
pub use erlang_c::{EstimateBasis, LiveFigures, estimate_wait};
pub use fairness::{start_time, turns};
pub use policy::MatchingPolicy;
pub use score::{QueueClass, QueueKey, ranked_since};
