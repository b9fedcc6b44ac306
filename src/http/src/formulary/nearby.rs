//! What a doctor sees of the formulary: first what can be vended here now, then where else it is.

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::{
    auth::Doctor,
    body::{Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{ConsultationId, PrescriptionId};
use service::{
    AppState,
    formulary::nearby::{self, FormularyChoices, SupplyStations},
};

const DEFAULT_CHOICES: u32 = 20;

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/consultations/{id}/formulary", choices)
        .get("/api/v1/prescriptions/{id}/stations", stations);
}

#[derive(OpenApi)]
#[openapi(paths(choices, stations))]
pub(crate) struct Doc;

/// What is searched for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChoiceQuery {
    /// As in the search for products; everything if left out.
    #[param(max_length = 60)]
    search: Option<String>,
    /// Maximum number of products; 20 if left out.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<u32>,
}

/// The formulary of a consultation's station: first what its cabinet can vend now
///
/// Then the others, each with the nearest other station that can vend it now. Packs on earlier open drafts of
/// others do not count: they are held softly, until the draft is signed, withdrawn, or older than the policy's
/// `draft_hold_minutes`. They can be prescribed all the same; whoever orders and pays first has them.
#[utoipa::path(get, path = "/api/v1/consultations/{id}/formulary", operation_id = "getConsultationFormulary",
    tag = "formulary", params(("id" = ConsultationId, Path), ChoiceQuery),
    responses((status = 200, body = FormularyChoices)))]
async fn choices(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<ConsultationId>,
    query: Query<ChoiceQuery>,
) -> Reply {
    let (search, limit) = (query.0.search.unwrap_or_default(), query.0.limit.unwrap_or(DEFAULT_CHOICES));
    reply::json(&request, nearby::choices(&app, caller.0, id.0, &search, limit).await)
}

/// The stations that have all lines of a prescription now, the nearest to its consultation first
#[utoipa::path(get, path = "/api/v1/prescriptions/{id}/stations", operation_id = "getPrescriptionStations",
    tag = "formulary", params(("id" = PrescriptionId, Path)),
    responses((status = 200, body = SupplyStations)))]
async fn stations(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<PrescriptionId>,
) -> Reply {
    reply::json(&request, nearby::stations_with_all(&app, caller.0, id.0).await)
}
