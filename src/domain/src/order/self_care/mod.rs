//! What is sold at a machine without a prescription. Nobody stands beside the buyer, so that
//! the whole safety engine runs on the way the label says a product is taken (`label_use`), the
//! amount is held against one course (`amounts`), what nobody has said is asked (`questions`),
//! and a finding is refused, or read and accepted (`judge`). It prescribes nothing.

mod amounts;
mod judge;
mod label_use;
mod questions;

pub use amounts::{Amount, check_amounts};
pub use judge::{Buyer, judge, self_care_findings};
pub use label_use::{LabelUse, label_use};
pub use questions::{Answered, Question, QuestionField, unanswered};

#[cfg(test)]
mod tests;
