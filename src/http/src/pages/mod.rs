//! Pages for browsers: the front page, the API documentation, and documents at
//! well-known paths; and the forms of a prescription to print, which only those who may
//! read it get. Nothing on a page comes from another host, and no public page contains
//! personal data.

pub(crate) mod front;
pub mod headers;
pub(crate) mod links;
pub(crate) mod prescription;
pub(crate) mod problems;
pub(crate) mod ready;

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Data},
};
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{auth::Anyone, process::Process, routes::Routes};
use service::AppState;

const DOCUMENT_PATH: &str = "/api/v1/openapi.json";

/// Adds this folder's routes.
pub fn add(routes: &mut Routes) {
    routes
        .get("/", front::page)
        .get("/front.css", front::style)
        .get("/front.js", front::script)
        .get("/staff/password", links::password)
        .get("/staff/email", links::email)
        .get("/links.css", links::style)
        .get("/links.js", links::script)
        .get("/verify/{code}", prescription::verify)
        .get("/verify.css", prescription::style)
        .get("/problems/{code}", problems::explain)
        .get("/docs", docs)
        .get("/healthz", health)
        .get("/readyz", ready::ready)
        .get("/.well-known/jwks.json", jwks)
        .get(DOCUMENT_PATH, document);
}

/// This folder's part of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(health, ready::ready, jwks, problems::explain))]
pub(crate) struct Doc;

/// Adds Swagger UI, which serves its own files.
pub fn configure(app: &mut web::ServiceConfig) {
    let config = Config::new([DOCUMENT_PATH]).deep_linking(true).default_models_expand_depth(0);
    app.service(SwaggerUi::new("/docs/{tail:.*}").config(config));
}

async fn docs(_: Anyone) -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// Whether this process answers
#[utoipa::path(get, path = "/healthz", operation_id = "checkHealth", tag = "public",
    responses((status = 200, description = "It answers", body = serde_json::Value)))]
async fn health(_: Anyone) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({"status": "ok"}))
}

/// The public keys that tokens and vend authorizations verify with (RFC 7517)
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "getKeySet", tag = "public",
    responses((status = 200, description = "A JWK set", body = serde_json::Value)))]
async fn jwks(_: Anyone, app: Data<Arc<AppState>>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .json(app.keys.tokens.jwks())
}

async fn document(_: Anyone, process: Data<Process>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(process.schemas.document().to_owned())
}
