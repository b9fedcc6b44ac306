//! Codes sent to phones, typed at the screen that asked for them.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Station,
    body::{Body, IdempotencyKey},
    reply::{self, Reply},
    routes::Routes,
};
use service::{
    AppState,
    check_in::phone_code::{PhoneCodeRequest, PhoneCodeSent},
};

pub fn add(routes: &mut Routes) {
    routes.post("/api/v1/phone-codes", send);
}

#[derive(OpenApi)]
#[openapi(paths(send))]
pub(crate) struct Doc;

/// Send a code to a phone; the answer does not reveal whether anybody is registered with it
#[utoipa::path(post, path = "/api/v1/phone-codes", operation_id = "sendPhoneCode",
    tag = "check-in", request_body = PhoneCodeRequest,
    responses((status = 201, body = PhoneCodeSent)))]
async fn send(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<PhoneCodeRequest>,
) -> Reply {
    let station = caller.0.station;
    let purpose = body.0.purpose;
    let (sending, outcome) = reply::idempotent_prepared(
        &request,
        &app,
        caller.actor(),
        key,
        service::check_in::phone_code::may_send(&app, station, &body.0),
        move |tx, sending| service::check_in::phone_code::send(tx, station, &sending.phone, purpose),
    )
    .await;
    if let Some(sending) = sending {
        sending.settle(&app, &outcome).await;
    }
    reply::answer_idempotent(&request, StatusCode::CREATED, outcome)
}
