//! The pharmacists' queue: how long a claim holds, how a round of review ended, what the worker is told of
//! the wait, and when an operator must hear of the queue. The decisions about one prescription are in
//! `prescription`.

mod policy;
mod trouble;
mod wait;

pub use policy::ReviewPolicy;
pub use trouble::{ReviewTrouble, review_trouble};
pub use wait::{ReviewFigures, ReviewWait, ReviewWaitBasis, estimate};

crate::text_enum! {
    /// How a prescription ceased to wait for review.
    pub enum ReviewOutcome {
        Approved = "approved",
        Returned = "returned",
        /// Its doctor withdrew it.
        Withdrawn = "withdrawn",
        /// Its validity ran out before anybody reviewed it.
        Expired = "expired",
    }
}
