//! The schemas of one server: those of the types, with the bounds that its policy sets.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Arc, OnceLock, RwLock},
};

use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{cached, compile, shape::Shape};
use crate::openapi;
use domain::policy::Policy;
use service::bounds::{self, Limit, PolicyBound};

/// The schemas that a server publishes and enforces.
#[derive(Debug)]
pub struct Schemas {
    policy: Policy,
    shapes: RwLock<HashMap<TypeId, Arc<Shape>>>,
    document: OnceLock<String>,
}

impl Schemas {
    pub fn under(policy: &Policy) -> Self {
        Self { policy: policy.clone(), shapes: RwLock::default(), document: OnceLock::new() }
    }

    /// The shape of `T`, compiled at its first use.
    pub(super) fn shape_of<T: ToSchema + 'static>(&self) -> Arc<Shape> {
        cached::<T, _>(&self.shapes, || compile::of_type::<T>(&bounds::of(&self.policy)))
    }

    /// The API document as JSON.
    pub(crate) fn document(&self) -> &str {
        self.document
            .get_or_init(|| openapi::document(&self.policy).to_json().expect("the document is plain JSON"))
    }
}

/// Sets the bounds of the schema with this name.
pub(crate) fn set_bounds(bounds: &[PolicyBound], name: &str, schema: &mut RefOr<Schema>) {
    for bound in bounds.iter().filter(|bound| bound.schema == name) {
        let set = set_bound(bound, schema);
        // The test `every_bound_of_the_policy_is_published` sets all of them.
        set.unwrap_or_else(|| panic!("{bound:?} names no part of the schema"));
    }
}

fn set_bound(bound: &PolicyBound, schema: &mut RefOr<Schema>) -> Option<()> {
    let bounded = match (bound.member, schema) {
        (None, schema) => schema,
        (Some(member), RefOr::T(Schema::Object(object))) => object.properties.get_mut(member)?,
        (Some(_), _) => return None,
    };
    match (bound.limit, bounded) {
        (Limit::Items(most), RefOr::T(Schema::Array(list))) => list.max_items = Some(most),
        (Limit::Most(most), RefOr::T(Schema::Object(number))) => number.maximum = Some(most.into()),
        (Limit::Characters(least), RefOr::T(Schema::Object(text))) => {
            text.min_length = Some(least);
            text.pattern = Some(match least {
                0 | 1 => r"\S".to_owned(),
                _ => format!(r"\S[\s\S]{{{},}}\S", least - 2),
            });
        }
        (Limit::Items(_) | Limit::Most(_) | Limit::Characters(_), _) => return None,
    }
    Some(())
}
