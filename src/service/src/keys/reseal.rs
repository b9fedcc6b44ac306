//! Sealing fields anew with the newest key, while everybody goes on.

use crate::Failure;
use crypto::{
    digest,
    keyring::Keyring,
    seal::{FieldPlace, FieldSealer},
};
use storage::{
    Conn,
    keys::reseal::{self as columns, Column, RowName},
};

/// How far a column was sealed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// Go on after this row; none at the end of the column.
    pub next: Option<RowName>,
    /// Values that were sealed anew.
    pub resealed: u64,
    /// Values that no live key opens. They are left as they are.
    pub unreadable: u64,
}

/// Seals values of one column with the newest key, `limit` at most. It can be
/// ended at any moment and begun again: what was done stays done.
///
/// # Errors
/// Faults of the storage.
pub fn reseal(
    conn: &mut Conn,
    keys: &Keyring,
    network: &str,
    column: Column,
    after: Option<&RowName>,
    limit: i64,
) -> Result<Resealed, Failure> {
    let header = FieldSealer::header(keys.sealer.current());
    let rows = columns::sealed_otherwise(conn, column, &header, after, limit)?;
    let full = i64::try_from(rows.len()).unwrap_or(0) == limit;
    let mut done = Resealed {
        next: rows.last().filter(|_| full).map(|(name, _)| name.clone()),
        resealed: 0,
        unreadable: 0,
    };
    for (name, sealed) in rows {
        let place = match &name {
            RowName::Id(id) => FieldPlace::of(network, column.table, column.name, *id),
            RowName::Text(text) => FieldPlace::of_text(network, column.table, column.name, text),
            RowName::Digest(digest) => {
                FieldPlace::of_text(network, column.table, column.name, &digest::hex(digest))
            }
        };
        let Ok(plain) = keys.sealer.open(&place, &sealed) else {
            done.unreadable += 1;
            continue;
        };
        let fresh = keys.sealer.seal(&place, &plain)?;
        // Whoever wrote another value meanwhile sealed it with the newest key.
        done.resealed += u64::from(columns::sealed_replace(conn, column, &name, &sealed, &fresh)?);
    }
    Ok(done)
}
