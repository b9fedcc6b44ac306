//! FLOOR 5: the sample network, simulated people and cabinets, and the driver
//! of journeys. They use the public API and the types of `domain` and
//! `crypto` only: whatever they can do, a real caller can do.

pub mod acknowledged;
pub mod api;
pub mod banner;
pub mod cabinets;
pub mod client;
pub mod complaints;
pub mod doctors;
pub mod hatch;
pub mod journeys;
pub mod load;
pub mod pace;
pub mod pharmacists;
pub mod ready;
pub mod sample;
pub mod sessions;
pub mod simulation;
pub mod turns;
