//! Over-the-counter sale at a cabinet, without a prescription and without staff present. The
//! whole safety engine runs on the use according to the label (`label_use`), the amount is
//! limited to one course (`amounts`), missing health data is asked for (`questions`), and a
//! finding blocks the sale or must be accepted by the buyer (`judge`). It prescribes nothing.

mod amounts;
mod judge;
mod label_use;
mod questions;

pub use amounts::{Amount, check_amounts};
pub use judge::{Buyer, judge, self_care_findings};
pub use label_use::{LabelUse, label_use};
pub use questions::{Answered, QuestionField, unanswered};

#[cfg(test)]
mod tests;
