//! Vending: attempts, the cabinets' journals, and incidents that a person must look at.

pub mod attempt;
pub mod incident;
pub mod journal;
pub mod pickup;
pub mod reconcile;
