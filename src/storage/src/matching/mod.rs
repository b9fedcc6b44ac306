//! Matching: doctors and their offers.

pub mod alert;
pub mod doctor;
pub mod offer;
pub mod queue;
