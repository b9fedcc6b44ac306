//! The HTTP interface: one file per step of the journey, each with its routes,
//! its handlers and its part of the OpenAPI document.

mod check_ins;
pub mod openapi;

use super::{pages, routes::Routes};

/// The table of all routes.
pub fn routes() -> Routes {
    let mut routes = Routes::default();
    check_ins::add(&mut routes);
    pages::add(&mut routes);
    routes
}
