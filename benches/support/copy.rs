//! How the rows of a journey become those of another one: their ids and times, also inside texts.

use std::collections::HashMap;

use chrono::TimeDelta;
use rand::{Rng, rngs::StdRng};
use uuid::Uuid;

use super::rows::Value;
use domain::time::Timestamp;

/// New ids and times.
pub struct Copy {
    /// The id of each row in the copy.
    pub ids: HashMap<Uuid, Uuid>,
    /// How much later it is, in microseconds.
    pub shift: i64,
}

impl Copy {
    /// Gives rows with these ids new ones, `shift` microseconds later.
    pub fn of<'i>(old: impl Iterator<Item = &'i Uuid>, shift: i64, random: &mut StdRng) -> Self {
        let moved = |old: &Uuid| {
            let mut bytes = old.into_bytes();
            let mut millis = [0; 8];
            millis[2..].copy_from_slice(&bytes[..6]);
            let millis = i64::from_be_bytes(millis) + shift / 1000;
            bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
            random.fill(&mut bytes[9..]);
            (*old, Uuid::from_bytes(bytes))
        };
        Self { ids: old.map(moved).collect(), shift }
    }

    /// A value of a row in the copy.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::Id(id) => Value::Id(*self.ids.get(id).unwrap_or(id)),
            Value::Time(at) => Value::Time(at + self.shift),
            Value::Text(text) => Value::Text(self.text(text)),
            Value::Null | Value::Plain(_) | Value::Bytes(_) => value.clone(),
        }
    }

    /// A text with other ids and times.
    fn text(&self, text: &str) -> String {
        let (mut copy, mut copied, mut at) = (String::with_capacity(text.len()), 0, 0);
        while at + 27 <= text.len() {
            let bytes = &text.as_bytes()[at..];
            let id = (bytes.len() >= 36 && bytes[8] == b'-' && bytes[13] == b'-')
                .then(|| Uuid::try_parse_ascii(&bytes[..36]).ok())
                .flatten();
            let time = (bytes[10] == b'T' && bytes[26] == b'Z')
                .then(|| text.get(at..at + 27).and_then(|text| text.parse::<Timestamp>().ok()))
                .flatten();
            let (length, other) = match (id, time) {
                (Some(id), _) => (36, self.ids.get(&id).map(Uuid::to_string)),
                (None, Some(time)) => {
                    let time = time + TimeDelta::microseconds(self.shift);
                    (27, Some(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()))
                }
                (None, None) => (1, None),
            };
            if let Some(other) = other {
                copy.push_str(&text[copied..at]);
                copy.push_str(&other);
                copied = at + length;
            }
            at += length;
        }
        copy.push_str(&text[copied..]);
        copy
    }
}
