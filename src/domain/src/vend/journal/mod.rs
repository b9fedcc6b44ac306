//! A cabinet's journal: its entries, the hash chain over them, and what the server accepts. The seq
//! prevents replays; a rewritten entry is a tamper alarm, never an error to repair silently.

use aws_lc_rs::digest;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    attempt::NotDispensedReason,
    canonical::write_canonical,
    decide::Evidence,
    identity::{BootId, JournalHash},
};
use crate::{
    ids::{AttemptId, StaffId},
    stock::SlotNo,
    time::Timestamp,
};

/// Maximum number of entries in one batch: keeps a body well under the size limit.
pub const BATCH_MAX: usize = 200;

/// What happened at the cabinet. On the wire and in storage: a `kind` and a `body`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    /// The motor is about to run.
    Intent {
        attempt: AttemptId,
        slot: SlotNo,
        #[schema(max_length = 200, format = "scanned")]
        lot_no: String,
    },
    /// The motor has run.
    Motor { attempt: AttemptId },
    /// The light curtain saw something fall.
    DropSensed { attempt: AttemptId },
    /// The pack was taken from the hatch.
    Picked { attempt: AttemptId },
    /// The pack came out.
    Dispensed {
        attempt: AttemptId,
        #[schema(max_length = 200, format = "scanned")]
        lot_no: String,
        #[schema(max_length = 200, format = "scanned")]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        serial: Option<String>,
    },
    /// The pack did not come out.
    NotDispensed { attempt: AttemptId, reason: NotDispensedReason, hatch_empty: bool },
    /// The cabinet does not know.
    Unknown { attempt: AttemptId },
    /// Every GRANT for this attempt will be refused.
    Abandoned { attempt: AttemptId },
    /// A door was opened.
    DoorOpen { who: StaffId },
    /// All doors are shut and all slots counted.
    DoorClose {},
    /// Packs were put in; product and lot were scanned.
    Restock {
        slot: SlotNo,
        #[schema(max_length = 200, format = "scanned")]
        product_code: String,
        #[schema(max_length = 200, format = "scanned")]
        lot_no: String,
        expires_on: NaiveDate,
        #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
        packs: u32,
    },
    /// A blind count.
    Count {
        slot: SlotNo,
        #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
        n: u32,
    },
    /// Tenths of a degree Celsius.
    Temperature { tenths: i32 },
    /// The tamper switch; `sensor` is the firmware's code for the switch.
    Tamper {
        #[schema(max_length = 200, format = "scanned")]
        sensor: String,
    },
}

impl Body {
    /// The attempt that it concerns.
    pub const fn attempt(&self) -> Option<AttemptId> {
        match self {
            Self::Intent { attempt, .. }
            | Self::Motor { attempt }
            | Self::DropSensed { attempt }
            | Self::Picked { attempt }
            | Self::Dispensed { attempt, .. }
            | Self::NotDispensed { attempt, .. }
            | Self::Unknown { attempt }
            | Self::Abandoned { attempt } => Some(*attempt),
            Self::DoorOpen { .. }
            | Self::DoorClose {}
            | Self::Restock { .. }
            | Self::Count { .. }
            | Self::Temperature { .. }
            | Self::Tamper { .. } => None,
        }
    }

    /// What it proves about its attempt. A sensed drop is proof by itself: the entry after it may
    /// be lost in a power cut.
    pub const fn evidence(&self) -> Option<Evidence> {
        match self {
            Self::DropSensed { .. } | Self::Picked { .. } | Self::Dispensed { .. } => {
                Some(Evidence::Dispensed)
            }
            Self::NotDispensed { reason, hatch_empty, .. } => {
                Some(Evidence::NotDispensed { reason: *reason, hatch_empty_sensor: *hatch_empty })
            }
            Self::Unknown { .. } => Some(Evidence::Unknown),
            Self::Abandoned { .. } => Some(Evidence::Abandoned),
            Self::Intent { .. }
            | Self::Motor { .. }
            | Self::DoorOpen { .. }
            | Self::DoorClose {}
            | Self::Restock { .. }
            | Self::Count { .. }
            | Self::Temperature { .. }
            | Self::Tamper { .. } => None,
        }
    }

    /// The stable code of the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Intent { .. } => "intent",
            Self::Motor { .. } => "motor",
            Self::DropSensed { .. } => "drop_sensed",
            Self::Picked { .. } => "picked",
            Self::Dispensed { .. } => "dispensed",
            Self::NotDispensed { .. } => "not_dispensed",
            Self::Unknown { .. } => "unknown",
            Self::Abandoned { .. } => "abandoned",
            Self::DoorOpen { .. } => "door_open",
            Self::DoorClose {} => "door_close",
            Self::Restock { .. } => "restock",
            Self::Count { .. } => "count",
            Self::Temperature { .. } => "temperature",
            Self::Tamper { .. } => "tamper",
        }
    }

    /// The body without its kind.
    pub fn fields(&self) -> Value {
        let mut tagged = serde_json::to_value(self).expect("ids, numbers and texts always serialise");
        tagged["body"].take()
    }

    /// Builds a body from a stored or received kind and fields.
    ///
    /// # Errors
    /// An unknown kind, an unknown or missing field, a value out of range.
    pub fn from_parts(kind: &str, fields: Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::json!({ "kind": kind, "body": fields }))
    }
}

/// One count of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotCount {
    pub slot: SlotNo,
    /// Packs counted in it.
    pub n: u32,
}

/// The slots without a count: a door counts as closed only when there are none.
pub fn uncounted(slots: &[SlotNo], counts: &[SlotCount]) -> Vec<SlotNo> {
    slots.iter().copied().filter(|slot| counts.iter().all(|count| count.slot != *slot)).collect()
}

/// One entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WireEntry", try_from = "WireEntry")]
pub struct JournalEntry {
    /// From 1, without a gap, per epoch.
    pub seq: i64,
    /// The hash of the previous entry.
    pub prev_hash: JournalHash,
    pub hash: JournalHash,
    /// The boot that wrote it.
    pub boot_id: BootId,
    /// Milliseconds since that boot began.
    pub mono_ms: i64,
    /// The cabinet's wall clock, for people only: no decision depends on it.
    pub wall: Timestamp,
    pub body: Body,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEntry {
    seq: i64,
    prev_hash: JournalHash,
    hash: JournalHash,
    boot_id: BootId,
    mono_ms: i64,
    wall: Timestamp,
    kind: String,
    body: Value,
}

impl From<JournalEntry> for WireEntry {
    fn from(entry: JournalEntry) -> Self {
        let JournalEntry { seq, prev_hash, hash, boot_id, mono_ms, wall, body } = entry;
        let kind = body.kind().to_owned();
        Self { seq, prev_hash, hash, boot_id, mono_ms, wall, kind, body: body.fields() }
    }
}

impl TryFrom<WireEntry> for JournalEntry {
    type Error = serde_json::Error;
    fn try_from(wire: WireEntry) -> Result<Self, Self::Error> {
        let WireEntry { seq, prev_hash, hash, boot_id, mono_ms, wall, kind, body } = wire;
        let body = Body::from_parts(&kind, body)?;
        Ok(Self { seq, prev_hash, hash, boot_id, mono_ms, wall, body })
    }
}

impl JournalEntry {
    /// The hashed bytes: eight lines, each ended by a line feed - a version, seq, previous hash,
    /// boot, milliseconds, wall clock (UTC, six decimals, `Z`), kind, and the body as JSON with
    /// sorted keys, no spaces and no nulls.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut body = String::new();
        write_canonical(&self.body.fields(), &mut body);
        format!(
            "waystation-journal-v1\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.seq,
            self.prev_hash,
            self.boot_id,
            self.mono_ms,
            self.wall.format("%Y-%m-%dT%H:%M:%S%.6fZ"),
            self.body.kind(),
            body
        )
        .into_bytes()
    }

    /// The hash that this entry should have.
    pub(crate) fn computed_hash(&self) -> JournalHash {
        let digest = digest::digest(&digest::SHA256, &self.canonical_bytes());
        JournalHash::from_bytes(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// The last entry of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JournalHead {
    /// Its seq; 0 before the first entry.
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    pub seq: i64,
    pub hash: JournalHash,
}

impl JournalHead {
    /// The head before the first entry of an epoch.
    pub const EMPTY: JournalHead = JournalHead { seq: 0, hash: JournalHash::GENESIS };
}

/// The server's verdict on a batch. Unless it is `Accepted`, no entry is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchVerdict {
    /// In order and unbroken.
    Accepted {
        /// Number of entries at its beginning that are stored already.
        known: usize,
        /// The head after it: its seq is acknowledged.
        head: JournalHead,
    },
    /// Entries are missing: send from here.
    Gap {
        /// The seq that is expected next.
        expected: i64,
    },
    /// History was rewritten: a tamper alarm.
    Fork { seq: i64 },
}

/// Checks a batch against the stored chain. `stored` returns the stored hash of a seq up to the
/// head.
pub fn verify_batch(
    head: JournalHead,
    stored: impl Fn(i64) -> Option<JournalHash>,
    batch: &[JournalEntry],
) -> BatchVerdict {
    let (mut known, mut tip) = (0, head);
    for entry in batch {
        let seq = entry.seq;
        if entry.computed_hash() != entry.hash {
            return BatchVerdict::Fork { seq };
        }
        if seq <= head.seq {
            // Entries that are stored already come first, never after a new one.
            if tip != head || seq < 1 || stored(seq) != Some(entry.hash) {
                return BatchVerdict::Fork { seq };
            }
            known += 1;
            continue;
        }
        if tip.seq.checked_add(1) != Some(seq) {
            return BatchVerdict::Gap { expected: tip.seq.saturating_add(1) };
        }
        if entry.prev_hash != tip.hash {
            return BatchVerdict::Fork { seq };
        }
        tip = JournalHead { seq, hash: entry.hash };
    }
    BatchVerdict::Accepted { known, head: tip }
}

/// A cabinet's own journal: append, keep the acknowledged position, report on request.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    entries: Vec<JournalEntry>,
    acked: i64,
}

impl Journal {
    pub fn head(&self) -> JournalHead {
        self.entries
            .last()
            .map_or(JournalHead::EMPTY, |entry| JournalHead { seq: entry.seq, hash: entry.hash })
    }

    /// Appends what happened and returns the entry, to be made durable.
    pub fn append(&mut self, boot_id: BootId, mono_ms: i64, wall: Timestamp, body: Body) -> &JournalEntry {
        let JournalHead { seq, hash } = self.head();
        let mut entry = JournalEntry { seq: seq + 1, prev_hash: hash, hash, boot_id, mono_ms, wall, body };
        entry.hash = entry.computed_hash();
        self.entries.push(entry);
        &self.entries[self.entries.len() - 1]
    }

    /// The bodies from the first entry on: the input of `CabinetSide::boot`.
    pub fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.entries.iter().map(|entry| &entry.body)
    }

    /// The server has stored everything up to `seq`. Never goes back.
    pub fn ack(&mut self, seq: i64) {
        self.acked = self.acked.max(seq.min(self.head().seq));
    }

    /// The entries that are still to be reported, at most one batch.
    pub fn unacked(&self) -> &[JournalEntry] {
        self.from_seq(self.acked + 1)
    }

    /// At most one batch from `seq` on: the answer to a gap.
    pub fn from_seq(&self, seq: i64) -> &[JournalEntry] {
        let start = self.entries.partition_point(|entry| entry.seq < seq);
        let end = self.entries.len().min(start + BATCH_MAX);
        &self.entries[start..end]
    }
}

mod schema;
#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
