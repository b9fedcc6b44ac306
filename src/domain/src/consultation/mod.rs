//! The consultation: one request for care, from start to end, as a pure state machine.
//!
//! [`decide`] answers a command with events or a refusal and [`apply`] folds an
//! event into the snapshot; nothing else changes a state. Nothing is ever completed
//! by a timeout: a lost doctor leads back to the queue, and a consultation that no
//! doctor took ends as unserved, so that the failure stays visible. A worker who is
//! checked in nowhere is put to no doctor; who does not come back in time, or does
//! not come to the doctor who accepted, ends it as cancelled, with its own reason.
//!
//! ```text
//! waiting --offer--> offered --accept--> active --complete--> completed
//!   ^  ^---decline, expiry---'             |
//!   '-----------requeue (doctor lost)------'
//! waiting, offered --cancel--> cancelled      waiting --give up--> unserved
//! offered --worker left, doctor signed out--> waiting
//! waiting --absent too long--> cancelled <--no show-- active
//! ```

mod decide;
mod event;
mod state;

pub use decide::{Command, decide};
pub use event::{ConsultationEvent, apply, fold, request};
pub use state::{CancelReason, Consultation, ConsultationState, Offer, OfferState};

#[cfg(test)]
mod property_tests;
