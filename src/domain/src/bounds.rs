//! Bounds of policy values: outside of them a network could not work, or would
//! break the law. Each policy names its own; a field without a bound does not
//! compile, because every check takes its policy apart field by field.

use std::{fmt::Display, ops::RangeInclusive};

/// A value that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfBounds {
    /// Its path below `policy`: `check_in.idle_seconds`.
    pub key: String,
    /// What it is, and what is allowed.
    pub why: String,
}

/// Collects the values of one policy that cannot be.
#[derive(Debug)]
pub struct Bounds<'a> {
    /// The policy's name, and a point; empty for the topmost.
    prefix: String,
    found: &'a mut Vec<OutOfBounds>,
}

impl<'a> Bounds<'a> {
    /// Bounds of the values that stand directly in `policy`.
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

    /// `holds`, or `key` is refused because of `why`.
    pub fn must(&mut self, key: &str, holds: bool, why: &str) {
        if !holds {
            self.refuse(key, why.to_owned());
        }
    }

    fn refuse(&mut self, key: &str, why: String) {
        self.found.push(OutOfBounds { key: format!("{}{key}", self.prefix), why });
    }
}
