//! Parses JSON along the expected shape: only values that the shape allows are stored, so that a
//! body needs no more memory than its shape allows. Unknown members are skipped; only their names
//! are stored, so that they can be reported. Repeated members of an object are also reported,
//! because it is undefined which of them counts.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{
    MAX_PROBLEMS,
    shape::{Kind, Member, Shape},
    wrong::Path,
};

/// Maximum number of values in one body. The largest valid request has about 9,000
/// (a cabinet's hello with a thousand slots). Our default.
pub(crate) const MAX_VALUES: usize = 20_000;

/// Why a body could not be parsed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not JSON, or there is something after the JSON value.
    Malformed,
    /// It contains more than [`MAX_VALUES`] values.
    TooMany,
}

/// Returns the value, and the paths of repeated members. `serde_json` limits the nesting depth.
///
/// # Errors
/// See [`Unread`].
pub fn read(bytes: &[u8], shape: &Shape) -> Result<(Value, Vec<String>), Unread> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut seen = Seen::default();
    let read = Reader { shape: Some(shape), seen: &mut seen }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    match read {
        Ok(value) => Ok((value, seen.repeated)),
        Err(_) if seen.values > MAX_VALUES => Err(Unread::TooMany),
        Err(_) => Err(Unread::Malformed),
    }
}

/// 2^53: below it, an `f64` represents every integer exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What was seen so far, and the current path.
#[derive(Default)]
struct Seen {
    path: Path,
    repeated: Vec<String>,
    /// Number of members that the shape does not have.
    unknown: usize,
    values: usize,
}

impl Seen {
    /// Counts an unknown member; whether it is still reported.
    fn reports_unknown(&mut self) -> bool {
        self.unknown += 1;
        self.unknown <= MAX_PROBLEMS
    }
}

struct Reader<'r, 's> {
    /// `None` where any value is allowed.
    shape: Option<&'s Shape>,
    seen: &'r mut Seen,
}

impl<'s> Reader<'_, 's> {
    fn kind(&self) -> &'s Kind {
        self.shape.map_or(&Kind::Any, |shape| &shape.kind)
    }
}

/// What the shape allows for a member.
enum Place<'s> {
    /// No such member.
    None,
    /// Any value.
    Any,
    /// A value of this shape.
    Of(&'s Shape),
}

impl<'s> Place<'s> {
    fn of(kind: &'s Kind, name: &str) -> Self {
        let has = |members: &'s [Member]| members.iter().find(|member| member.name == name);
        match kind {
            Kind::Any => Place::Any,
            Kind::Record(members) => has(members).map_or(Place::None, |member| Place::Of(&member.shape)),
            // The tag may come after the other members.
            Kind::Tagged { tag, variants, .. } => {
                let known = tag == name || variants.iter().any(|(_, members)| has(members).is_some());
                if known { Place::Any } else { Place::None }
            }
            _ => Place::None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.seen.values += 1;
        if self.seen.values > MAX_VALUES {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // In JSON Schema `1.0` is an integer; within these bounds the conversion is exact.
        if value.fract() == 0.0 && value.abs() < EXACT {
            return Ok((value as i64).into());
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let (shape, most) = match self.kind() {
            Kind::Any => (None, usize::MAX),
            // One more than allowed is stored, so that the check sees that there are too many.
            Kind::List { items, most, .. } => (Some(&**items), most.saturating_add(1)),
            _ => (None, 0),
        };
        let mut list = Vec::new();
        while list.len() < most {
            self.seen.path.enter_item(list.len());
            let next = seq.next_element_seed(Reader { shape, seen: self.seen })?;
            self.seen.path.leave();
            match next {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
        while seq.next_element::<Skipped>()?.is_some() {}
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let kind = self.kind();
        let mut object = Map::new();
        if !matches!(kind, Kind::Any | Kind::Record(_) | Kind::Tagged { .. }) {
            while map.next_entry::<Skipped, Skipped>()?.is_some() {}
            return Ok(Value::Object(object));
        }
        while let Some(key) = map.next_key::<String>()? {
            let shape = match Place::of(kind, &key) {
                Place::Of(shape) => Some(shape),
                Place::Any => None,
                Place::None => {
                    map.next_value::<Skipped>()?;
                    if self.seen.reports_unknown() {
                        insert(&mut object, key, Value::Null, self.seen);
                    }
                    continue;
                }
            };
            self.seen.path.enter_field(&key);
            let value = map.next_value_seed(Reader { shape, seen: self.seen })?;
            self.seen.path.leave();
            insert(&mut object, key, value, self.seen);
        }
        Ok(Value::Object(object))
    }
}

/// Inserts a member; records a repeated one, up to the limit of reported problems.
fn insert(object: &mut Map<String, Value>, key: String, value: Value, seen: &mut Seen) {
    use serde_json::map::Entry;
    match object.entry(key) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(mut place) => {
            if seen.repeated.len() < MAX_PROBLEMS {
                seen.path.enter_field(place.key());
                seen.repeated.push(seen.path.to_text());
                seen.path.leave();
            }
            place.insert(value);
        }
    }
}

/// A value that is parsed but not stored; invalid JSON is still an error.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
