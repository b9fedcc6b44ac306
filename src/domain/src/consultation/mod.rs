//! The consultation: one request for care, from start to end, as a pure state machine.
//!
//! [`Consultation::decide`] returns events or a refusal for a command, and
//! [`Consultation::apply`] applies an event, also to the last offer; nothing else changes a state.
//! A timeout never completes a consultation: if the doctor is lost it returns to the queue, and if
//! no doctor accepts it ends as unserved, so that the failure stays visible. A worker who is not
//! checked in at any station is not offered to a doctor; when their turn comes, the screen that they
//! left calls them. If the worker does not come back in time, or does not appear before the doctor who
//! accepted, the consultation ends as cancelled, with a reason of its own.
//!
//! ```text
//! waiting --offer--> offered --accept--> active --complete--> completed
//!   ^  ^---decline, expiry---'             |
//!   '--requeue (doctor lost), transfer-----'
//! active --transfer to a doctor--> waiting --> offered
//! waiting, offered --cancel--> cancelled      waiting --give up--> unserved
//! offered --worker left, doctor signed out--> waiting
//! waiting --absent too long--> cancelled <--no show-- active
//! ```

mod attendance;
mod decide;
mod event;
mod state;
mod transfer;

pub use attendance::call_number;
pub use decide::Command;
pub use event::{ConsultationEvent, ConsultationEventKind};
pub use state::{CancelReason, Consultation, ConsultationState, Medium, Offer, OfferState};
pub use transfer::{Destination, Obstacle};

#[cfg(test)]
mod property_tests;
