//! Departments: data of the network, not a closed set. A network adds one without a release.

use std::{cmp::Ordering, fmt, hash, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{network::checks::Findings, refusal::Refusal, spelling::DepartmentName, words::Bilingual};

/// The code of a department: 1 to 32 ASCII characters, `a-z` first, then `a-z 0-9 _`.
///
/// A code that can be spelt is not yet a department of the network: see `service::network::department`.
#[derive(Clone, Copy)]
pub struct Department {
    /// Zeros after the code.
    bytes: [u8; Self::MOST_CHARS],
    len: u8,
}

impl Department {
    /// The longest code, in characters.
    pub const MOST_CHARS: usize = 32;
    /// How codes are spelt.
    pub const PATTERN: &str = "^[a-z][a-z0-9_]*$";
    /// What a request asks for that names no department.
    pub const GENERAL_PRACTICE: Self = Self::known("general_practice");

    /// A code that is known at compile time.
    ///
    /// # Panics
    /// If it is not spelt as a code.
    pub const fn known(code: &str) -> Self {
        match Self::of(code.as_bytes()) {
            Some(department) => department,
            None => panic!("a department's code is spelt a-z, 0-9 and _"),
        }
    }

    /// `None` if `text` is not spelt as a code.
    pub const fn parse(text: &str) -> Option<Self> {
        Self::of(text.as_bytes())
    }

    const fn of(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > Self::MOST_CHARS || !text[0].is_ascii_lowercase() {
            return None;
        }
        let mut bytes = [0; Self::MOST_CHARS];
        let mut at = 0;
        while at < text.len() {
            if !(text[at].is_ascii_lowercase() || text[at].is_ascii_digit() || text[at] == b'_') {
                return None;
            }
            bytes[at] = text[at];
            at += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "32 at most")]
        Some(Self { bytes, len: text.len() as u8 })
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl PartialEq for Department {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
impl Eq for Department {}
impl PartialOrd for Department {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Department {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}
impl hash::Hash for Department {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}
impl fmt::Debug for Department {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Display for Department {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not spelt as the code of a department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADepartment;

impl fmt::Display for NotADepartment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not spelt as the code of a department")
    }
}
impl std::error::Error for NotADepartment {}

impl FromStr for Department {
    type Err = NotADepartment;
    fn from_str(text: &str) -> Result<Self, NotADepartment> {
        Self::parse(text).ok_or(NotADepartment)
    }
}

impl Serialize for Department {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for Department {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Code;
        impl de::Visitor<'_> for Code {
            type Value = Department;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the code of a department")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Department, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Code)
    }
}

impl PartialSchema for Department {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The code of a department of the network."))
            .min_length(Some(1))
            .max_length(Some(Self::MOST_CHARS))
            .pattern(Some(Self::PATTERN))
            .examples([Self::GENERAL_PRACTICE.as_str()])
            .into()
    }
}
impl ToSchema for Department {}

/// What the network says of a department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentRecord {
    pub code: Department,
    pub name_zh: String,
    pub name_en: String,
    /// How long a worker waits for this department while it is on call but full, before the search
    /// goes on along `overflow`: seconds, 0 to [`MOST_PATIENCE_S`](Self::MOST_PATIENCE_S).
    pub patience_s: i32,
    /// Where the search goes on, in this order.
    pub overflow: Vec<Department>,
}

impl DepartmentRecord {
    /// Our default: as long as a worker is content to stand before a screen.
    pub const DEFAULT_PATIENCE_S: i32 = 300;
    /// Our default.
    pub const MOST_PATIENCE_S: i32 = 7_200;
    /// Departments in a chain, at most. Our default.
    pub const MOST_OVERFLOW: usize = 8;

    /// Checks names, patience and chain. `exists` says whether the network has a department.
    ///
    /// # Errors
    /// One problem per bad field.
    pub fn check(&self, exists: impl Fn(Department) -> bool) -> Result<(), Refusal> {
        let mut found = Findings::default();
        found.text("name_zh", &self.name_zh, DepartmentName::MOST);
        found.text("name_en", &self.name_en, DepartmentName::MOST);
        found.range("patience_s", self.patience_s, 0..=Self::MOST_PATIENCE_S);
        if self.overflow.len() > Self::MOST_OVERFLOW {
            let most = Self::MOST_OVERFLOW;
            let message =
                Bilingual::made(format!("最多 {most} 个科室。"), format!("At most {most} departments."));
            found.add("overflow", "too_many", message);
        }
        if self.overflow.contains(&self.code) {
            let message =
                Bilingual::fixed("不能转到本科室自身。", "A department does not overflow to itself.");
            found.add("overflow", "self_reference", message);
        }
        let repeated = |(at, code): (usize, &Department)| self.overflow[..at].contains(code);
        if self.overflow.iter().enumerate().any(repeated) {
            found.add("overflow", "duplicate", Bilingual::fixed("科室重复。", "A department stands twice."));
        }
        if self.overflow.iter().any(|code| *code != self.code && !exists(*code)) {
            found.add("overflow", UNKNOWN_DEPARTMENT, no_such_department());
        }
        let problems = found.done();
        if problems.is_empty() { Ok(()) } else { Err(Refusal::fields(problems)) }
    }
}

/// The code of the problem of a field that names a department which the network does not have.
pub const UNKNOWN_DEPARTMENT: &str = "unknown_code";

/// Its message.
pub const fn no_such_department() -> Bilingual {
    Bilingual::fixed("本网络没有这个科室。", "The network has no such department.")
}

#[cfg(test)]
#[path = "department_tests.rs"]
mod tests;
