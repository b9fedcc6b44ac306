//! The HTTP layer: routes, authentication, request validation, JSON and problem responses,
//! server-sent events and pages. Handlers call the `service` crate; this crate contains no
//! domain rules and no SQL.

pub mod address;
mod alert;
pub mod api;
mod audit;
pub mod auth;
pub mod body;
mod check_in;
pub mod connections;
mod consultation;
mod devices;
pub mod events;
mod formulary;
mod letter;
mod matching;
pub mod metrics;
mod negotiation;
mod network;
pub mod openapi;
mod order;
mod page;
pub mod pages;
mod prescription;
pub mod problem;
pub mod process;
mod profile;
pub mod reply;
mod report;
mod review;
pub mod routes;
mod safety;
pub mod signed;
pub mod span;
mod staff;
mod stock;
pub mod token_cache;
mod unread;
pub mod validation;
mod vend;
mod vitals;

use actix_web::web;

/// Configures the public listener: all routes, and a 404 problem for any other path.
pub fn configure(app: &mut web::ServiceConfig) {
    api::routes().register(app);
    pages::configure(app);
    app.default_service(web::to(reply::route_not_found));
}
