//! The OpenAPI document, generated from the handlers. What applies to every
//! route (allowed roles, headers, problems, links) is added from the route table,
//! so that it cannot be forgotten for a single one.

pub(crate) mod examples;
pub(crate) mod headers;
pub(crate) mod links;
pub(crate) mod operations;
pub(crate) mod problems;
pub(crate) mod schemas;
pub(crate) mod unions;

use utoipa::{
    OpenApi,
    openapi::{
        Paths, RefOr,
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
    network::{access, coverage, department, me, merge, roster, worker_change},
    order, pages, prescription,
    problem::{ProblemBody, ProblemField},
    review,
    routes::{IF_MATCH, RouteLine},
    safety,
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
        // That of the interface: it is raised with a change that breaks callers, whatever the program's is.
        version = "0.3.0",
        description = "The backend of a network of health points for people who work outdoors.\n\n\
            Errors are problems (RFC 9457) with a stable `code`; each bad field or parameter has an entry \
            of its own in `errors`. Sentences come in Chinese, or in English where `Accept-Language` \
            prefers it. Objects of requests are closed: an unknown field is refused, and so are a member \
            that stands twice and a text that holds U+0000. A body is at most 256 KiB."
    ),
    servers((url = "/", description = "The server that published this document")),
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
        coverage::Doc::openapi(),
        devices::Doc::openapi(),
        letter::Doc::openapi(),
        me::Doc::openapi(),
        network::Doc::openapi(),
        department::Doc::openapi(),
        matching::Doc::openapi(),
        order::Doc::openapi(),
        pages::Doc::openapi(),
        phone_code::Doc::openapi(),
        merge::Doc::openapi(),
        prescription::Doc::openapi(),
        formulary::Doc::openapi(),
        formulary::SelectionDoc::openapi(),
        formulary::NearbyDoc::openapi(),
        safety::Doc::openapi(),
        profile::Doc::openapi(),
        report::Doc::openapi(),
        roster::Doc::openapi(),
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
    unions::refer_to_items(&mut components.schemas);
    unions::name_variants(&mut components.schemas);
    unions::require_tags(&mut components.schemas);
    components.schemas.values_mut().for_each(unions::allow_null_by_any_of);
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(bearer()));
    for (name, response) in problems::responses() {
        components.responses.insert(name, RefOr::T(response));
    }
    headers::declare(components);
    let (routes, examples) = (routes(), examples::all());
    for line in routes.lines() {
        if let Some(operation) = operation_mut(&mut document.paths, line) {
            let edits = |known: &RouteLine| known.path == line.path && known.takes(IF_MATCH);
            operations::complete(operation, line, routes.lines().iter().any(edits), components);
            examples::add(operation, &examples);
        }
    }
    links::add(&mut document).expect("links name operations that are there, or a test has failed");
    schemas::close_requests(&mut document);
    document
}

/// The name of the one security scheme. The roles that may call an operation are the scopes of its
/// requirements.
const BEARER: &str = "bearer";

fn bearer() -> SecurityScheme {
    let mut description = "An access token. It has one role; an operation names the roles that may call \
        it as scopes, each in a requirement of its own, any of which is enough.\n"
        .to_owned();
    for role in Role::ALL {
        let source = match role.kind() {
            Kind::Screen | Kind::Cabinet => "from `POST /api/v1/tokens/device`, by an assertion of its key",
            Kind::CheckIn => "from a check-in at a station",
            Kind::Staff(_) => "from `POST /api/v1/tokens/staff`, by e-mail, password and one-time code",
        };
        description += &format!("\n- `{role}`: {source}");
    }
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    SecurityScheme::Http(scheme.description(Some(description)).build())
}

fn operation_mut<'p>(paths: &'p mut Paths, line: &RouteLine) -> Option<&'p mut Operation> {
    let item = paths.paths.get_mut(line.path)?;
    match line.method.as_str() {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::validation::wrong::Problems;

    /// The shape of a body is compiled at its first use; this test finds anything that would panic
    /// there, and shows that the shape accepts the examples.
    #[test]
    fn every_body_of_the_document_compiles_to_a_shape_that_accepts_its_examples() {
        let document = serde_json::to_value(document(&Policy::default())).expect("JSON");
        let named =
            document["components"]["schemas"].as_object().expect("schemas").clone().into_iter().collect();
        let items = document["paths"].as_object().expect("paths");
        let mut bodies = 0;
        for (path, operation) in items
            .iter()
            .flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(_, one)| (path, one)))
        {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_object() {
                println!("{path}: {content}");
                let shape = crate::validation::shape_of(&content["schema"], &named);
                for (name, example) in content["examples"].as_object().expect("an example of every body") {
                    let mut problems = Problems::default();
                    shape.check(&example["value"], &mut problems);
                    let found = problems.into_found();
                    assert!(found.is_empty(), "{name} of {path}: {found:?}");
                }
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
