//! Matching: which consultation is next, with which doctor, and the expected wait. It
//! works like an automatic call distributor, not like a list that doctors pick from.
//!
//! It stores no queue and reserves no doctor: it ranks and chooses among the rows that
//! the caller read, and the storage's conditional write decides, because two instances
//! may choose the same doctor at the same time.

mod choose;
pub mod coverage;
pub mod department;
mod distribute;
mod erlang_c;
mod estimate;
mod fairness;
mod on_call;
mod outlook;
mod policy;
mod pool;
pub mod presence;
mod queue;
mod score;
mod trouble;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod plain;

pub use choose::{Candidate, Choice, ChoiceReason, FreePlaces, OverflowStep};
pub use department::{Department, DepartmentRecord};
pub use distribute::{Planned, ROUND, Scene, Source, distribute};
pub use erlang_c::{QueueForecast, Staffing, StaffingQuestion, staffing};
pub use estimate::{EstimateBasis, WaitRange};
pub(crate) use estimate::{LiveFigures, estimate_wait, likely_seconds};
pub use fairness::turns;
pub use on_call::{DoctorOnCall, DoctorsOnCall, Reach};
pub use outlook::{Forecast, Outlook, Waits};
pub use policy::MatchingPolicy;
pub use pool::{Clocks, HospitalShare, Pool};
pub use queue::{Chain, PreviousDoctor, Queue, Refused, Request};
pub use score::{QueueClass, QueueKey, ranked_since};
pub use trouble::{QueueTrouble, queue_trouble};
