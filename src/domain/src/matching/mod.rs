//! Matching: who is served next, by which doctor, and how long it will take. An
//! automatic call distributor for care, not a list that doctors pick from.
//!
//! It holds no queue and claims nobody: it ranks and chooses among what the
//! caller read, and the storage's conditional write decides, because two
//! instances may choose the same doctor at once.

mod choose;
mod department;
mod erlang_c;
mod fairness;
mod policy;
pub mod presence;
mod score;

pub use choose::{
    Candidate, Choice, ChoiceReason, MatchRequest, OverflowStep, PreviousDoctor, choose_doctor, overflow_plan,
};
pub use department::Department;
pub use erlang_c::{
    EstimateBasis, LiveFigures, QueueForecast, WaitEstimate, doctors_needed, erlang_c, estimate_wait,
};
pub use fairness::{VIRTUAL_TURN, advance_virtual_time, start_time, turns};
pub use policy::MatchingPolicy;
pub use score::{QueueClass, QueueKey, ranked_since};
