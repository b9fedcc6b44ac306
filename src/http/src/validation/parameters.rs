//! The parameters of an address.

use serde_json::Value;
use utoipa::{IntoParams, openapi::path::ParameterIn};

use super::{
    compile,
    shape::{Kind, Member, Shape},
    wrong::{Problems, Wrong},
};
use domain::refusal::FieldProblem;

/// Bytes of a query string, at most. Our default.
const LONGEST_QUERY: usize = 8192;
/// Parameters of an address, at most; no route has as many. Our default.
const MOST_PARAMETERS: usize = 64;

/// All parameters that an address may carry.
#[derive(Debug)]
pub struct Parameters(Vec<Member>);

/// The parameters of a type.
pub fn of_type<T: IntoParams>() -> Parameters {
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

/// No parameters at all.
pub const fn none() -> Parameters {
    Parameters(Vec::new())
}

impl Parameters {
    /// Everything that is wrong with a query string.
    pub fn check(&self, query: &str) -> Vec<FieldProblem> {
        let mut problems = Problems::default();
        // Counted before anything is taken apart.
        if query.len() > LONGEST_QUERY {
            problems.add(&Wrong::Long(LONGEST_QUERY));
            return problems.done();
        }
        if query.bytes().filter(|byte| *byte == b'&').count() >= MOST_PARAMETERS {
            problems.add(&Wrong::Many(MOST_PARAMETERS));
            return problems.done();
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
        problems.done()
    }
}

/// Everything in an address is text; what should be another type is read as
/// one, and stays text, which is then the wrong type, where that fails.
fn as_value(kind: &Kind, text: &str) -> Value {
    let text_itself = || Value::from(text);
    match kind {
        Kind::Bool => text.parse::<bool>().map_or_else(|_| text_itself(), Value::from),
        // Digits beyond 64 bits are a number out of range.
        Kind::Whole { .. } => text.parse::<i64>().map(Value::from).unwrap_or_else(|error| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            match error.kind() {
                PosOverflow => Value::from(u64::MAX),
                NegOverflow => Value::from(-1e19),
                _ => text_itself(),
            }
        }),
        _ => text_itself(),
    }
}
