//! The audit chain: one job hashes the event log into a chain and signs the head, so that
//! no writer waits for it and no event can be changed unnoticed. Every seal is also written
//! outside the database, to the witness, so that the end of the log cannot be cut off
//! unnoticed either.

pub(crate) mod chain;
pub(crate) mod verify;
pub(crate) mod witness;

use std::sync::Arc;

use super::{Actor, AppState, Failure};
use crypto::{
    digest,
    signer::{DetachedKind, sign_detached},
};
use storage::{
    Conn,
    audit::{self as store, SealRow},
};

pub use verify::{AuditView, Finding, FindingKind, verify, verify_from, verify_signed_by, verify_with};
pub use witness::{Statement, Witness, read_statements, restored_statement};

/// Rows read per query.
const BATCH: i64 = 1000;

/// The end of a (partial) chain.
#[derive(Debug, Clone, Copy)]
struct Reach {
    position: i64,
    head: [u8; 32],
    /// Number of events up to here.
    events: i64,
}

/// Seals the events logged since the last seal, and appends missing seals to the
/// witness; returns how many events were sealed.
///
/// # Errors
/// Faults of the storage, or of the disk that holds the witness.
pub async fn seal(app: &Arc<AppState>) -> Result<usize, Failure> {
    // Hash outside the transaction that adds the seal: the first seal of a new version
    // hashes the whole log again.
    let prepared = app.read(Actor::System, prepare).await?;
    let mut sealed = 0;
    if let Some((after, seal, events)) = prepared {
        let seal_to_add = seal.clone();
        let added = app
            .write(Actor::System, move |tx| {
                // Another instance may have sealed first; its seal is equivalent.
                if store::seal_last(tx.conn)?.map_or(0, |last| last.position) != after {
                    return Ok(false);
                }
                store::seal_add(tx.conn, &seal_to_add)?;
                Ok(true)
            })
            .await?;
        if added {
            sealed = events;
            tracing::info!(
                position = seal.position,
                events = seal.events,
                head = seal.hash,
                "audit chain sealed"
            );
        }
    }
    witness::append_missing_seals(app).await?;
    Ok(sealed)
}

/// The next seal, the position of the one before it, and how many events it adds.
fn prepare(conn: &mut Conn, app: &AppState) -> Result<Option<(i64, SealRow, usize)>, Failure> {
    let last = store::seal_last(conn)?;
    let after = last.as_ref().map_or(0, |last| last.position);
    let events = store::events_settled(conn, after, BATCH)?;
    let Some(newest) = events.last() else { return Ok(None) };
    let reach = match &last {
        None => Reach { position: 0, head: digest::CHAIN_START, events: 0 },
        Some(last) if last.version == 1 => rehash(conn, after, chain::head_of(last)?)?,
        Some(last) => Reach {
            position: after,
            head: chain::head_of(last)?,
            events: last.events.ok_or_else(|| Failure::inconsistent("an audit seal counts no events"))?,
        },
    };
    let added = i64::try_from(events.len()).unwrap_or(0);
    let mut seal = SealRow {
        position: newest.position,
        hash: digest::hex(&chain::extend(reach.head, chain::VERSION, &events)),
        signature: String::new(),
        // The database stores microseconds.
        sealed_at: whole_micros(app.now()),
        version: chain::VERSION,
        events: Some(reach.events + added),
    };
    let signer = app.keys.audit.signing(seal.sealed_at)?;
    seal.signature = sign_detached(&signer, DetachedKind::AuditHead, &chain::signed_bytes(&seal)?)?;
    Ok(Some((after, seal, events.len())))
}

/// Hashes all events up to `to`, with every column, into a chain of version 1.
fn rehash(conn: &mut Conn, to: i64, head: [u8; 32]) -> Result<Reach, Failure> {
    let mut reach = Reach { position: 0, head, events: 0 };
    loop {
        let events = store::events_between(conn, reach.position, to, BATCH)?;
        let Some(newest) = events.last() else { break };
        reach.position = newest.position;
        reach.head = chain::extend(reach.head, chain::VERSION, &events);
        reach.events += i64::try_from(events.len()).unwrap_or(0);
    }
    Ok(Reach { position: to, ..reach })
}

fn whole_micros(at: domain::time::Timestamp) -> domain::time::Timestamp {
    use chrono::SubsecRound;
    at.trunc_subsecs(6)
}
