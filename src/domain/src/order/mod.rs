//! An order: what is paid for, pack by pack.
//!
//! It reserves stock before it is paid, and completes only when every pack has ended.
//! Only the attempt determines what happened to a pack, so a pack in doubt keeps its
//! order open without a time limit.

pub mod decide;
pub mod event;
pub mod price;
pub mod state;

#[cfg(test)]
mod decide_tests;
pub mod self_care;

pub use decide::{Command, decide, decide_all, may_relocate};
pub use event::{OrderEvent, OrderEventKind};
pub use price::{Line, price, units_left};
pub use state::{Order, OrderState, OrderUnit, UnitState};
