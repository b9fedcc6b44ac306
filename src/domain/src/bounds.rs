//! Bounds of policy values: outside of them a network could not work, or would break the law. Each
//! policy checks its own values. A field without a bound does not compile, because every check
//! destructures its policy field by field.

use std::{fmt::Display, ops::RangeInclusive};

/// A value outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfBounds {
    /// Path below `policy`: `check_in.idle_seconds`.
    pub key: String,
    /// The bound and the value found.
    pub why: String,
}

/// Collects the values of one policy that are out of bounds.
#[derive(Debug)]
pub struct Bounds<'a> {
    /// The policy's name and a dot; empty at the top level.
    prefix: String,
    found: &'a mut Vec<OutOfBounds>,
}

impl<'a> Bounds<'a> {
    /// Bounds of the values directly in `policy`.
    pub fn new(found: &'a mut Vec<OutOfBounds>) -> Self {
        Self { prefix: String::new(), found }
    }

    /// Bounds of the values of `policy.name`.
    pub fn of(&mut self, name: &str) -> Bounds<'_> {
        Bounds { prefix: format!("{}{name}.", self.prefix), found: self.found }
    }

    /// `value` must lie in `allowed`.
    pub fn within<T: PartialOrd + Display + Copy>(
        &mut self,
        key: &str,
        value: T,
        allowed: RangeInclusive<T>,
    ) {
        if !allowed.contains(&value) {
            let why = format!("it must be {} to {}, and is {value}", allowed.start(), allowed.end());
            self.refuse(key, why);
        }
    }

    /// Refuses `key` with the reason `why` unless `holds`.
    pub fn must(&mut self, key: &str, holds: bool, why: &str) {
        if !holds {
            self.refuse(key, why.to_owned());
        }
    }

    /// `value` must be more than `other`, the value of `other_key`, or it has no effect.
    pub fn longer<T: PartialOrd + Display + Copy>(&mut self, key: &str, value: T, other_key: &str, other: T) {
        if value <= other {
            self.refuse(key, format!("it must be longer than {other_key}, {other}, and is {value}"));
        }
    }

    fn refuse(&mut self, key: &str, why: String) {
        self.found.push(OutOfBounds { key: format!("{}{key}", self.prefix), why });
    }
}
