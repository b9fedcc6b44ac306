//! Validation of requests against the published OpenAPI schema: the schema that is published is
//! the one that is enforced. Every bad field is reported by name, in both languages, and no text
//! of a parser library reaches a message.

pub(crate) mod compile;
pub(crate) mod json;
pub(crate) mod parameters;
pub mod schemas;
pub(crate) mod shape;
pub(crate) mod wrong;

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Arc, LazyLock, RwLock},
};

use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use domain::refusal::{Code, FieldProblem, Refusal};
use json::Unread;
use schemas::Schemas;
use wrong::{Problems, Wrong};

pub(crate) use compile::close_variants;
#[cfg(test)]
pub(crate) use compile::of_schema as shape_of;

/// Maximum number of bad fields reported in one answer.
const MAX_PROBLEMS: usize = 100;

/// The shape of `T`, made at its first use.
fn cached<T: 'static, S>(shapes: &RwLock<HashMap<TypeId, Arc<S>>>, make: impl FnOnce() -> S) -> Arc<S> {
    let id = TypeId::of::<T>();
    if let Some(shape) = shapes.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&id) {
        return Arc::clone(shape);
    }
    let made = Arc::new(make());
    let mut shapes = shapes.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(shapes.entry(id).or_insert(made))
}

/// Parses a JSON body into `T`, or reports everything that is wrong with it.
///
/// # Errors
/// `MalformedBody` when it is not JSON at all, otherwise one entry per bad field.
pub fn body<T: DeserializeOwned + ToSchema + 'static>(schemas: &Schemas, bytes: &[u8]) -> Result<T, Refusal> {
    let shape = schemas.shape_of::<T>();
    let (value, repeated) = json::read(bytes, &shape).map_err(|unread| match unread {
        Unread::Malformed => Refusal::new(Code::MalformedBody),
        Unread::TooMany => Refusal::fields(vec![Wrong::Many(json::MAX_VALUES).into_problem(String::new())]),
    })?;
    let mut problems = Problems::default();
    for field in repeated {
        problems.add_at(field, &Wrong::Repeated);
    }
    shape.check(&value, &mut problems);
    let found = problems.into_found();
    if !found.is_empty() {
        return Err(Refusal::fields(found));
    }
    // A type may have rules beyond its schema. The message of its deserializer is not meant for
    // callers, but the path is.
    serde_path_to_error::deserialize(&value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { path };
        Refusal::fields(vec![Wrong::Invalid.into_problem(field)])
    })
}

/// Parses a query string into `T`, or reports everything that is wrong with it.
///
/// # Errors
/// `InvalidParameter`, with one entry per bad parameter.
pub fn query<T: DeserializeOwned + IntoParams + 'static>(text: &str) -> Result<T, Refusal> {
    static SHAPES: LazyLock<RwLock<HashMap<TypeId, Arc<parameters::Parameters>>>> =
        LazyLock::new(RwLock::default);
    let found = cached::<T, _>(&SHAPES, parameters::of_type::<T>).check(text);
    if !found.is_empty() {
        return Err(bad_parameters(found));
    }
    actix_web::web::Query::<T>::from_query(text)
        .map(actix_web::web::Query::into_inner)
        .map_err(|_| bad_parameters(vec![Wrong::Invalid.into_problem(String::new())]))
}

/// For routes without query parameters: refuses any.
///
/// # Errors
/// `InvalidParameter`, with one entry per parameter.
pub(crate) fn no_query(text: &str) -> Result<(), Refusal> {
    let found = if text.is_empty() { Vec::new() } else { parameters::none().check(text) };
    if found.is_empty() { Ok(()) } else { Err(bad_parameters(found)) }
}

pub(crate) fn bad_parameters(fields: Vec<FieldProblem>) -> Refusal {
    Refusal { fields, ..Refusal::new(Code::InvalidParameter) }
}

#[cfg(test)]
mod tests;
