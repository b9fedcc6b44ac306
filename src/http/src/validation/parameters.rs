//! Query parameters.

use serde_json::Value;
use utoipa::{IntoParams, openapi::path::ParameterIn};

use super::{
    compile,
    shape::{Kind, Member, Shape},
    wrong::{Problems, Wrong},
};
use domain::refusal::FieldProblem;

/// Maximum bytes of a query string. Our default.
const MAX_QUERY_BYTES: usize = 8192;
/// Maximum number of query parameters; no route has as many. Our default.
const MAX_PARAMETERS: usize = 64;

/// All query parameters that a route accepts.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<Member>);

pub(crate) fn of_type<T: IntoParams>() -> Parameters {
    let parameters = T::into_params(|| Some(ParameterIn::Query)).into_iter().map(|parameter| Member {
        required: parameter.required == utoipa::openapi::Required::True,
        shape: parameter
            .schema
            .as_ref()
            .map_or(Shape { nullable: false, kind: Kind::Any }, compile::of_plain),
        name: parameter.name,
    });
    Parameters(parameters.collect())
}

pub const fn none() -> Parameters {
    Parameters(Vec::new())
}

impl Parameters {
    /// Everything that is wrong with a query string.
    pub fn check(&self, query: &str) -> Vec<FieldProblem> {
        let mut problems = Problems::default();
        // Checked before the query is parsed.
        if query.len() > MAX_QUERY_BYTES {
            problems.add(&Wrong::Long(MAX_QUERY_BYTES));
            return problems.into_found();
        }
        if query.bytes().filter(|byte| *byte == b'&').count() >= MAX_PARAMETERS {
            problems.add(&Wrong::Many(MAX_PARAMETERS));
            return problems.into_found();
        }
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query)
            .map(actix_web::web::Query::into_inner)
            .unwrap_or_default();
        for (at, (name, text)) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|(before, _)| before == name) {
                problems.add_field(name, &Wrong::Repeated);
                continue;
            }
            let Some(member) = self.0.iter().find(|member| member.name == *name) else {
                problems.add_field(name, &Wrong::Unknown);
                continue;
            };
            problems.path.enter_field(name);
            member.shape.check(&as_value(&member.shape.kind, text), &mut problems);
            problems.path.leave();
        }
        for member in self.0.iter().filter(|member| member.required) {
            if pairs.iter().all(|(name, _)| *name != member.name) {
                problems.add_field(&member.name, &Wrong::Missing);
            }
        }
        problems.into_found()
    }
}

/// Converts the text of a parameter to the expected type. If that fails it stays text, which the
/// check then reports as the wrong type.
fn as_value(kind: &Kind, text: &str) -> Value {
    let unparsed = || Value::from(text);
    match kind {
        Kind::Bool => text.parse::<bool>().map_or_else(|_| unparsed(), Value::from),
        // A number beyond 64 bits is reported as out of range.
        Kind::Integer { .. } => text.parse::<i64>().map(Value::from).unwrap_or_else(|error| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            match error.kind() {
                PosOverflow => Value::from(u64::MAX),
                NegOverflow => Value::from(-1e19),
                _ => unparsed(),
            }
        }),
        _ => unparsed(),
    }
}
