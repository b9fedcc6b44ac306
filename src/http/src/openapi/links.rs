//! What an answer leads to: the steps of a visit, for readers and for tools
//! that walk them.

use serde_json::{Value, json};
use utoipa::openapi::{OpenApi, RefOr, link::LinkBuilder};

/// From an operation's good answer, by a value in it, to what may come next.
/// The value becomes the path's parameter.
type Line = (&'static str, &'static str, &'static [&'static str]);

const LINES: &[Line] = &[
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

/// From an answer to an operation that takes more than an id.
struct Rich {
    from: &'static str,
    to: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    body: Option<fn() -> Value>,
}

const RICH: &[Rich] = &[
    Rich {
        from: "get_offers",
        to: "post_offers_id_accept",
        parameters: &[("id", "$response.body#/items/0/id")],
        body: Some(|| json!({"fence": "$response.body#/items/0/fence"})),
    },
    Rich {
        from: "get_offers",
        to: "post_offers_id_decline",
        parameters: &[("id", "$response.body#/items/0/id")],
        body: Some(|| json!({"fence": "$response.body#/items/0/fence"})),
    },
    Rich {
        from: "get_prescriptions_id",
        to: "put_prescriptions_id",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    Rich {
        from: "get_me_profile",
        to: "put_me_profile",
        parameters: &[("If-Match", "$response.header.ETag")],
        body: None,
    },
    Rich {
        from: "get_staff_id",
        to: "put_staff_id",
        parameters: &[("id", "$response.body#/staff/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    Rich {
        from: "get_shifts_id",
        to: "put_shifts_id",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    Rich {
        from: "get_prescriptions_id",
        to: "post_orders",
        parameters: &[],
        body: Some(|| json!({"prescription_id": "$response.body#/id"})),
    },
    Rich {
        from: "post_stations",
        to: "post_enrolment_codes",
        parameters: &[],
        body: Some(|| json!({"kind": "station", "station_id": "$response.body#/id"})),
    },
    Rich {
        from: "get_products",
        to: "get_products_code",
        parameters: &[("code", "$response.body#/items/0/code")],
        body: None,
    },
];

/// Adds the links to the good answers of their operations.
///
/// # Errors
/// Which line names an operation that is not there.
pub fn add(document: &mut OpenApi) -> Result<(), String> {
    for (from, value, targets) in LINES {
        for to in *targets {
            let link = LinkBuilder::new().operation_id(*to).parameter("id", Value::from(*value));
            put(document, from, to, link)?;
        }
    }
    for rich in RICH {
        let link = LinkBuilder::new().operation_id(rich.to);
        let link = rich
            .parameters
            .iter()
            .fold(link, |link, (name, value)| link.parameter(*name, Value::from(*value)));
        put(document, rich.from, rich.to, link.request_body(rich.body.map(|make| make())))?;
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
    fn a_link_from_or_to_nowhere_is_told_by_name() {
        let mut document = crate::openapi::document();
        let mut link = |from, to| put(&mut document, from, to, LinkBuilder::new());
        assert_eq!(link("get_offers", "get_cabinets"), Ok(()));
        assert_eq!(link("get_offers", "x"), Err("a link leads to x, which is not there".to_owned()));
        assert_eq!(link("x", "get_offers"), Err("a link comes from x, which is not there".to_owned()));
    }
}
