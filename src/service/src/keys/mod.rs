//! Rotation and retirement of keys while the service runs: those that sign tokens and vend
//! authorizations, doctors' certificates, and the audit chain, and those that seal fields. Only the
//! command line does this, which needs the master secret; no API route does: a stolen
//! operator session cannot change keys. The live keys are stored in the database; every
//! instance reloads them every few seconds ([`reload`]), and a new key is used only after all
//! instances have had time to load it.

pub mod doctor;
pub(crate) mod reseal;

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{Actor, AppState, Failure};
use crypto::{
    CryptoError, digest,
    keyring::Keyring,
    keys::{MasterSecret, Purpose},
    seal::{FieldPlace, FieldSealer, SealKeyId},
    signer_ring::{RingKey, SignerRing},
    tokens::{TokenKey, TokenKeys},
};
use domain::{event::network::KeyEvent, keys::KeyKind, time::Timestamp};
pub use reseal::reseal;
use storage::{
    Conn,
    events::NewEvent,
    keys::{reseal as columns, seal::SealKeyRow, server::ServerKeyRow, signing::SigningKeyRow},
};

/// Time from creating a key to its first use, by when every instance and every cabinet has
/// it. Our default: two minutes; instances reload every 15 seconds.
pub(crate) const LEAD: TimeDelta = TimeDelta::minutes(2);

/// A token key may be retired this long after the next one began to sign, in addition to the
/// life of a vend authorization. Our default: the life of a token and [`LEAD`].
const TOKEN_KEY_RETIRE_AFTER: TimeDelta = TimeDelta::minutes(7);

/// A prescription key may be retired this long after the next one began to sign: nothing that was
/// signed with a certificate of it can be dispensed any more. Source: the project's clinical rules, three days at
/// most with an extension; plus one day for clock differences.
const PRESCRIPTION_KEY_RETIRE_AFTER: TimeDelta = TimeDelta::days(4);

/// A key's metadata, without the key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyView {
    pub kind: KeyKind,
    /// Its id: a thumbprint, or a number.
    pub id: String,
    /// From when it signs or seals.
    pub used_from: DateTime<Utc>,
    /// Whether it signs or seals now.
    pub in_use: bool,
    pub retired_at: Option<DateTime<Utc>>,
}

/// Why a key cannot be retired.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no live key with this id.
    #[error("没有这个在用的密钥 / there is no such live key")]
    Unknown,
    /// It is the key that signs or seals now.
    #[error(
        "这是正在使用的密钥；请先轮换 / it is the key in use: rotate first, and wait until the new one is used"
    )]
    InUse,
    /// What it signed may still be in use.
    #[error(
        "它签发的令牌或授权可能仍在使用；{0} 之后再停用，或用 --at-once / what it signed may still be in use: retire it after {0}, or --at-once"
    )]
    Needed(DateTime<Utc>),
    /// A column still has values sealed with it.
    #[error(
        "{0} 仍有用它封存的值；请先运行 keys reseal / {0} still holds values that it sealed: run `keys reseal` first"
    )]
    Sealing(String),
    /// The storage or a key failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<storage::QueryError> for KeyError {
    fn from(error: storage::QueryError) -> Self {
        Self::Failed(error.into())
    }
}
impl From<storage::StoreError> for KeyError {
    fn from(error: storage::StoreError) -> Self {
        Self::Failed(error.into())
    }
}
impl From<CryptoError> for KeyError {
    fn from(error: CryptoError) -> Self {
        Self::Failed(error.into())
    }
}

/// The ids of the live sealing keys, and the one that seals at `now`.
fn sealing(rows: &[SealKeyRow], now: Timestamp) -> Option<(Vec<SealKeyId>, SealKeyId)> {
    let number = |row: &SealKeyRow| u32::try_from(row.id).ok().map(SealKeyId);
    let live: Vec<&SealKeyRow> = rows.iter().filter(|row| row.retired_at.is_none()).collect();
    let ids: Vec<SealKeyId> = live.iter().filter_map(|row| number(row)).collect();
    let due = live.iter().rev().find(|row| row.seals_from <= now).or(live.first())?;
    Some((ids, number(due)?))
}

fn open_token_keys(
    sealer: &FieldSealer,
    network: &str,
    rows: Vec<ServerKeyRow>,
) -> Result<Vec<TokenKey>, Failure> {
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        let place = FieldPlace::of_text(network, "server_key", "private_sealed", &row.kid);
        let private = sealer
            .open(&place, &row.private_sealed)
            .map_err(|error| Failure::caused("a token key does not open: another master secret?", error))?;
        keys.push(TokenKey::from_pkcs8(&private, row.created_at)?);
    }
    Ok(keys)
}

/// Loads the keys of a network, and creates the first ones where there are none.
/// `configured` are the ids of the sealing keys named in the settings.
///
/// # Errors
/// When a key cannot be decrypted, as under another master secret.
pub fn load(
    conn: &mut Conn,
    master: &MasterSecret,
    configured: &[SealKeyId],
    network: &str,
    now: Timestamp,
) -> Result<Keyring, Failure> {
    // Several processes may start at once: the first one creates the keys.
    storage::keys::server::server_keys_lock(conn)?;
    for id in configured {
        storage::keys::seal::seal_key_add(conn, id.0.into(), now, now)?;
    }
    let (ids, current) = sealing(&storage::keys::seal::seal_keys(conn)?, now)
        .ok_or_else(|| Failure::inconsistent("no sealing key is live"))?;
    let sealer = FieldSealer::new(master, &ids)?;
    sealer.choose(current)?;
    if storage::keys::server::server_keys_live(conn, KeyKind::Token.as_str())?.is_empty() {
        token_key_add(conn, &sealer, network, now)?;
    }
    let rows = storage::keys::server::server_keys_live(conn, KeyKind::Token.as_str())?;
    let tokens = TokenKeys::new(open_token_keys(&sealer, network, rows)?)?;
    let keyring = Keyring::new(master, &ids, tokens)?;
    keyring.sealer.choose(current)?;
    for kind in [KeyKind::Prescription, KeyKind::Audit] {
        storage::keys::signing::signing_key_add(conn, kind.as_str(), 1, now, now)?;
    }
    keyring.use_prescription_keys(&ring(conn, KeyKind::Prescription)?)?;
    keyring.use_audit_keys(&ring(conn, KeyKind::Audit)?)?;
    Ok(keyring)
}

/// The numbers and times of the signing keys of a kind.
fn ring(conn: &mut Conn, kind: KeyKind) -> Result<Vec<RingKey>, Failure> {
    let rows = storage::keys::signing::signing_keys(conn, kind.as_str())?;
    let key = |row: SigningKeyRow| {
        let number = u32::try_from(row.number).ok()?;
        Some(RingKey { number, signs_from: row.signs_from, retired_at: row.retired_at })
    };
    Ok(rows.into_iter().filter_map(key).collect())
}

/// The keys that sign the audit chain of a database, which may be a copy or have the schema
/// of an older version that had only one.
///
/// # Errors
/// When a key cannot be derived.
pub fn audit_keys(conn: &mut Conn, master: &MasterSecret) -> Result<SignerRing, Failure> {
    let mut keys = ring(conn, KeyKind::Audit).unwrap_or_default();
    if keys.is_empty() {
        keys.push(RingKey::FIRST);
    }
    Ok(SignerRing::derive(master, Purpose::Audit, &keys)?)
}

fn token_key_add(
    conn: &mut Conn,
    sealer: &FieldSealer,
    network: &str,
    signs_from: Timestamp,
) -> Result<String, Failure> {
    let key = TokenKey::generate(signs_from)?;
    let place = FieldPlace::of_text(network, "server_key", "private_sealed", key.key_id());
    let sealed = sealer.seal(&place, key.to_pkcs8().expose_secret())?;
    storage::keys::server::server_key_add(conn, key.key_id(), KeyKind::Token.as_str(), &sealed, signs_from)?;
    Ok(key.key_id().to_owned())
}

/// Loads the keys that other processes changed; returns how many kinds changed.
///
/// # Errors
/// Faults of the storage, and keys that cannot be decrypted: then the old ones stay.
pub async fn reload(app: &Arc<AppState>) -> Result<usize, Failure> {
    let (seals, tokens, prescriptions, audit) = app
        .read(Actor::System, |conn, _| {
            Ok((
                storage::keys::seal::seal_keys(conn)?,
                storage::keys::server::server_keys_live(conn, KeyKind::Token.as_str())?,
                ring(conn, KeyKind::Prescription)?,
                ring(conn, KeyKind::Audit)?,
            ))
        })
        .await?;
    let mut changed = 0;
    let keys = &app.keys;
    if let Some((ids, current)) = sealing(&seals, app.now())
        && (keys.sealer.ids() != ids || keys.sealer.current() != current)
    {
        keys.use_sealing_keys(&ids, current)?;
        tracing::info!(?ids, current = current.0, "sealing keys have changed");
        changed += 1;
    }
    let live: BTreeSet<&str> = tokens.iter().map(|row| row.kid.as_str()).collect();
    let known = keys.tokens.key_ids();
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    if !live.is_empty() && live != known {
        let opened = open_token_keys(&keys.sealer, &app.policy.network, tokens)?;
        tracing::info!(keys = opened.len(), "signing keys have changed");
        keys.tokens.replace(opened)?;
        changed += 1;
    }
    if !prescriptions.is_empty() && keys.prescriptions.keys() != prescriptions {
        keys.use_prescription_keys(&prescriptions)?;
        tracing::info!(keys = prescriptions.len(), "keys of prescriptions have changed");
        changed += 1;
    }
    if !audit.is_empty() && keys.audit.keys() != audit {
        keys.use_audit_keys(&audit)?;
        tracing::info!(keys = audit.len(), "keys of the audit chain have changed");
        changed += 1;
    }
    Ok(changed)
}

/// All live keys, and the retired ones of all kinds but tokens.
///
/// # Errors
/// Faults of the storage.
pub fn list(conn: &mut Conn, now: Timestamp) -> Result<Vec<KeyView>, Failure> {
    let mut views = Vec::new();
    let tokens = storage::keys::server::server_keys_live(conn, KeyKind::Token.as_str())?;
    let signing = tokens.iter().rev().find(|row| row.created_at <= now).or(tokens.first());
    let signing = signing.map(|row| row.kid.clone());
    for row in tokens {
        views.push(KeyView {
            kind: KeyKind::Token,
            in_use: signing.as_ref() == Some(&row.kid),
            id: row.kid,
            used_from: row.created_at,
            retired_at: None,
        });
    }
    let seals = storage::keys::seal::seal_keys(conn)?;
    let current = sealing(&seals, now).map(|(_, current)| i64::from(current.0));
    views.extend(seals.into_iter().map(|row| KeyView {
        kind: KeyKind::Seal,
        id: row.id.to_string(),
        used_from: row.seals_from,
        in_use: current == Some(row.id),
        retired_at: row.retired_at,
    }));
    for kind in [KeyKind::Prescription, KeyKind::Audit] {
        let rows = storage::keys::signing::signing_keys(conn, kind.as_str())?;
        let live = || rows.iter().filter(|row| row.retired_at.is_none());
        let due = live().rev().find(|row| row.signs_from <= now).or_else(|| live().next());
        let signing = due.map(|row| row.number);
        views.extend(rows.iter().map(|row| KeyView {
            kind,
            id: row.number.to_string(),
            used_from: row.signs_from,
            in_use: signing == Some(row.number),
            retired_at: row.retired_at,
        }));
    }
    Ok(views)
}

/// Creates the next key of a kind; it is used after [`LEAD`].
///
/// # Errors
/// Faults of the storage.
pub fn rotate(
    conn: &mut Conn,
    keys: &Keyring,
    network: &str,
    kind: KeyKind,
    now: Timestamp,
) -> Result<KeyView, Failure> {
    storage::keys::server::server_keys_lock(conn)?;
    let used_from = now + LEAD;
    let id = match kind {
        KeyKind::Token => token_key_add(conn, &keys.sealer, network, used_from)?,
        KeyKind::Seal => {
            let next = storage::keys::seal::seal_keys(conn)?.last().map_or(1, |row| row.id + 1);
            storage::keys::seal::seal_key_add(conn, next, used_from, now)?;
            next.to_string()
        }
        KeyKind::Prescription | KeyKind::Audit => {
            let rows = storage::keys::signing::signing_keys(conn, kind.as_str())?;
            let next = rows.last().map_or(1, |row| row.number + 1);
            storage::keys::signing::signing_key_add(conn, kind.as_str(), next, used_from, now)?;
            next.to_string()
        }
    };
    log(conn, (kind, &id), KeyEvent::Added { kind, id: id.clone() }, now)?;
    Ok(KeyView { kind, id, used_from, in_use: false, retired_at: None })
}

/// Retires a key. `authorized_for` is the life of a vend authorization. `at_once` is for a signing
/// key that leaked: it is retired although what it signed may still be in use.
///
/// # Errors
/// Why it cannot be retired.
pub fn retire(
    conn: &mut Conn,
    (kind, id): (KeyKind, &str),
    authorized_for: TimeDelta,
    at_once: bool,
    now: Timestamp,
) -> Result<(), KeyError> {
    storage::keys::server::server_keys_lock(conn)?;
    let views = list(conn, now)?;
    let of_kind = |view: &&KeyView| view.kind == kind && view.retired_at.is_none();
    let view = views.iter().filter(of_kind).find(|view| view.id == id).ok_or(KeyError::Unknown)?;
    let in_use = views.iter().filter(of_kind).find(|view| view.in_use).ok_or(KeyError::Unknown)?;
    if view.in_use {
        return Err(KeyError::InUse);
    }
    // A key that was never used may be retired at any time.
    let was_used = view.used_from <= in_use.used_from;
    let retired = match kind {
        KeyKind::Token => {
            let free_from = in_use.used_from + authorized_for + TOKEN_KEY_RETIRE_AFTER;
            if was_used && !at_once && now < free_from {
                return Err(KeyError::Needed(free_from));
            }
            storage::keys::server::server_key_retire(conn, id, now)?
        }
        KeyKind::Seal => {
            // Until then another instance may still seal with it.
            let free_from = in_use.used_from + LEAD;
            if was_used && now < free_from {
                return Err(KeyError::Needed(free_from));
            }
            let number = id.parse::<u32>().map_err(|_| KeyError::Unknown)?;
            for column in columns::COLUMNS {
                if columns::is_sealed_with(conn, *column, &FieldSealer::header(SealKeyId(number)))? {
                    return Err(KeyError::Sealing(format!("{}.{}", column.table, column.name)));
                }
            }
            storage::keys::seal::seal_key_retire(conn, number.into(), now)?
        }
        // Seals of a retired audit key remain valid if they are dated before its retirement.
        KeyKind::Prescription | KeyKind::Audit => {
            let retire_after = if kind == KeyKind::Audit { LEAD } else { PRESCRIPTION_KEY_RETIRE_AFTER };
            let free_from = in_use.used_from + retire_after;
            if was_used && !at_once && now < free_from {
                return Err(KeyError::Needed(free_from));
            }
            let number = id.parse().map_err(|_| KeyError::Unknown)?;
            storage::keys::signing::signing_key_retire(conn, kind.as_str(), number, now)?
        }
    };
    if !retired {
        return Err(KeyError::Unknown);
    }
    log(conn, (kind, id), KeyEvent::Retired { kind, id: id.to_owned() }, now)?;
    Ok(())
}

fn log(conn: &mut Conn, (kind, id): (KeyKind, &str), event: KeyEvent, now: Timestamp) -> Result<(), Failure> {
    storage::events::events_append(
        conn,
        &[NewEvent {
            stream_id: digest::id_of(&format!("key\n{kind}\n{id}")),
            event: event.into(),
            actor_role: Actor::System.role_name(),
            actor_id: None,
            worker_id: None,
            staff_id: None,
            at: now,
        }],
    )?;
    Ok(())
}
