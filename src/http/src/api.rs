//! The HTTP interface: one file per step of the journey, each with its routes,
//! its handlers and its part of the OpenAPI document.

use super::{pages, routes::Routes};

/// The table of all routes.
pub fn routes() -> Routes {
    let mut routes = Routes::default();
    // Before `/check-ins/{id}`: the first pattern that matches is used.
    crate::network::access::add(&mut routes);
    crate::alert::add(&mut routes);
    crate::audit::add(&mut routes);
    crate::vend::add(&mut routes);
    crate::stock::add(&mut routes);
    crate::check_in::add(&mut routes);
    crate::consultation::add(&mut routes);
    crate::network::me::add(&mut routes);
    crate::matching::add(&mut routes);
    crate::check_in::phone_code::add(&mut routes);
    crate::network::worker_change::add(&mut routes);
    crate::network::department::add(&mut routes);
    crate::network::merge::add(&mut routes);
    crate::vitals::add(&mut routes);
    crate::events::add(&mut routes);
    crate::devices::add(&mut routes);
    crate::network::add(&mut routes);
    crate::network::coverage::add(&mut routes);
    crate::network::roster::add(&mut routes);
    crate::staff::session::add(&mut routes);
    // After the fixed paths that `/staff/{id}` would match.
    crate::staff::add(&mut routes);
    crate::letter::add(&mut routes);
    crate::prescription::add(&mut routes);
    crate::formulary::add(&mut routes);
    crate::safety::add(&mut routes);
    crate::profile::add(&mut routes);
    crate::report::add(&mut routes);
    crate::review::add(&mut routes);
    pages::add(&mut routes);
    crate::order::add(&mut routes);
    routes
}
