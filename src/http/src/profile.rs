//! A worker's own health profile.

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Worker,
    body::{Body, IfMatch},
    reply::{self, Reply},
    routes::Routes,
};
use service::{
    AppState,
    profile::{HealthProfile, ProfileInput},
};

pub fn add(routes: &mut Routes) {
    routes.get("/api/v1/me/profile", fetch).put("/api/v1/me/profile", put);
}

#[derive(OpenApi)]
#[openapi(paths(fetch, put))]
pub(crate) struct Doc;

/// My health profile; its version is the ETag, "0" while it is empty
#[utoipa::path(get, path = "/api/v1/me/profile", operation_id = "getMyProfile", tag = "profile",
    responses((status = 200, body = HealthProfile)))]
async fn fetch(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let worker = caller.0.worker;
    let outcome = app
        .read(caller.actor(), move |conn, app| {
            let (version, profile) = service::profile::fetch(conn, app, worker)?;
            Ok((version, service::profile::shown(app, profile)))
        })
        .await;
    reply::versioned(&request, outcome)
}

/// Replace my health profile, if its version is still the one that I read
#[utoipa::path(put, path = "/api/v1/me/profile", operation_id = "replaceMyProfile",
    tag = "profile", request_body = ProfileInput,
    responses((status = 200, body = HealthProfile)))]
async fn put(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    version: IfMatch,
    body: Body<ProfileInput>,
) -> Reply {
    let outcome = app
        .write(caller.actor(), move |tx| {
            let (version, profile) = service::profile::put(tx, caller.0, &version.0, &body.0)?;
            Ok((version, service::profile::shown(tx.app, profile)))
        })
        .await;
    reply::versioned(&request, outcome)
}
