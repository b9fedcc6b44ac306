//! The sample network, simulated people and cabinets, and the load generator.
//! They use only the public API and the types of `domain` and `crypto`: whatever
//! they can do, a real client can do.

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
mod offer_times;
pub mod pace;
pub mod pharmacists;
pub mod ready;
pub mod running;
pub mod sample;
pub mod sessions;
pub mod turns;
