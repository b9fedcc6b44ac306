//! Stock: the state of each pack that was ever loaded into a slot, and the next pack to
//! take.
//!
//! After every movement `received` equals the sum of the five other figures: a drug that
//! is not accounted for may be in anyone's hands.

pub(crate) mod fefo;
mod lot;
pub mod record;
pub mod slot;
pub mod slot_stock;

pub use fefo::{SlotCandidate, choose_slots};
pub use lot::{is_lot_no, lot_key};
pub use slot::{SlotClosedReason, SlotNo};
pub use slot_stock::{DoubtOutcome, Movement, SlotStock};
