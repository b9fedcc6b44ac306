//! Drug search.

mod nearby;
mod selection;

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::page;
use crate::{
    auth::{DrugNameReader, FormularyReader},
    body::{Body, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use service::{
    AppState,
    formulary::{ProductPage, ProductView},
    safety::names::{self, DrugNamesInput, DrugNamesView},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/products", search)
        .get("/api/v1/products/{code}", fetch)
        .post("/api/v1/drug-names/recognise", recognise);
    selection::add(routes);
    nearby::add(routes);
}

#[derive(OpenApi)]
#[openapi(paths(search, fetch, recognise))]
pub(crate) struct Doc;
pub(crate) use nearby::Doc as NearbyDoc;
pub(crate) use selection::Doc as SelectionDoc;

/// Search parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProductQuery {
    /// Words of a name or brand in Chinese or English, of its pinyin or initials, a code, the beginning of
    /// an ATC code, a barcode or an approval number. Only products that match all of it, the best
    /// match first: equal numbers and names, names that begin with it, codes that begin with it,
    /// pinyin, then parts of any of them; products of the formulary before those that are only known.
    /// No control characters and none that are invisible.
    #[param(max_length = 60)]
    search: Option<String>,
    /// The `next_after` of the page before; or only products after this code.
    #[param(max_length = 43)]
    after: Option<String>,
    /// Maximum number of products; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Products of the catalogue, by code; or those that match a search, best first
#[utoipa::path(get, path = "/api/v1/products", operation_id = "searchProducts",
    tag = "formulary", params(ProductQuery),
    responses((status = 200, body = ProductPage)))]
async fn search(
    caller: FormularyReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<ProductQuery>,
) -> Reply {
    let ProductQuery { search, after, limit } = query.0;
    let limit = limit.unwrap_or(page::DEFAULT_LIMIT);
    let outcome = service::formulary::search(&app, caller.0, search.unwrap_or_default(), after, limit).await;
    reply::page(&request, outcome)
}

/// One product of the catalogue
#[utoipa::path(get, path = "/api/v1/products/{code}", operation_id = "getProduct",
    tag = "formulary", params(("code" = String, Path)),
    responses((status = 200, body = ProductView)))]
async fn fetch(
    caller: FormularyReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    code: Path<String>,
) -> Reply {
    let outcome = app
        .poll_found(caller.0, move |conn, app, live| service::formulary::fetch(conn, app, live, &code.0))
        .await;
    reply::json(&request, outcome)
}

/// How typed names of medicines and allergies are understood; nothing is stored
// The names are in the body, since addresses of requests are logged.
#[utoipa::path(post, path = "/api/v1/drug-names/recognise", operation_id = "recogniseDrugNames",
    tag = "formulary", request_body = DrugNamesInput,
    responses((status = 200, body = DrugNamesView)))]
async fn recognise(
    caller: DrugNameReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: Body<DrugNamesInput>,
) -> Reply {
    let outcome = app
        .read(caller.0, move |_, app| Ok(names::understood(app, &body.0.medicines, &body.0.allergies)))
        .await;
    reply::json(&request, outcome)
}
