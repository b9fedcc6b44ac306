//! Re-encrypts sealed fields with the newest key, while the service runs.

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

/// The progress of resealing a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// Continue after this row; none at the end of the column.
    pub next: Option<RowName>,
    /// Number of values that were resealed.
    pub resealed: u64,
    /// Number of values that no live key can decrypt. They are left as they are.
    pub unreadable: u64,
}

/// Reseals at most `limit` values of one column with the newest key. It can be stopped at any
/// moment and started again.
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
    let rows = columns::sealed_with_other_keys(conn, column, &header, after, limit)?;
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
        // If the value was changed meanwhile, it was sealed with the newest key.
        done.resealed += u64::from(columns::sealed_replace(conn, column, &name, &sealed, &fresh)?);
    }
    Ok(done)
}
