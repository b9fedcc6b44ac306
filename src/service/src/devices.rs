//! Stations and cabinets have identities of their own: an operator issues a code, the device
//! generates its key and enrols with it, and then authenticates by signed assertions. A new
//! enrolment at a place replaces the old device.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Actor, AppState, Failure, Recipients, Tx, caller::StaffCaller, check_in};
use crate::rate_limit;
use coordination::Topic;
use crypto::{
    CryptoError, device, digest, public_key::Ed25519PublicKey, random::EnrolmentCode, tokens::Claims,
};
use domain::{
    check_in::EndReason,
    devices::{DeviceKind, RetireReason},
    event::{
        cabinet::CabinetEvent,
        network::{DeviceEvent, StationEvent},
    },
    ids::{CabinetId, DeviceId, StationId},
    refusal::{Code, Refusal, RefusalKind},
    spelling,
    staff::role::Role,
    words::Bilingual,
};
use storage::{
    devices::{self as store, DeviceRow},
    network::{NewDevice, devices_add},
    sql_types::At,
};

/// Minutes for which an enrolment code is valid. Source: the project's security checks, no. 13.
const CODE_MINUTES: i64 = 15;
/// Seconds for which a device's access token is valid.
pub(crate) const TOKEN_SECONDS: i64 = 300;
/// Seconds for which a used assertion is stored after it expires: more than the allowed clock
/// difference.
const REMEMBERED_SECONDS: i64 = 60;
/// The path that takes assertions; their audience is this path under the public URL.
pub(crate) const TOKEN_PATH: &str = "/api/v1/tokens/device";

/// For which device a code is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeInput {
    /// Station or cabinet.
    pub kind: DeviceKind,
    pub station_id: StationId,
}

/// A fresh enrolment code. It is shown this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CodeView {
    /// Seven groups of four symbols.
    pub code: String,
    /// What it enrols.
    pub kind: DeviceKind,
    pub station_id: StationId,
    /// When it lapses.
    pub expires_at: DateTime<Utc>,
}

/// A device that enrols.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolInput {
    /// The code, as typed.
    #[schema(value_type = spelling::EnrolmentCode)]
    pub code: String,
    /// Its Ed25519 public key: 32 bytes in base64url.
    #[schema(value_type = spelling::PublicKey)]
    pub public_key: String,
}

/// An enrolled device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EnrolledView {
    /// The device's id: issuer and subject of its assertions.
    pub device_id: DeviceId,
    /// Station or cabinet.
    pub kind: DeviceKind,
    pub station_id: StationId,
    /// The machine, of a cabinet.
    pub cabinet_id: Option<CabinetId>,
    /// Grows with every enrolment of the place.
    pub epoch: i64,
}

/// A client assertion (`private_key_jwt`).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertionInput {
    /// Signed by the device; valid once, for 60 seconds at most.
    #[schema(value_type = spelling::Assertion)]
    pub client_assertion: String,
}

/// A device's access token.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct DeviceToken {
    /// For every request.
    pub access_token: String,
    /// Seconds for which it is valid.
    pub expires_in: i64,
    /// `station` or `cabinet`.
    pub role: Role,
    pub station_id: StationId,
    /// The machine, of a cabinet.
    pub cabinet_id: Option<CabinetId>,
    /// The epoch that the token is bound to.
    pub epoch: i64,
}

/// A revoked device.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokedDevice {
    pub id: DeviceId,
    pub revoked_at: DateTime<Utc>,
}

/// Makes an enrolment code for a station or the cabinet at it.
///
/// # Errors
/// `NotFound` for an unknown station, or one without a cabinet.
pub fn code_make(tx: &mut Tx<'_>, caller: StaffCaller, input: &CodeInput) -> Result<CodeView, Failure> {
    let cabinet = store::open_station_cabinet(tx.conn, input.station_id)?.ok_or(Code::NotFound)?;
    if input.kind == DeviceKind::Cabinet && cabinet.is_none() {
        return Err(Code::NotFound.into());
    }
    let code = EnrolmentCode::generate();
    let expires_at = tx.now + TimeDelta::minutes(CODE_MINUTES);
    let (kind, station) = (input.kind, input.station_id);
    store::code_add(tx.conn, &code.digest(), kind.as_str(), station, caller.staff, tx.now, expires_at)?;
    tx.record(station, StationEvent::EnrolmentCodeMade { kind }, Recipients::nobody())?;
    Ok(CodeView { code: code.text().expose_secret().to_owned(), kind, station_id: station, expires_at })
}

/// Enrols a device: the old one of the same place is revoked, the epoch grows.
///
/// # Errors
/// `EnrolmentCodeInvalid` for a code that is unknown, used, lapsed or of the other kind; a field
/// problem for an invalid key (the code stays valid).
pub fn enrol(tx: &mut Tx<'_>, kind: DeviceKind, input: &EnrolInput) -> Result<EnrolledView, Failure> {
    let key: Ed25519PublicKey = input.public_key.parse().map_err(|_| {
        let message = Bilingual::fixed(
            "须为 base64url 编码的 32 字节 Ed25519 公钥。",
            "must be an Ed25519 public key: 32 bytes in base64url",
        );
        Refusal::field("public_key", "bad_format", message)
    })?;
    let digest = EnrolmentCode::parse(&input.code).map_err(|_| Code::EnrolmentCodeInvalid)?.digest();
    let code = store::code_use(tx.conn, &digest, kind.as_str(), tx.now)?.ok_or(Code::EnrolmentCodeInvalid)?;
    // The cabinet's row is locked before its device's: a cabinet's own operations have locked the
    // first when they check the second in their last step. A concurrent enrolment is waited for,
    // and then replaced.
    let cabinet = match kind {
        DeviceKind::Station => None,
        DeviceKind::Cabinet => {
            let locked = store::cabinet_at_locked(tx.conn, code.station_id)?;
            Some(locked.ok_or(Code::EnrolmentCodeInvalid)?)
        }
    };
    let old = store::device_at_revoke(tx.conn, code.station_id, kind.as_str(), tx.now)?;
    if let Some(old) = &old {
        retired(tx, old, RetireReason::Replaced)?;
    }
    let known = match &old {
        // The live device of a place is its last one.
        Some(old) => old.epoch,
        None => store::device_epoch(tx.conn, code.station_id, kind.as_str())?,
    };
    let epoch = known.max(cabinet.map_or(0, |(_, epoch)| epoch)) + 1;
    let cabinet_id = cabinet.map(|(id, _)| id);
    let id = DeviceId::generate();
    let new = NewDevice {
        id,
        kind: kind.as_str().to_owned(),
        station_id: code.station_id,
        cabinet_id,
        epoch,
        public_key: key.to_string(),
        enrolled_at: At(tx.now),
    };
    match cabinet {
        None => devices_add(tx.conn, &[new])?,
        Some(cabinet) => {
            let start = digest::hex(&digest::CHAIN_START);
            if !store::cabinet_device_add(tx.conn, cabinet, &new, &start)? {
                return Err(Code::EnrolmentCodeInvalid.into());
            }
        }
    }
    if let Some(cabinet) = cabinet_id.filter(|_| epoch > 1) {
        epoch_replaced(tx, cabinet, epoch)?;
    }
    let event = DeviceEvent::Enrolled {
        kind,
        station: code.station_id,
        epoch,
        by: code.created_by,
        key: key.thumbprint(),
    };
    tx.record(id, event, Recipients::nobody())?;
    Ok(EnrolledView { device_id: id, kind, station_id: code.station_id, cabinet_id, epoch })
}

/// Revokes a device at once: its tokens are invalid from now on.
///
/// # Errors
/// `NotFound`; revoking a revoked one is no error.
pub fn revoke(tx: &mut Tx<'_>, id: DeviceId) -> Result<RevokedDevice, Failure> {
    let row = store::device_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    if row.revoked_at.is_none() && store::device_revoke(tx.conn, id, tx.now)? {
        retired(tx, &row, RetireReason::Revoked)?;
    }
    Ok(RevokedDevice { id, revoked_at: row.revoked_at.unwrap_or(tx.now) })
}

/// Enrols a device as [`enrol`] does. The code is looked up first: that is cheap, as it is 128
/// random bits, and a valid one is accepted however many failures came from its `address`.
///
/// # Errors
/// As there; `TooManyRequests` after too many invalid codes.
pub async fn enrol_from(
    app: &Arc<AppState>,
    kind: DeviceKind,
    input: EnrolInput,
    address: &str,
) -> Result<EnrolledView, Failure> {
    let known = match EnrolmentCode::parse(&input.code) {
        Ok(code) => {
            let digest = code.digest();
            app.read(Actor::Anyone, move |conn, _| Ok(store::code_fetch(conn, &digest)?.is_some())).await?
        }
        Err(_) => false,
    };
    // An invalid key is reported before an invalid code.
    let outcome = if known || input.public_key.parse::<Ed25519PublicKey>().is_err() {
        app.write(Actor::Anyone, move |tx| enrol(tx, kind, &input)).await
    } else {
        Err(Code::EnrolmentCodeInvalid.into())
    };
    match outcome {
        Err(Failure::Refused(refusal)) if refusal.code == Code::EnrolmentCodeInvalid => {
            Err(rate_limit::DEVICE_ADDRESS.refuse(app, &[address], Failure::Refused(refusal)).await)
        }
        outcome => outcome,
    }
}

/// Why no token was issued: the device that was named, if it exists, and the failure.
type Unproven = (Option<DeviceId>, Failure);

/// Issues an access token to a device that authenticates. A failed attempt counts against the
/// device that it names, together with the `address`: other devices behind that address are not
/// slowed down, nor is this one once it authenticates. An attempt costs one lookup and one
/// signature check.
///
/// # Errors
/// `TokenInvalid` for an assertion that is malformed, was used, or has another audience;
/// `TokenExpired`; `DeviceRevoked`; `TooManyRequests` instead of these after too many.
pub async fn token(
    app: &Arc<AppState>,
    input: &AssertionInput,
    address: &str,
) -> Result<DeviceToken, Failure> {
    let (named, failure) = match prove(app, input).await {
        Ok(token) => return Ok(token),
        Err(unproven) => unproven,
    };
    let refused = matches!(&failure, Failure::Refused(refusal)
        if refusal.code.kind() == RefusalKind::Unauthenticated && refusal.code != Code::TokenExpired);
    if !refused {
        // A wrong clock is not an attack, and a fault is the server's.
        return Err(failure);
    }
    Err(match named {
        Some(id) => rate_limit::DEVICE_SOURCE.refuse(app, &[&id.to_string(), address], failure).await,
        None => rate_limit::DEVICE_ADDRESS.refuse(app, &[address], failure).await,
    })
}

async fn prove(app: &Arc<AppState>, input: &AssertionInput) -> Result<DeviceToken, Unproven> {
    let unnamed = |code: Code| (None, Failure::from(code));
    let id = device::peek_device(&input.client_assertion).map_err(|_| unnamed(Code::TokenInvalid))?;
    let row = app.read(Actor::Anyone, move |conn, _| Ok(store::device_fetch(conn, id)?)).await;
    let row = row.map_err(|failure| (None, failure))?.ok_or_else(|| unnamed(Code::TokenInvalid))?;
    let of_device = |failure: Failure| (Some(id), failure);
    let key: Ed25519PublicKey =
        row.public_key.parse().map_err(|error| of_device(Failure::caused("a stored public key", error)))?;
    let audience = format!("{}{TOKEN_PATH}", app.public_url);
    // Only the holder of the key learns that the device is revoked.
    let proven =
        device::verify_assertion(&key, &input.client_assertion, &audience, app.now()).map_err(|error| {
            of_device(match error {
                CryptoError::Expired => Code::TokenExpired.into(),
                _ => Code::TokenInvalid.into(),
            })
        })?;
    if row.revoked_at.is_some() {
        return Err(of_device(Code::DeviceRevoked.into()));
    }
    let taken = app.write(Actor::Anyone, move |tx| {
        let used = digest::sha256(format!("{id}\n{}", proven.jti).as_bytes());
        let remembered = proven.expires_at + TimeDelta::seconds(REMEMBERED_SECONDS);
        if !store::assertion_use(tx.conn, &used, remembered)? {
            return Err(Code::TokenInvalid.into());
        }
        let row = store::device_fetch(tx.conn, id)?.ok_or(Code::TokenInvalid)?;
        if row.revoked_at.is_some() {
            return Err(Code::DeviceRevoked.into());
        }
        issue(tx.app, &row)
    });
    taken.await.map_err(of_device)
}

fn issue(app: &AppState, row: &DeviceRow) -> Result<DeviceToken, Failure> {
    let (role, subject) = match row.cabinet_id {
        Some(cabinet) => (Role::Cabinet, cabinet.to_string()),
        None => (Role::Station, row.station_id.to_string()),
    };
    let life = TimeDelta::seconds(TOKEN_SECONDS);
    let mut claims = Claims::new(&app.policy.network, role, subject, app.now(), life);
    claims.device = Some(row.id);
    claims.epoch = Some(row.epoch);
    claims.station = Some(row.station_id);
    Ok(DeviceToken {
        access_token: app.keys.tokens.issue(&claims)?,
        expires_in: TOKEN_SECONDS,
        role,
        station_id: row.station_id,
        cabinet_id: row.cabinet_id,
        epoch: row.epoch,
    })
}

/// What follows from the revocation of a device, in the transaction that has revoked it.
fn retired(tx: &mut Tx<'_>, row: &DeviceRow, reason: RetireReason) -> Result<(), Failure> {
    let kind = DeviceKind::parse(&row.kind)
        .ok_or_else(|| Failure::inconsistent(format!("a device of the kind {}", row.kind)))?;
    let event = DeviceEvent::Revoked { kind, station: row.station_id, reason };
    tx.record(row.id, event, Recipients::nobody())?;
    if kind == DeviceKind::Station {
        // The check-ins of this screen end with it.
        let why = match reason {
            RetireReason::Replaced => EndReason::ScreenReplaced,
            RetireReason::Revoked => EndReason::ScreenRevoked,
        };
        check_in::end_at_station(tx, row.station_id, why)?;
    }
    Ok(())
}

/// Attempts that the replaced cabinet had started are in doubt from now on.
fn epoch_replaced(tx: &mut Tx<'_>, cabinet: CabinetId, epoch: i64) -> Result<(), Failure> {
    tx.record(cabinet, CabinetEvent::EpochReplaced { epoch }, Recipients::nobody())?;
    super::vend::epoch_replaced(tx, cabinet)?;
    tx.wake(Topic::Cabinet(cabinet));
    Ok(())
}
