//! Stock: where each pack that ever entered a slot is now, and which to take next.
//!
//! Never invents or forgets a pack: every movement keeps `received` equal to the sum
//! of the five places, because a drug that cannot be accounted for may be in anyone's
//! hands.

pub mod fefo;
mod lot;
pub mod record;
pub mod slot;
pub mod slot_stock;

pub use fefo::{SlotCandidate, choose_slots};
pub use lot::{is_lot_no, lot_key};
pub use slot::{SlotClosedReason, SlotNo};
pub use slot_stock::{Correction, DoubtEnd, Movement, SlotStock};
