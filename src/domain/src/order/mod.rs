//! An order: what is paid for, pack by pack.
//!
//! It reserves stock before it is paid, and it completes only when every pack is
//! accounted for. It never concludes what became of a pack - the attempt does that -
//! so a pack in doubt keeps its order open however long it takes.

pub mod decide;
pub mod price;
pub mod state;

#[cfg(test)]
mod decide_tests;
pub mod self_care;

pub use decide::{Command, OrderEvent, decide};
pub use price::{Line, price, units_left};
pub use state::{Order, OrderState, OrderUnit, UnitState};
