//! Offers and duty status, for doctors.

use std::{collections::HashSet, ops::ControlFlow, sync::Arc, time::Duration};

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi, PartialSchema};

use crate::{
    auth::Doctor,
    body::{Body, IdempotencyKey, Path, Query},
    process::Process,
    reply::{self, Reply},
    routes::Routes,
};
use coordination::{LivenessKey, Topic};
use domain::{
    ids::{OfferId, StaffId},
    spelling,
};
use service::{
    AppState,
    consultation::{AcceptInput, ConsultationView, DeclineInput, Declined, OffersView},
    matching::duty::{DutyInput, DutyView},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/duty", duty_fetch)
        .put("/api/v1/duty", duty_set)
        .get("/api/v1/offers", list)
        .post("/api/v1/offers/{id}/accept", accept)
        .post("/api/v1/offers/{id}/decline", decline);
}

#[derive(OpenApi)]
#[openapi(paths(duty_fetch, duty_set, list, accept, decline))]
pub(crate) struct Doc;

/// My duty status
#[utoipa::path(get, path = "/api/v1/duty", operation_id = "getDuty",
    tag = "matching", responses((status = 200, body = DutyView)))]
async fn duty_fetch(caller: Doctor, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app
        .poll_found(caller.actor(), move |conn, app, live| {
            service::matching::duty::fetch(conn, live, caller.0, app.now())
        })
        .await;
    reply::json(&request, outcome)
}

/// Go on duty, or off duty
#[utoipa::path(put, path = "/api/v1/duty", operation_id = "setDuty",
    tag = "matching", request_body = DutyInput,
    responses((status = 200, body = DutyView)))]
async fn duty_set(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: Body<DutyInput>,
) -> Reply {
    reply::json(
        &request,
        app.write(caller.actor(), move |tx| service::matching::duty::set(tx, caller.0, &body.0)).await,
    )
}

/// What a doctor's screen waits for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OffersWait {
    /// Seconds to wait for an offer; 0 if left out.
    #[param(schema_with = spelling::wait_seconds)]
    wait: Option<u32>,
    /// Ids of the offers that the screen shows, separated by commas; none if left out.
    #[param(schema_with = spelling::OfferIds::schema)]
    shown: Option<String>,
}

impl OffersWait {
    fn shows_all(&self, offers: &OffersView) -> bool {
        let shown: HashSet<OfferId> =
            self.shown.iter().flat_map(|ids| ids.split(',')).filter_map(|id| id.parse().ok()).collect();
        offers.items.iter().all(|offer| shown.contains(&offer.id))
    }
}

/// My open offers; waits up to `wait` seconds while there is none but those that are `shown`
#[utoipa::path(get, path = "/api/v1/offers", operation_id = "listOffers", tag = "matching", params(OffersWait),
    responses((status = 200, body = OffersView)))]
async fn list(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    process: Data<Process>,
    wanted: Query<OffersWait>,
) -> Reply {
    let wanted = &wanted.0;
    let read = async |_| {
        let offers = app
            .poll_health(caller.actor(), move |conn, app, shown, live| {
                service::consultation::open_of(conn, app, shown, live, caller.0)
            })
            .await?
            .unwrap_or_default();
        Ok(if wanted.shows_all(&offers) { ControlFlow::Continue(offers) } else { ControlFlow::Break(offers) })
    };
    let topic = Topic::Offers(caller.0.staff);
    let wait = Duration::from_secs(wanted.wait.unwrap_or(0).into());
    let poll = process.long_poll(&app, topic, wait, |_| None, read);
    reply::json(&request, heard_while(&app, caller.0.staff, poll).await)
}

/// The longest silence of a doctor whose poll waits. Our default: half of the default of `heard_within_s`.
const HEARD_EVERY: Duration = Duration::from_secs(15);

/// A doctor whose poll waits counts as heard all the time, and not only when it began.
async fn heard_while<T>(app: &AppState, doctor: StaffId, poll: impl Future<Output = T>) -> T {
    let ping = Duration::from_millis(app.policy.realtime.ping_ms).min(HEARD_EVERY);
    let mut poll = std::pin::pin!(poll);
    loop {
        match tokio::time::timeout(ping, &mut poll).await {
            Ok(answer) => return answer,
            Err(_) => app.coordination.heard(LivenessKey::Staff(doctor), app.now()),
        }
    }
}

/// Accept an offer
#[utoipa::path(post, path = "/api/v1/offers/{id}/accept", operation_id = "acceptOffer",
    tag = "matching", params(("id" = OfferId, Path)),
    request_body = AcceptInput, responses((status = 200, body = ConsultationView)))]
async fn accept(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<OfferId>,
    body: Body<AcceptInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::consultation::accept(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Decline an offer
#[utoipa::path(post, path = "/api/v1/offers/{id}/decline", operation_id = "declineOffer",
    tag = "matching", params(("id" = OfferId, Path)),
    request_body = DeclineInput, responses((status = 200, body = Declined)))]
async fn decline(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<OfferId>,
    body: Body<DeclineInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::consultation::decline(tx, caller.0, id.0, &body.0)
    })
    .await
}
