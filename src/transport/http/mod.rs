//! The HTTP interface: one file per step of the journey, each with its routes,
//! its handlers and its part of the OpenAPI document.

mod check_ins;
mod devices;
mod network;
pub mod openapi;
mod staff_tokens;

use super::routes::Routes;

/// The table of all routes.
pub fn routes() -> Routes {
    let mut routes = Routes::default();
    check_ins::add(&mut routes);
    devices::add(&mut routes);
    network::add(&mut routes);
    staff_tokens::add(&mut routes);
    routes
}
