//! The HTTP interface: one file per step of the journey, each with its routes,
//! its handlers and its part of the OpenAPI document.

mod cabinet;
mod cabinets;
mod check_ins;
pub mod openapi;
mod orders;

use super::routes::Routes;

/// The table of all routes.
pub fn routes() -> Routes {
    let mut routes = Routes::default();
    cabinet::add(&mut routes);
    cabinets::add(&mut routes);
    check_ins::add(&mut routes);
    orders::add(&mut routes);
    routes
}
