//! The HTTP interface: one file per step of the journey, each with its routes,
//! its handlers and its part of the OpenAPI document.

mod access;
mod alerts;
mod audit;
mod cabinet;
mod cabinets;
mod check_ins;
mod consultations;
mod devices;
mod letters;
mod me;
mod network;
mod offers;
pub mod openapi;
mod orders;
mod page;
mod phone_codes;
mod prescriptions;
mod products;
mod profile;
mod report;
mod reviews;
mod staff;
mod staff_tokens;
mod vitals;
mod worker_changes;
mod worker_merges;

use super::{pages, routes::Routes};

/// The table of all routes.
pub fn routes() -> Routes {
    let mut routes = Routes::default();
    // Before the check-ins by id: the first pattern that fits is taken.
    access::add(&mut routes);
    alerts::add(&mut routes);
    audit::add(&mut routes);
    cabinet::add(&mut routes);
    cabinets::add(&mut routes);
    check_ins::add(&mut routes);
    consultations::add(&mut routes);
    me::add(&mut routes);
    offers::add(&mut routes);
    phone_codes::add(&mut routes);
    worker_changes::add(&mut routes);
    worker_merges::add(&mut routes);
    vitals::add(&mut routes);
    super::realtime::events::add(&mut routes);
    devices::add(&mut routes);
    network::add(&mut routes);
    staff_tokens::add(&mut routes);
    // After the words that stand in the place of an id.
    staff::add(&mut routes);
    letters::add(&mut routes);
    prescriptions::add(&mut routes);
    products::add(&mut routes);
    profile::add(&mut routes);
    report::add(&mut routes);
    reviews::add(&mut routes);
    pages::add(&mut routes);
    orders::add(&mut routes);
    routes
}
