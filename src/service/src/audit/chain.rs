//! Serialization and hashing of the audit chain, and the signature over its head.

use crate::Failure;
use crypto::{
    digest,
    signer::{DetachedKind, verify_detached},
    signer_ring::SignerRing,
};
use domain::time::Timestamp;
use storage::audit::{SealRow, WholeEvent};

/// Version of new seals.
///
/// 1: leaves out `worker_id` and `staff_id`; the signature covers position and head.
/// 2: every column of an event; the signature covers position, number of events, time
/// and head. The first seal of version 2 also hashes, again and with every column, all
/// events that seals of version 1 cover.
pub const VERSION: i32 = 2;

/// The chain's head after `events` were appended.
pub fn extend(head: [u8; 32], version: i32, events: &[WholeEvent]) -> [u8; 32] {
    events.iter().fold(head, |head, event| digest::chain(&head, &canonical(version, event)))
}

/// The event's columns, each prefixed with its length, so that no two different events
/// have the same bytes. Optional columns are prefixed with `+` or are `-`, so that
/// absent and empty differ.
fn canonical(version: i32, event: &WholeEvent) -> Vec<u8> {
    let mut parts = vec![
        event.position.to_string(),
        event.stream.clone(),
        event.stream_id.to_string(),
        event.version.to_string(),
        event.kind.clone(),
        event.payload.clone(),
        event.actor_role.clone(),
    ];
    if version == 1 {
        parts.push(event.actor_id.map(|id| id.to_string()).unwrap_or_default());
    } else {
        parts.push("v2".to_owned());
        let optional = [
            event.actor_id.map(|id| id.to_string()),
            event.worker_id.map(|id| id.to_string()),
            event.staff_id.map(|id| id.to_string()),
        ];
        parts.extend(optional.map(|id| id.map_or_else(|| "-".to_owned(), |id| format!("+{id}"))));
    }
    parts.push(event.at.timestamp_micros().to_string());
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// The bytes that a seal's signature covers.
pub(crate) fn signed_bytes(seal: &SealRow) -> Result<Vec<u8>, Failure> {
    let head = head_of(seal)?;
    let mut bytes = Vec::new();
    if seal.version != 1 {
        bytes.extend_from_slice(b"waystation audit seal v2\0");
    }
    bytes.extend_from_slice(&seal.position.to_be_bytes());
    if seal.version != 1 {
        bytes.extend_from_slice(&seal.events.unwrap_or(-1).to_be_bytes());
        bytes.extend_from_slice(&seal.sealed_at.timestamp_micros().to_be_bytes());
    }
    bytes.extend_from_slice(&head);
    Ok(bytes)
}

/// The chain head stored in a seal.
///
/// # Errors
/// `Fault` if the stored hash is not 32 bytes of hex.
pub(crate) fn head_of(seal: &SealRow) -> Result<[u8; 32], Failure> {
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(seal.hash.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Failure::inconsistent("an audit seal's hash is unreadable"))
}

/// Whether one of `keys` signed this seal.
pub(crate) fn is_genuine(seal: &SealRow, keys: &SignerRing) -> bool {
    signed_bytes(seal).is_ok_and(|bytes| signature_verifies(&seal.signature, &bytes, keys, seal.sealed_at))
}

/// Whether the signature over `bytes`, dated `at`, verifies with one of `keys`.
pub(crate) fn signature_verifies(signature: &str, bytes: &[u8], keys: &SignerRing, at: Timestamp) -> bool {
    let verifier = |kid: &str| keys.verifier(kid, at);
    verify_detached(signature, DetachedKind::AuditHead, bytes, verifier).is_ok()
}
