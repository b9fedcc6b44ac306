//! Compares the log, its seals and the witness, and reports every position at which they
//! differ. After a difference the check goes on from the signed state there, so that one
//! difference does not hide later ones.

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

/// At most this many findings are listed.
const LISTED: usize = 1000;

domain::text_enum! {
    /// The kind of an audit chain finding.
    pub enum FindingKind as "AuditFindingKind" {
        /// Events after `after` up to `position` differ from those that were sealed.
        EventsChanged = "events_changed",
        /// There are fewer events than were sealed.
        EventsMissing = "events_missing",
        /// There are more events than were sealed.
        EventsAdded = "events_added",
        /// The event at `position` was hidden from every reader.
        EventHidden = "event_hidden",
        /// A value of the event at `position` is stored as another type than it
        /// was written as.
        EventRetyped = "event_retyped",
        /// The signature of the seal at `position` does not verify with this network's keys.
        SealInvalid = "seal_invalid",
        /// The witness has a seal at `position`, and the database does not.
        SealMissing = "seal_missing",
        /// The seal at `position` differs from the one in the witness.
        SealChanged = "seal_changed",
        /// The log ends at `after`, although the witness has a seal at `position`: its end was
        /// deleted, or an older state of the database was restored.
        CutOrRolledBack = "cut_or_rolled_back",
        /// The witness no longer has the seal at `position`, although it was written there:
        /// the witness, or lines of it, were removed.
        WitnessMissing = "witness_missing",
        /// The signature of a witness line does not verify with this network's keys.
        WitnessInvalid = "witness_invalid",
    }
}

/// One problem that a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditFinding)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// Events up to this position are not affected.
    pub after: i64,
    /// The position at which the problem was detected.
    pub position: i64,
}

/// The result of a check of the chain.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditChainView)]
pub struct AuditView {
    /// The last position that is sealed.
    pub sealed_to: i64,
    /// The chain's head, hex.
    pub head: String,
    /// Whether the log, its seals and the witness agree.
    pub unbroken: bool,
    /// The first position at which they do not agree, if any.
    pub broken_at: Option<i64>,
    /// The check began after this position.
    pub checked_after: i64,
    /// Events that were checked.
    pub events: i64,
    /// Seals that were checked.
    pub seals: i64,
    /// The last position that the witness has; none without a witness.
    pub witnessed_to: Option<i64>,
    /// The findings, ordered by position; the first 1,000.
    pub findings: Vec<Finding>,
}

/// Checks the whole chain against the witness of this instance.
///
/// # Errors
/// Faults of the storage; findings are part of the result, not errors.
pub fn verify(conn: &mut Conn, app: &AppState) -> Result<AuditView, Failure> {
    verify_from(conn, app, Some(0))
}

/// Checks the chain after the newest seal at or before `after`; if `after` is `None`,
/// after the thousandth seal from the end. It reads only what never changes, and the witness before
/// the seals; so it needs no read transaction, and a log of any length keeps none open.
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

/// As [`verify`], for a database without a running instance, such as a copy: no witness
/// is compared.
///
/// # Errors
/// As [`verify`].
pub fn verify_signed_by(conn: &mut Conn, signer: &SignerRing) -> Result<AuditView, Failure> {
    check(conn, signer, 0, None)
}

/// As [`verify_signed_by`], compared with the given statements of witnesses.
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
            reach = check_seal(conn, signer, &mut check, (reach, before.as_ref()), &seal, writers_end)?;
            match expected.remove(&seal.position) {
                Some(known) if known != seal.hash => {
                    check.found(FindingKind::SealChanged, reach.position, seal.position);
                }
                // Seals of version 1 may be older than the witness. Seals newer than the last
                // witnessed one may not have been written there yet, unless the witness is empty.
                None if seal.version != 1
                    && witnessed.as_ref().is_some_and(|known| known.is_missing(&seal)) =>
                {
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

/// Checks the events from one seal to the next.
fn check_seal(
    conn: &mut Conn,
    signer: &SignerRing,
    check: &mut Check,
    (start, before): (Reach, Option<&SealRow>),
    seal: &SealRow,
    writers_end: i64,
) -> Result<Reach, Failure> {
    check.seals += 1;
    let mut reach = start;
    // The first seal that covers every column covers all earlier events again.
    let bridges = seal.version != 1 && before.is_some_and(|before| before.version == 1);
    if bridges {
        reach = Reach { position: 0, events: 0, ..start };
    }
    let mut newest = start.position;
    // No event has a position at or below 0; an event inserted there is detected.
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
    // Go on from the signed head; without a valid signature, from the computed one.
    let head = if genuine { chain::head_of(seal)? } else { reach.head };
    let events = seal.events.filter(|_| genuine).unwrap_or(reach.events);
    Ok(Reach { position: seal.position, head, events })
}
