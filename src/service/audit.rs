//! The audit chain: one job hashes the event log link by link and signs the
//! head, so that no writer waits for it and no event can be changed unseen.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Actor, Failure, House};
use crate::{
    crypto::{
        digest,
        signer::{DetachedKind, Ed25519Signer, Signer, sign_detached},
    },
    storage::{
        Conn, audit as store,
        events::{Audience, LoggedEvent, events_after},
    },
};

/// Events per link of signatures.
const BATCH: i64 = 1000;

/// What a check of the chain found.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// The last position that is sealed.
    pub sealed_to: i64,
    /// The chain's head, hex.
    pub head: String,
    /// Whether every link and every signature holds.
    pub unbroken: bool,
    /// The seal at which it broke, if it did.
    pub broken_at: Option<i64>,
}

/// Seals what was logged since the last seal; returns how many events.
///
/// # Errors
/// Faults of the storage.
pub async fn seal(house: &Arc<House>) -> Result<usize, Failure> {
    house
        .write(Actor::System, |tx| {
            let (from, head) = last(tx.conn)?;
            let events = events_after(tx.conn, Audience::All, from, BATCH)?.events;
            let Some(newest) = events.last() else { return Ok(0) };
            let head = chain(head, &events);
            let signed = signed_bytes(newest.position, &head);
            let signature = sign_detached(&tx.house.keys.audit, DetachedKind::AuditHead, &signed)?;
            store::seal_add(tx.conn, newest.position, &digest::hex(&head), &signature, tx.now)?;
            Ok(events.len())
        })
        .await
}

/// Walks the whole chain again.
///
/// # Errors
/// Faults of the storage; a broken chain is an answer.
pub fn verify(conn: &mut Conn, house: &House) -> Result<AuditView, Failure> {
    verify_signed_by(conn, &house.keys.audit)
}

/// The same for a database that belongs to no house: a copy.
///
/// # Errors
/// Faults of the storage; a broken chain is an answer.
pub fn verify_signed_by(conn: &mut Conn, signer: &Ed25519Signer) -> Result<AuditView, Failure> {
    let mut head = digest::CHAIN_START;
    let mut from = 0;
    for seal in store::seals(conn)? {
        loop {
            let events: Vec<LoggedEvent> = events_after(conn, Audience::All, from, BATCH)?
                .events
                .into_iter()
                .filter(|event| event.position <= seal.position)
                .collect();
            let Some(newest) = events.last() else { break };
            from = newest.position;
            head = chain(head, &events);
        }
        let signed = signed_bytes(seal.position, &head);
        let key = signer.public_key();
        let whole = crate::crypto::signer::verify_detached(
            &seal.signature,
            DetachedKind::AuditHead,
            &signed,
            |kid| (kid == signer.key_id()).then(|| Box::new(key) as Box<dyn crate::crypto::signer::Verifier>),
        );
        if from != seal.position || digest::hex(&head) != seal.hash || whole.is_err() {
            let head = digest::hex(&head);
            return Ok(AuditView { sealed_to: from, head, unbroken: false, broken_at: Some(seal.position) });
        }
    }
    Ok(AuditView { sealed_to: from, head: digest::hex(&head), unbroken: true, broken_at: None })
}

fn last(conn: &mut Conn) -> Result<(i64, [u8; 32]), Failure> {
    match store::seal_last(conn)? {
        None => Ok((0, digest::CHAIN_START)),
        Some(seal) => {
            let bytes = data_encoding::HEXLOWER_PERMISSIVE
                .decode(seal.hash.as_bytes())
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| Failure::Fault("an audit seal's hash is unreadable".to_owned()))?;
            Ok((seal.position, bytes))
        }
    }
}

fn chain(head: [u8; 32], events: &[LoggedEvent]) -> [u8; 32] {
    events.iter().fold(head, |head, event| digest::chain(&head, &canonical(event)))
}

/// Every column of the event, each behind its length, so that no two different
/// events have the same bytes.
fn canonical(event: &LoggedEvent) -> Vec<u8> {
    let actor = event.actor_id.map(|id| id.to_string()).unwrap_or_default();
    let parts = [
        event.position.to_string(),
        event.stream.clone(),
        event.stream_id.to_string(),
        event.version.to_string(),
        event.kind.clone(),
        event.payload.clone(),
        event.actor_role.clone(),
        actor,
        event.at.timestamp_micros().to_string(),
    ];
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn signed_bytes(position: i64, head: &[u8; 32]) -> Vec<u8> {
    let mut bytes = position.to_be_bytes().to_vec();
    bytes.extend_from_slice(head);
    bytes
}
