//! The HTTP layer: routes, authentication, request validation, JSON and problem responses,
//! server-sent events and pages. Handlers call the `service` crate; this crate contains no
//! domain rules and no SQL.

pub mod address;
pub(crate) mod alert;
pub mod api;
pub(crate) mod audit;
pub mod auth;
pub mod body;
pub(crate) mod check_in;
pub mod connections;
pub(crate) mod consultation;
pub(crate) mod devices;
pub mod events;
pub(crate) mod formulary;
pub(crate) mod letter;
pub(crate) mod matching;
pub mod metrics;
pub(crate) mod network;
pub mod openapi;
pub(crate) mod order;
pub(crate) mod page;
pub mod pages;
pub(crate) mod prescription;
pub mod problem;
pub mod process;
pub(crate) mod profile;
pub mod realtime;
pub mod reply;
pub(crate) mod report;
pub(crate) mod review;
pub mod routes;
pub mod signed;
pub mod span;
pub(crate) mod staff;
pub(crate) mod stock;
pub mod token_cache;
pub(crate) mod unread;
pub mod validation;
pub(crate) mod vend;
pub(crate) mod vitals;

use actix_web::web;

/// Configures the public listener: all routes, and a 404 problem for any other path.
pub fn configure(app: &mut web::ServiceConfig) {
    api::routes().register(app);
    pages::configure(app);
    app.default_service(web::to(reply::route_not_found));
}
