//! OpenAPI links: from an answer to the next steps of a visit, for readers and for tools
//! that follow them.

use serde_json::{Value, json};
use utoipa::openapi::{OpenApi, RefOr, link::LinkBuilder};

/// From the successful answer of an operation to the operations that may follow, with the value
/// in the answer that becomes their path parameter.
type IdLinks = (&'static str, &'static str, &'static [&'static str]);

const ID_LINKS: &[IdLinks] = &[
    ("post_check_ins", "$response.body#/check_in/id", CHECK_IN),
    ("post_check_ins_walk_in", "$response.body#/check_in/id", CHECK_IN),
    ("post_consultations", "$response.body#/id", CONSULTATION),
    ("get_consultations", "$response.body#/items/0/id", CONSULTATION),
    ("get_offers", "$response.body#/items/0/consultation_id", CONSULTATION),
    ("post_offers_id_accept", "$response.body#/id", CONSULTATION),
    ("post_consultations_id_prescriptions", "$response.body#/id", PRESCRIPTION),
    ("get_prescriptions", "$response.body#/items/0/id", PRESCRIPTION),
    ("get_reviews", "$response.body#/items/0/id", REVIEW),
    ("post_orders", "$response.body#/id", ORDER),
    ("get_orders", "$response.body#/items/0/id", ORDER),
    (
        "post_orders_id_pay",
        "$response.body#/units/0/attempt/id",
        &["post_cabinet_v1_attempts_id_start", "post_attempts_id_resolve"],
    ),
    ("get_cabinet_v1_work", "$response.body#/items/0/attempt", &["post_cabinet_v1_attempts_id_start"]),
    ("get_cabinets", "$response.body#/items/0/id", &["get_cabinets_id"]),
    ("get_incidents", "$response.body#/items/0/id", &["post_incidents_id_close"]),
    ("post_stations", "$response.body#/id", &["get_stations_id"]),
    ("get_stations", "$response.body#/items/0/id", &["get_stations_id"]),
    ("post_staff", "$response.body#/staff/id", &["get_staff_id", "post_staff_id_disable"]),
    ("get_staff", "$response.body#/items/0/staff/id", &["get_staff_id"]),
    ("post_shifts", "$response.body#/id", &["get_shifts_id", "post_shifts_id_cancel"]),
    ("get_letters", "$response.body#/items/0/id", &["post_letters_id_resend"]),
    ("post_workers", "$response.body#/id", &["get_workers_id"]),
    ("get_workers", "$response.body#/items/0/id", &["get_workers_id"]),
];

const CHECK_IN: &[&str] = &["get_check_ins_id", "post_check_ins_id_token", "post_check_ins_id_leave"];
const CONSULTATION: &[&str] = &[
    "get_consultations_id",
    "post_consultations_id_cancel",
    "get_consultations_id_messages",
    "post_consultations_id_messages",
    "get_consultations_id_record",
    "post_consultations_id_prescriptions",
    "post_consultations_id_complete",
    "post_consultations_id_no_show",
    "post_consultations_id_rating",
];
const PRESCRIPTION: &[&str] = &[
    "get_prescriptions_id",
    "post_prescriptions_id_sign",
    "post_prescriptions_id_approve",
    "post_prescriptions_id_return",
    "post_prescriptions_id_void",
];
const REVIEW: &[&str] =
    &["get_prescriptions_id", "post_prescriptions_id_approve", "post_prescriptions_id_return"];
const ORDER: &[&str] = &["get_orders_id", "post_orders_id_pay", "post_orders_id_cancel"];

/// A link to an operation that takes other parameters than an id.
struct ParameterLink {
    from: &'static str,
    to: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    body: Option<fn() -> Value>,
}

const PARAMETER_LINKS: &[ParameterLink] = &[
    ParameterLink {
        from: "get_offers",
        to: "post_offers_id_accept",
        parameters: &[("id", "$response.body#/items/0/id")],
        body: Some(|| json!({"fence": "$response.body#/items/0/fence"})),
    },
    ParameterLink {
        from: "get_offers",
        to: "post_offers_id_decline",
        parameters: &[("id", "$response.body#/items/0/id")],
        body: Some(|| json!({"fence": "$response.body#/items/0/fence"})),
    },
    ParameterLink {
        from: "get_prescriptions_id",
        to: "put_prescriptions_id",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "get_me_profile",
        to: "put_me_profile",
        parameters: &[("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "get_staff_id",
        to: "put_staff_id",
        parameters: &[("id", "$response.body#/staff/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "get_shifts_id",
        to: "put_shifts_id",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "get_prescriptions_id",
        to: "post_orders",
        parameters: &[],
        body: Some(|| json!({"prescription_id": "$response.body#/id"})),
    },
    ParameterLink {
        from: "post_stations",
        to: "post_enrolment_codes",
        parameters: &[],
        body: Some(|| json!({"kind": "station", "station_id": "$response.body#/id"})),
    },
    ParameterLink {
        from: "get_products",
        to: "get_products_code",
        parameters: &[("code", "$response.body#/items/0/code")],
        body: None,
    },
];

/// Adds the links to the successful answers of their operations.
///
/// # Errors
/// Names an operation that does not exist.
pub fn add(document: &mut OpenApi) -> Result<(), String> {
    for (from, value, targets) in ID_LINKS {
        for to in *targets {
            let link = LinkBuilder::new().operation_id(*to).parameter("id", Value::from(*value));
            put(document, from, to, link)?;
        }
    }
    for wanted in PARAMETER_LINKS {
        let link = LinkBuilder::new().operation_id(wanted.to);
        let link = wanted
            .parameters
            .iter()
            .fold(link, |link, (name, value)| link.parameter(*name, Value::from(*value)));
        put(document, wanted.from, wanted.to, link.request_body(wanted.body.map(|make| make())))?;
    }
    Ok(())
}

fn put(document: &mut OpenApi, from: &str, to: &str, link: LinkBuilder) -> Result<(), String> {
    let known = |name: &str, document: &OpenApi| {
        document.paths.paths.values().any(|item| {
            [&item.get, &item.post, &item.put]
                .into_iter()
                .flatten()
                .any(|operation| operation.operation_id.as_deref() == Some(name))
        })
    };
    if !known(to, document) {
        return Err(format!("a link leads to {to}, which is not there"));
    }
    let operation = document
        .paths
        .paths
        .values_mut()
        .flat_map(|item| [&mut item.get, &mut item.post, &mut item.put])
        .flatten()
        .find(|operation| operation.operation_id.as_deref() == Some(from))
        .ok_or_else(|| format!("a link comes from {from}, which is not there"))?;
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            response.links.insert(to.to_owned(), RefOr::T(link.build()));
            return Ok(());
        }
    }
    Err(format!("a link comes from {from}, which has no good answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_from_or_to_an_unknown_operation_is_named() {
        let mut document = crate::openapi::document(&domain::policy::Policy::default());
        let mut link = |from, to| put(&mut document, from, to, LinkBuilder::new());
        assert_eq!(link("get_offers", "get_cabinets"), Ok(()));
        assert_eq!(link("get_offers", "x"), Err("a link leads to x, which is not there".to_owned()));
        assert_eq!(link("x", "get_offers"), Err("a link comes from x, which is not there".to_owned()));
    }
}
