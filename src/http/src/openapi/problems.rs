//! The problems that an operation can answer with, derived from its inputs and its
//! allowed roles.

use utoipa::openapi::{ContentBuilder, Ref, Response, ResponseBuilder};

use super::headers;
use crate::{
    problem::status_of_code,
    routes::{BODY, IF_MATCH, KEY, PATH, RouteLine},
};
use domain::refusal::Code;

/// All statuses of problems.
const STATUSES: [u16; 16] = [400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503];

/// Routes whose body refers to something that may not exist.
const REFERS_TO_OTHERS: [&str; 10] = [
    "/api/v1/formulary",
    "/api/v1/coverage",
    "/api/v1/enrolment-codes",
    "/api/v1/shifts",
    "/api/v1/shift-rules",
    "/api/v1/leaves",
    "/api/v1/prescriptions/check",
    "/api/v1/orders",
    "/api/v1/lots/recall",
    "/api/v1/duty",
];

/// Routes with a short secret (PIN, code), so that tries are limited.
const COUNTS_TRIES: [&str; 14] = [
    "/api/v1/check-ins",
    "/api/v1/phone-codes",
    "/api/v1/check-ins/pin",
    "/api/v1/me/phone",
    "/api/v1/me/pin",
    "/api/v1/session/signing-window",
    "/api/v1/staff/password",
    "/api/v1/staff/password-reset",
    "/api/v1/staff/link",
    "/api/v1/staff/email",
    "/api/v1/prescriptions/{id}/sign",
    "/api/v1/prescriptions/{id}/approve",
    "/api/v1/offers/{id}/accept",
    "/cabinet/v1/attempts/{id}/start",
];

/// Routes that read data that needs the worker's consent to care.
const NEEDS_CONSENT: [&str; 6] = [
    "/api/v1/prescriptions/{id}",
    "/api/v1/prescriptions/{id}/document",
    "/api/v1/prescriptions/{id}/labels.html",
    "/api/v1/prescriptions/{id}/print.html",
    "/api/v1/consultations/{id}/record",
    "/api/v1/consultations/{id}/messages",
];

/// The statuses of the problems that a route can answer with.
pub fn statuses(line: &RouteLine) -> Vec<u16> {
    let anonymous_proof = line.roles.is_empty() && line.takes(BODY) && !line.path.ends_with("/assess");
    let counts_tries = COUNTS_TRIES.contains(&line.path)
        || line.path.starts_with("/api/v1/tokens/")
        || line.path == "/cabinet/v1/enrol";
    let writes = line.method != actix_web::http::Method::GET;
    let applies = |status: u16| match status {
        400 => line.is_interface(),
        401 => !line.roles.is_empty() || anonymous_proof,
        403 => !line.roles.is_empty(),
        404 => line.takes(PATH) || REFERS_TO_OTHERS.contains(&line.path),
        408 => line.takes(BODY) || line.takes(KEY),
        409 => writes && (line.takes(KEY) || !line.roles.is_empty()),
        412 | 428 => line.takes(IF_MATCH),
        413 => line.takes(BODY) || line.takes(KEY),
        415 => line.takes(BODY),
        422 => line.takes(BODY) || line.takes(KEY) || NEEDS_CONSENT.contains(&line.path),
        429 => counts_tries,
        500 | 503 => true,
        _ => false,
    };
    STATUSES.into_iter().filter(|status| applies(*status)).collect()
}

pub(crate) fn name_of(status: u16) -> String {
    format!("Problem{status}")
}

/// The response of each status, listing its codes.
pub fn responses() -> Vec<(String, Response)> {
    let used = STATUSES.into_iter().filter(|status| !matches!(status, 405 | 406));
    used.map(|status| (name_of(status), response(status))).collect()
}

fn response(status: u16) -> Response {
    let codes: Vec<String> = Code::ALL
        .iter()
        .filter(|code| status_of_code(**code).as_u16() == status)
        .map(|code| format!("`{}`", code.as_str()))
        .collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build();
    let mut response = ResponseBuilder::new()
        .description(format!("A problem (RFC 9457): {}.", codes.join(", ")))
        .content("application/problem+json", content)
        .build();
    headers::of_problem(&mut response, status);
    response
}
