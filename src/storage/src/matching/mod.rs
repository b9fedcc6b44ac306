//! Matching: doctors and their offers.

pub mod alert;
pub mod doctor;
pub mod load;
pub mod offer;
pub mod queue;
