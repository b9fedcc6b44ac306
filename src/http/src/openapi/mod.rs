//! The OpenAPI document, generated from the handlers. What applies to every
//! route (allowed roles, headers, problems, links) is added from the route table,
//! so that it cannot be forgotten for a single one.

pub(crate) mod links;
pub(crate) mod operations;
pub(crate) mod problems;
pub(crate) mod schemas;

use utoipa::{
    OpenApi,
    openapi::{
        RefOr,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{audit, devices, network, profile, report, staff, vitals};
use crate::{
    alert,
    api::routes,
    check_in::{self, phone_code},
    consultation, formulary, letter, matching,
    network::{access, me, merge, worker_change},
    order, pages, prescription,
    problem::{ProblemBody, ProblemField},
    review,
    routes::RouteLine,
    staff::session,
    stock,
    validation::schemas::set_bounds,
    vend,
};
use domain::{
    policy::Policy,
    staff::role::{Kind, Role},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Waystation",
        description = "The backend of a network of health points for people who work outdoors.\n\n\
            Errors are problems (RFC 9457) with a stable `code`; each bad field or parameter has an entry \
            of its own in `errors`. Sentences come in Chinese, or in English where `Accept-Language` \
            prefers it. Objects of requests are closed: an unknown field is refused, and so are a member \
            that stands twice and a text that holds U+0000. A body is at most 256 KiB."
    ),
    components(schemas(ProblemBody, ProblemField))
)]
struct Base;

fn parts() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        access::Doc::openapi(),
        alert::Doc::openapi(),
        audit::Doc::openapi(),
        vend::Doc::openapi(),
        worker_change::Doc::openapi(),
        stock::Doc::openapi(),
        check_in::Doc::openapi(),
        consultation::Doc::openapi(),
        devices::Doc::openapi(),
        letter::Doc::openapi(),
        me::Doc::openapi(),
        network::Doc::openapi(),
        matching::Doc::openapi(),
        order::Doc::openapi(),
        pages::Doc::openapi(),
        phone_code::Doc::openapi(),
        merge::Doc::openapi(),
        prescription::Doc::openapi(),
        formulary::Doc::openapi(),
        profile::Doc::openapi(),
        report::Doc::openapi(),
        review::Doc::openapi(),
        staff::Doc::openapi(),
        session::Doc::openapi(),
        vitals::Doc::openapi(),
        crate::events::Doc::openapi(),
    ]
}

/// The whole document under this policy. Apart from the policy's numbers it is built from constants
/// only, so any test that builds it shows that the `expect` in here cannot fail.
pub fn document(policy: &Policy) -> utoipa::openapi::OpenApi {
    let mut document = Base::openapi();
    for part in parts() {
        document.merge(part);
    }
    let components = document.components.get_or_insert_default();
    let bounds = service::bounds::of(policy);
    for (name, schema) in &mut components.schemas {
        set_bounds(&bounds, name, schema);
    }
    for role in Role::ALL {
        components.security_schemes.insert(role.as_str().to_owned(), RefOr::T(scheme_of(*role)));
    }
    for (name, response) in problems::responses() {
        components.responses.insert(name, RefOr::T(response));
    }
    for line in routes().lines() {
        if let Some(operation) = operation_mut(&mut document, line) {
            operations::complete(operation, line);
        }
    }
    links::add(&mut document).expect("links name operations that are there, or a test has failed");
    schemas::close_requests(&mut document);
    document
}

fn scheme_of(role: Role) -> SecurityScheme {
    let source = match role.kind() {
        Kind::Screen | Kind::Cabinet => "from `POST /api/v1/tokens/device`, by an assertion of its key",
        Kind::CheckIn => "from a check-in at a station",
        Kind::Staff(_) => "from `POST /api/v1/tokens/staff`, by e-mail, password and one-time code",
    };
    let description = format!("An access token of the role `{role}`, {source}.");
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    SecurityScheme::Http(scheme.description(Some(description)).build())
}

fn operation_mut<'d>(
    document: &'d mut utoipa::openapi::OpenApi,
    line: &RouteLine,
) -> Option<&'d mut Operation> {
    let item = document.paths.paths.get_mut(line.path)?;
    match line.method.as_str() {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        _ => None,
    }
}

/// `POST /api/v1/offers/{id}/accept` -> `post_offers_id_accept`. Handler names cannot be used,
/// because they repeat from file to file.
pub(crate) fn operation_id(line: &RouteLine) -> String {
    let path = line.path.trim_start_matches("/api/v1");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(line.method.as_str().to_lowercase(), |id, word| id + "_" + word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The shape of a body is compiled at its first use; this test finds anything that would panic
    /// there.
    #[test]
    fn every_body_of_the_document_compiles_to_a_shape() {
        let document = serde_json::to_value(document(&Policy::default())).expect("JSON");
        let named =
            document["components"]["schemas"].as_object().expect("schemas").clone().into_iter().collect();
        let items = document["paths"].as_object().expect("paths");
        let mut bodies = 0;
        for (path, operation) in items
            .iter()
            .flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(_, one)| (path, one)))
        {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_object() {
                println!("{path}: {schema}");
                crate::validation::shape_of(schema, &named);
                bodies += 1;
            }
        }
        assert!(bodies > 30, "{bodies} bodies");
    }

    #[test]
    fn every_bound_of_the_policy_is_published() {
        let document = document(&Policy::default());
        let schemas = &document.components.as_ref().expect("components").schemas;
        for bound in service::bounds::of(&Policy::default()) {
            assert!(schemas.contains_key(bound.schema), "{bound:?}");
        }
    }

    #[test]
    fn no_two_schemas_share_a_name() {
        let mut known: BTreeMap<String, serde_json::Value> = BTreeMap::new();
        for part in parts() {
            for (name, schema) in part.components.unwrap_or_default().schemas {
                let schema = serde_json::to_value(schema).expect("JSON");
                let before = known.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*before, schema, "two types are called {name}");
            }
        }
        assert!(known.len() > 100);
    }
}
