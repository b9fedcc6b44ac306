//! OpenAPI links: from an answer to the next steps of a visit, for readers and for tools
//! that follow them.

use serde_json::Value;
use utoipa::openapi::{OpenApi, RefOr, link::LinkBuilder};

/// From the successful answer of an operation to the operations that may follow, with the value
/// in the answer that becomes their path parameter.
type IdLinks = (&'static str, &'static str, &'static [&'static str]);

const ID_LINKS: &[IdLinks] = &[
    ("checkIn", "$response.body#/check_in/id", CHECK_IN),
    ("checkInWalkIn", "$response.body#/check_in/id", CHECK_IN),
    ("requestConsultation", "$response.body#/id", CONSULTATION),
    ("listConsultations", "$response.body#/items/0/id", CONSULTATION),
    ("listOffers", "$response.body#/items/0/consultation_id", CONSULTATION),
    ("acceptOffer", "$response.body#/id", CONSULTATION),
    ("draftPrescription", "$response.body#/id", PRESCRIPTION),
    ("listPrescriptions", "$response.body#/items/0/id", PRESCRIPTION),
    ("listReviews", "$response.body#/items/0/id", REVIEW),
    ("placeOrder", "$response.body#/id", ORDER),
    ("listOrders", "$response.body#/items/0/id", ORDER),
    ("payOrder", "$response.body#/units/0/attempt/id", &["startAttempt", "resolveAttempt"]),
    ("pollWork", "$response.body#/items/0/attempt", &["startAttempt"]),
    ("listCabinets", "$response.body#/items/0/id", &["getCabinet"]),
    ("listIncidents", "$response.body#/items/0/id", &["closeIncident"]),
    ("addStation", "$response.body#/id", &["getStation"]),
    ("listStations", "$response.body#/items/0/id", &["getStation"]),
    ("inviteStaff", "$response.body#/staff/id", &["getStaff", "disableStaff"]),
    ("listStaff", "$response.body#/items/0/staff/id", &["getStaff"]),
    ("addShift", "$response.body#/id", &["getShift", "cancelShift"]),
    ("addShiftRule", "$response.body#/id", &["getShiftRule", "endShiftRule"]),
    ("listShiftRules", "$response.body#/items/0/id", &["getShiftRule"]),
    ("addLeave", "$response.body#/id", &["endLeave"]),
    ("listLetters", "$response.body#/items/0/id", &["resendLetter"]),
    ("registerWorker", "$response.body#/id", &["getWorker"]),
    ("findWorkers", "$response.body#/items/0/id", &["getWorker"]),
];

const CHECK_IN: &[&str] = &["getCheckIn", "renewWorkerToken", "leaveCheckIn"];
const CONSULTATION: &[&str] = &[
    "getConsultation",
    "cancelConsultation",
    "listMessages",
    "sendMessage",
    "getPatientRecord",
    "draftPrescription",
    "completeConsultation",
    "reportNoShow",
    "transferConsultation",
    "rateConsultation",
];
const PRESCRIPTION: &[&str] =
    &["getPrescription", "signPrescription", "approvePrescription", "returnPrescription", "voidPrescription"];
const REVIEW: &[&str] = &["getPrescription", "approvePrescription", "returnPrescription"];
const ORDER: &[&str] = &["getOrder", "payOrder", "cancelOrder"];

/// A link to an operation that takes other parameters than an id, or a value in its body.
struct ParameterLink {
    from: &'static str,
    to: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    /// A member of the body and its value. A link can state only a whole body, so it is in words.
    body: Option<(&'static str, &'static str)>,
}

const PARAMETER_LINKS: &[ParameterLink] = &[
    ParameterLink {
        from: "listOffers",
        to: "acceptOffer",
        parameters: &[("id", "$response.body#/items/0/id")],
        body: Some(("fence", "$response.body#/items/0/fence")),
    },
    ParameterLink {
        from: "listOffers",
        to: "declineOffer",
        parameters: &[("id", "$response.body#/items/0/id")],
        body: Some(("fence", "$response.body#/items/0/fence")),
    },
    ParameterLink {
        from: "getPrescription",
        to: "replacePrescription",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "getMyProfile",
        to: "replaceMyProfile",
        parameters: &[("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "getStaff",
        to: "changeStaff",
        parameters: &[("id", "$response.body#/staff/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "getShift",
        to: "changeShift",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "getShiftRule",
        to: "changeShiftRule",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
        body: None,
    },
    ParameterLink {
        from: "getPrescription",
        to: "placeOrder",
        parameters: &[],
        body: Some(("prescription_id", "$response.body#/id")),
    },
    ParameterLink {
        from: "addStation",
        to: "createEnrolmentCode",
        parameters: &[],
        body: Some(("station_id", "$response.body#/id")),
    },
    ParameterLink {
        from: "searchProducts",
        to: "getProduct",
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
        let link = match wanted.body {
            Some((member, value)) => link.description(format!("With `{member}` = `{value}` in the body.")),
            None => link,
        };
        put(document, wanted.from, wanted.to, link)?;
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
        assert_eq!(link("listOffers", "listCabinets"), Ok(()));
        assert_eq!(link("listOffers", "x"), Err("a link leads to x, which is not there".to_owned()));
        assert_eq!(link("x", "listOffers"), Err("a link comes from x, which is not there".to_owned()));
    }
}
