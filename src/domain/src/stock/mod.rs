//! Stock: the state of each pack that was ever loaded into a slot, and the next pack to
//! take.
//!
//! After every movement `received` equals the sum of the five other figures: a drug that
//! is not accounted for may be in anyone's hands.

pub mod balance;
pub(crate) mod fefo;
mod held;
mod lot;
pub mod record;
pub mod slot;

pub use balance::{Place, SlotStock, StockChange};
pub use fefo::{SlotCandidate, choose_slots, packs_free};
pub use held::{DraftedPacks, held_before};
pub use lot::{is_lot_no, lot_key};
pub use slot::{Slot, SlotClosedReason, SlotCommand, SlotEvent, SlotNo};
