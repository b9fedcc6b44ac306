//! Matching: doctors and their offers.

pub mod doctor;
pub mod offer;
