//! Whether a doctor's signature is valid: for the bytes that are kept, by a key that was the doctor's
//! when they signed, and row, contents and lines are those of the bytes. Checked at review, at order and
//! payment, at every START, and whenever a prescription is shown or printed.

use super::body::Body;
use crate::{AppState, Failure, keys::doctor};
use crypto::signer::{DetachedKind, verify_detached};
use domain::prescription::PrescriptionState;
use storage::{
    Conn,
    prescription::{self as store, LineRow, PrescriptionRow},
};

/// Which keys of the network count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those that count now: for everything that dispenses. What a retired key issued is refused.
    Now,
    /// Those that counted when it was signed: to show what was signed long ago.
    WhenSigned,
}

/// Whether the signature is valid and everything stored agrees with it.
///
/// # Errors
/// Faults of the storage; numbers that do not fit.
pub(crate) fn fits(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
    body: &Body,
    lines: &[LineRow],
    trust: Trust,
) -> Result<bool, Failure> {
    let (Some(canonical), Some(signature), Some(signed_at)) =
        (body.canonical(row), &row.signature, row.signed_at)
    else {
        return Ok(false);
    };
    let network_at = match trust {
        Trust::Now => app.now(),
        Trust::WhenSigned => signed_at,
    };
    let key = match body.document() {
        None => None,
        Some(document) => {
            if !body.agrees(row) {
                tracing::warn!(prescription = %row.id, "a prescription is not what its doctor signed");
                return Ok(false);
            }
            let found = doctor::verifier(conn, app, signature, document, network_at)?;
            let Some(key) = found else {
                tracing::warn!(prescription = %row.id, "a signature by a key that does not count");
                return Ok(false);
            };
            Some(key)
        }
    };
    let find = |kid: &str| match key {
        Some(key) => Some(key),
        // Until version 0.3 the network's key signed.
        None => app.keys.prescriptions.verifier(kid, network_at),
    };
    if verify_detached(signature, DetachedKind::Prescription, &canonical, find).is_err() {
        tracing::warn!(prescription = %row.id, "a signature does not fit its prescription");
        return Ok(false);
    }
    Ok(body.rows(row.id)? == lines)
}

/// As [`fits`], for somebody who reads it; `None` before it is signed. One that may still be dispensed is
/// valid only if it would be dispensed.
///
/// # Errors
/// As there.
pub(crate) fn shown(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
    body: &Body,
) -> Result<Option<bool>, Failure> {
    if row.signature.is_none() {
        return Ok(None);
    }
    let trust = match row.state {
        PrescriptionState::Draft | PrescriptionState::Signed | PrescriptionState::Approved => Trust::Now,
        PrescriptionState::Returned
        | PrescriptionState::Fulfilled
        | PrescriptionState::Void
        | PrescriptionState::Expired => Trust::WhenSigned,
    };
    let lines = store::lines_of(conn, row.id)?;
    fits(conn, app, row, body, &lines, trust).map(Some)
}
