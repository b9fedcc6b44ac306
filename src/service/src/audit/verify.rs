//! Compares the log, its seals and the witness, and names every place where they
//! differ. After a difference it goes on from what was signed there, so that one
//! of them hides no other.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    BATCH, Reach, chain,
    witness::{Statement, Witnessed},
};
use crate::{AppState, Failure};
use crypto::{digest, signer_ring::SignerRing};
use storage::{
    Conn,
    audit::{self as store, SealRow},
};

/// More findings than this are counted and not listed.
const LISTED: usize = 1000;

domain::text_enum! {
    /// What a check of the audit chain found wrong.
    pub enum FindingKind as "AuditFindingKind" {
        /// Events after `after` up to `position` are not what was sealed.
        EventsChanged = "events_changed",
        /// Fewer events stand there than were sealed.
        EventsMissing = "events_missing",
        /// More events stand there than were sealed.
        EventsAdded = "events_added",
        /// The event at `position` was hidden from every reader.
        EventHidden = "event_hidden",
        /// A value of the event at `position` is stored as another type than it
        /// was written as.
        EventRetyped = "event_retyped",
        /// The seal at `position` is not what this network's key signed.
        SealInvalid = "seal_invalid",
        /// The witness knows a seal at `position`, and the database does not.
        SealMissing = "seal_missing",
        /// The seal at `position` is another one than the witness knows.
        SealChanged = "seal_changed",
        /// The log ends at `after`, and the witness knows that it reached
        /// `position`: its end was cut off, or an older state was put in its place.
        CutOrRolledBack = "cut_or_rolled_back",
        /// The witness does not know the seal at `position`, and it was written
        /// down there: the witness was taken away, or lines of it were.
        WitnessMissing = "witness_missing",
        /// A line of the witness is not what this network's key signed.
        WitnessInvalid = "witness_invalid",
    }
}

/// One thing that a check of the chain found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditFinding)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Everything up to this position is not concerned.
    pub after: i64,
    /// The position at which it shows.
    pub position: i64,
}

/// What a check of the chain found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditChainView)]
pub struct AuditView {
    /// The last position that is sealed.
    pub sealed_to: i64,
    /// The chain's head, hex.
    pub head: String,
    /// Whether the log, its seals and the witness agree.
    pub unbroken: bool,
    /// The first position at which they do not, if so.
    pub broken_at: Option<i64>,
    /// The check began after this position.
    pub checked_after: i64,
    /// Events that were checked.
    pub events: i64,
    /// Seals that were checked.
    pub seals: i64,
    /// The last position that the witness knows; none without a witness.
    pub witnessed_to: Option<i64>,
    /// What is wrong, in the order of positions; the first 1,000.
    pub findings: Vec<Finding>,
}

/// Checks the whole chain against the witness of this instance.
///
/// # Errors
/// Faults of the storage; what is found wrong is an answer.
pub fn verify(conn: &mut Conn, app: &AppState) -> Result<AuditView, Failure> {
    verify_from(conn, app, Some(0))
}

/// Checks the chain after the newest seal at or before `after`; without it, after
/// the thousandth seal from the end.
///
/// # Errors
/// As [`verify`].
pub fn verify_from(conn: &mut Conn, app: &AppState, after: Option<i64>) -> Result<AuditView, Failure> {
    let after = match after {
        Some(after) => after,
        None => store::seal_position_back(conn, BATCH)?,
    };
    let statements = app.witness.as_ref().map(super::Witness::read).transpose()?;
    check(conn, &app.keys.audit, after, statements)
}

/// The same for a database that belongs to no running instance: a copy, of which
/// no witness is known.
///
/// # Errors
/// As [`verify`].
pub fn verify_signed_by(conn: &mut Conn, signer: &SignerRing) -> Result<AuditView, Failure> {
    check(conn, signer, 0, None)
}

/// The same against given statements of witnesses.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(
    conn: &mut Conn,
    signer: &SignerRing,
    statements: Vec<Statement>,
) -> Result<AuditView, Failure> {
    check(conn, signer, 0, Some(statements))
}

struct Check {
    findings: Vec<Finding>,
    events: i64,
    seals: i64,
}

impl Check {
    fn found(&mut self, kind: FindingKind, after: i64, position: i64) {
        self.findings.push(Finding { kind, after, position });
    }
}

fn check(
    conn: &mut Conn,
    signer: &SignerRing,
    after: i64,
    statements: Option<Vec<Statement>>,
) -> Result<AuditView, Failure> {
    let mut check = Check { findings: Vec::new(), events: 0, seals: 0 };
    let witnessed = statements.map(|statements| Witnessed::of(statements, signer));
    let writers_end = store::writers_end(conn)?;
    let mut before: Option<SealRow> = match after {
        0 => None,
        _ => store::seal_before(conn, after)?,
    };
    let mut reach = match &before {
        None => Reach { position: 0, head: digest::CHAIN_START, events: 0 },
        Some(seal) => {
            Reach { position: seal.position, head: chain::head_of(seal)?, events: seal.events.unwrap_or(0) }
        }
    };
    let checked_after = reach.position;
    let mut expected: BTreeMap<i64, String> =
        witnessed.as_ref().map(|known| known.after(checked_after)).unwrap_or_default();
    loop {
        let seals = store::seals_after(conn, reach.position, BATCH)?;
        if seals.is_empty() {
            break;
        }
        for seal in seals {
            reach = one_seal(conn, signer, &mut check, (reach, before.as_ref()), &seal, writers_end)?;
            match expected.remove(&seal.position) {
                Some(known) if known != seal.hash => {
                    check.found(FindingKind::SealChanged, reach.position, seal.position);
                }
                // Seals of version 1 may be older than the witness; and the newest
                // ones may not stand there yet, but for the very first.
                None if seal.version != 1 && witnessed.as_ref().is_some_and(|known| known.lacks(&seal)) => {
                    check.found(FindingKind::WitnessMissing, reach.position, seal.position);
                }
                Some(_) | None => {}
            }
            before = Some(seal);
        }
    }
    for position in store::events_retyped(conn, checked_after, BATCH)? {
        check.found(FindingKind::EventRetyped, position.saturating_sub(1), position);
    }
    for position in store::seals_retyped(conn, checked_after, BATCH)? {
        check.found(FindingKind::SealInvalid, position.saturating_sub(1), position);
    }
    for position in expected.into_keys() {
        let kind =
            if position > reach.position { FindingKind::CutOrRolledBack } else { FindingKind::SealMissing };
        check.found(kind, reach.position.min(position), position);
    }
    if let Some(known) = &witnessed {
        for position in &known.invalid {
            check.found(FindingKind::WitnessInvalid, *position, *position);
        }
    }
    check.findings.sort_by_key(|finding| finding.position);
    let broken_at = check.findings.first().map(|finding| finding.position);
    check.findings.truncate(LISTED);
    Ok(AuditView {
        sealed_to: reach.position,
        head: digest::hex(&reach.head),
        unbroken: broken_at.is_none(),
        broken_at,
        checked_after,
        events: check.events,
        seals: check.seals,
        witnessed_to: witnessed.and_then(|known| known.last()),
        findings: check.findings,
    })
}

/// Walks the events from one seal to the next.
fn one_seal(
    conn: &mut Conn,
    signer: &SignerRing,
    check: &mut Check,
    (start, before): (Reach, Option<&SealRow>),
    seal: &SealRow,
    writers_end: i64,
) -> Result<Reach, Failure> {
    check.seals += 1;
    let mut reach = start;
    // The first seal that covers every column takes in all that stood before it.
    let bridges = seal.version != 1 && before.is_some_and(|before| before.version == 1);
    if bridges {
        reach = Reach { position: 0, events: 0, ..start };
    }
    let mut newest = start.position;
    // No event stands at or before 0; one that somebody put there shows.
    let mut from = if reach.position == 0 { i64::MIN } else { reach.position };
    loop {
        let events = store::events_between(conn, from, seal.position, BATCH)?;
        let Some(last) = events.last() else { break };
        for event in events.iter().filter(|event| event.writer_xid >= writers_end) {
            check.found(FindingKind::EventHidden, event.position - 1, event.position);
        }
        (reach.position, newest, from) = (last.position, last.position, last.position);
        reach.head = chain::extend(reach.head, seal.version, &events);
        reach.events += i64::try_from(events.len()).unwrap_or(0);
    }
    check.events += reach.events - start.events;
    let genuine = chain::is_genuine(seal, signer);
    if !genuine {
        check.found(FindingKind::SealInvalid, start.position, seal.position);
    }
    let same_head = digest::hex(&reach.head) == seal.hash;
    let same_count = seal.events.is_none_or(|events| events == reach.events);
    if genuine && !(same_head && same_count && newest == seal.position) {
        let kind = match seal.events {
            Some(events) if events > reach.events => FindingKind::EventsMissing,
            Some(events) if events < reach.events => FindingKind::EventsAdded,
            _ if newest != seal.position => FindingKind::EventsMissing,
            _ => FindingKind::EventsChanged,
        };
        let after = if bridges { 0 } else { start.position };
        check.found(kind, after, seal.position);
    }
    // From here on by what was signed; where nothing was, by what stands there.
    let head = if genuine { chain::head_of(seal)? } else { reach.head };
    let events = seal.events.filter(|_| genuine).unwrap_or(reach.events);
    Ok(Reach { position: seal.position, head, events })
}
