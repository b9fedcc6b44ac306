//! Matching: doctors and their offers.

#[macro_use]
mod on_call;

pub mod alert;
pub mod colleague;
pub mod doctor;
pub mod load;
pub mod offer;
pub mod queue;
