//! FLOOR 4: the doors. HTTP requests become service calls, answers become
//! JSON or problems. No rule is decided here, and no SQL is written.

pub mod address;
pub mod api;
pub mod auth;
pub mod body;
pub mod connections;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod reading;
pub mod realtime;
pub mod reply;
pub mod routes;
pub mod signed;
pub mod span;
pub mod token_cache;
mod unread;

use actix_web::web;

/// Everything behind the socket: the routes, and problems for the rest.
pub fn configure(app: &mut web::ServiceConfig) {
    api::routes().register(app);
    pages::configure(app);
    app.default_service(web::to(reply::route_not_found));
}
