//! Staff sign in, stay signed in by rotating refresh tokens, and sign out. An unknown account, a
//! wrong password and a wrong or used one-time code get the same answer: an attacker does not learn
//! which part was right.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Actor, AppState, Failure, Recipients, Tx, caller::StaffCaller, consultation, rate_limit};
use crypto::{digest, random, seal::FieldPlace, tokens::Claims, totp::TotpSecret};
use domain::{
    event::staff::SessionEvent,
    ids::{EmployerId, HospitalId, SessionId, StaffId},
    refusal::Code,
    spelling,
    staff::{SessionEnd, role::Role},
};
use storage::{
    Conn,
    staff::{
        StaffRow,
        session::{self as store, RefreshRow, SessionRow},
    },
};

/// Seconds for which an access token is valid.
pub(crate) const TOKEN_SECONDS: i64 = 300;

/// The credentials of a member of staff.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInInput {
    /// The mail address; letter case does not matter.
    #[schema(value_type = spelling::MailAddress)]
    pub email: String,
    #[schema(schema_with = spelling::password)]
    pub password: String,
    /// The one-time code of now, six digits.
    #[schema(value_type = spelling::OneTimeCode)]
    pub totp: String,
    /// What an earlier sign-in gave this device. It does not authenticate; with it, guesses from
    /// elsewhere do not use up the tries of this device.
    #[schema(value_type = Option<spelling::KnownDeviceToken>)]
    pub device_token: Option<String>,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshInput {
    /// As the last answer gave it.
    #[schema(value_type = spelling::Token)]
    pub refresh_token: String,
}

/// A member of staff, as shown to themselves.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StaffView {
    pub id: StaffId,
    /// What they are.
    pub role: Role,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English or pinyin.
    pub name_en: String,
    /// The mail address to sign in with.
    pub email: String,
    /// A doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer_id: Option<EmployerId>,
}

/// A signed-in session's tokens.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct StaffTokens {
    /// For every request.
    pub access_token: String,
    /// Seconds for which it is valid.
    pub expires_in: i64,
    /// For the next pair; valid once.
    pub refresh_token: String,
    /// When it expires, and the session with it.
    pub refresh_expires_at: DateTime<Utc>,
    /// Who signed in.
    pub staff: StaffView,
    /// For this device to store and send with its next sign-in; valid for 180 days. Only a sign-in
    /// gives one.
    #[serde(default)]
    pub device_token: Option<String>,
}

/// Whether a session was ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// Always true: the token is invalid now, whatever it was.
    pub revoked: bool,
}

/// The end of a session.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SignedOut {
    pub signed_out: bool,
}

/// The caller's own session.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Who is signed in.
    pub staff: StaffView,
    pub session_id: SessionId,
    pub created_at: DateTime<Utc>,
    /// When it ends, unless it is ended before.
    pub ends_at: DateTime<Utc>,
    /// Until when signatures may be made; null while the window is closed.
    pub signing_until: Option<DateTime<Utc>>,
}

/// Exchanges a refresh token as [`refresh`] does. The token is looked up first: that is cheap, as
/// it is 256 random bits, and a known one is accepted however many failures came from its
/// `address`.
///
/// # Errors
/// As there; `TooManyRequests` after too many unknown tokens.
pub async fn exchange(
    app: &Arc<AppState>,
    token: String,
    address: &str,
    client: String,
) -> Result<StaffTokens, Failure> {
    if !is_refresh_token(app, &token).await? {
        return Err(rate_limit::REFRESH_ADDRESS.refuse(app, &[address], Code::TokenInvalid.into()).await);
    }
    app.write(Actor::Anyone, move |tx| refresh(tx, &token, &client)).await
}

async fn is_refresh_token(app: &Arc<AppState>, token: &str) -> Result<bool, Failure> {
    let digest = digest::sha256(token.as_bytes());
    app.read(Actor::Anyone, move |conn, _| Ok(store::refresh_fetch(conn, &digest)?.is_some())).await
}

/// Ends the session of a refresh token, as [`revoke`] does. An unknown token costs no write.
pub async fn revoke_token(app: &Arc<AppState>, token: String) -> Result<Revoked, Failure> {
    if !is_refresh_token(app, &token).await? {
        return Ok(Revoked { revoked: true });
    }
    app.write(Actor::Anyone, move |tx| revoke(tx, &token)).await
}

/// The stored answer of an exchange, with its caller.
#[derive(Serialize, Deserialize)]
struct Exchanged {
    /// As given to [`refresh`].
    client: String,
    tokens: StaffTokens,
}

/// Exchanges a refresh token for a new pair. A used token may come from the same caller whose
/// answer was lost: within seconds, and until the new token is used, they get the same answer, so
/// that no second pair exists. Otherwise the token was copied, and the whole session ends. `client`
/// distinguishes callers: their address and user agent.
///
/// # Errors
/// `TokenInvalid`, `RefreshReused`, `SessionEnded`.
pub fn refresh(tx: &mut Tx<'_>, token: &str, client: &str) -> Result<StaffTokens, Failure> {
    let digest = digest::sha256(token.as_bytes());
    let row = store::refresh_lock(tx.conn, &digest)?.ok_or(Code::TokenInvalid)?;
    if row.used_at.is_some() {
        if let Some(again) = exchanged_before(tx, &digest, &row, client)? {
            return Ok(again);
        }
        // The end of the session must be committed although the exchange is refused.
        tx.commit_on_refusal();
        end(tx, row.session_id, SessionEnd::RefreshReused)?;
        return Err(Code::RefreshReused.into());
    }
    let (person, session) = live_session(tx, &row)?;
    storage::authority::session_touch(tx.conn, session.id, tx.now)?;
    let tokens = tokens(tx, person, &session)?;
    let stored = Exchanged { client: client.to_owned(), tokens };
    let sealed = match tx.app.policy.sessions.refresh_grace_seconds {
        0 => None,
        _ => Some(
            tx.app
                .keys
                .sealer
                .seal(&answer_place(tx.app, &digest::hex(&digest)), &serde_json::to_vec(&stored)?)?,
        ),
    };
    if !store::refresh_use(tx.conn, &digest, sealed.as_deref(), tx.now)? {
        return Err(Failure::inconsistent("a held refresh token was exchanged by somebody else"));
    }
    Ok(stored.tokens)
}

/// The stored answer, if this caller exchanged this token a moment ago.
fn exchanged_before(
    tx: &mut Tx<'_>,
    digest: &[u8; 32],
    row: &RefreshRow,
    client: &str,
) -> Result<Option<StaffTokens>, Failure> {
    let grace = TimeDelta::seconds(tx.app.policy.sessions.refresh_grace_seconds.into());
    let (Some(used_at), Some(sealed)) = (row.used_at, &row.answer_sealed) else { return Ok(None) };
    if tx.now > used_at + grace {
        return Ok(None);
    }
    let plain = tx.app.keys.sealer.open(&answer_place(tx.app, &digest::hex(digest)), sealed)?;
    let stored: Exchanged = serde_json::from_slice(&plain)?;
    let successor = digest::sha256(stored.tokens.refresh_token.as_bytes());
    let unused = store::refresh_fetch(tx.conn, &successor)?.is_some_and(|next| next.used_at.is_none());
    if stored.client != client || !unused {
        return Ok(None);
    }
    live_session(tx, row)?;
    Ok(Some(stored.tokens))
}

fn answer_place<'a>(app: &'a AppState, digest: &'a str) -> FieldPlace<'a> {
    FieldPlace::of_text(&app.policy.network, "refresh_token", "answer_sealed", digest)
}

/// Whose session a token belongs to, if it has not ended.
fn live_session(tx: &mut Tx<'_>, row: &RefreshRow) -> Result<(StaffRow, SessionRow), Failure> {
    let session = store::session_fetch(tx.conn, row.session_id)?.ok_or(Code::SessionEnded)?;
    let person = storage::staff::staff_fetch(tx.conn, session.staff_id)?.ok_or(Code::SessionEnded)?;
    if row.expires_at <= tx.now || session.revoked_at.is_some() || person.disabled_at.is_some() {
        return Err(Code::SessionEnded.into());
    }
    Ok((person, session))
}

/// Ends the session of a refresh token. An unknown token counts as ended.
pub fn revoke(tx: &mut Tx<'_>, token: &str) -> Result<Revoked, Failure> {
    if let Some(row) = store::refresh_fetch(tx.conn, &digest::sha256(token.as_bytes()))? {
        end(tx, row.session_id, SessionEnd::Revoked)?;
    }
    Ok(Revoked { revoked: true })
}

/// Ends the caller's session.
pub fn sign_out(tx: &mut Tx<'_>, caller: StaffCaller) -> Result<SignedOut, Failure> {
    end(tx, caller.session, SessionEnd::SignedOut)?;
    Ok(SignedOut { signed_out: true })
}

/// The caller's session.
pub fn fetch(conn: &mut Conn, app: &AppState, caller: StaffCaller) -> Result<SessionView, Failure> {
    let session = store::session_fetch(conn, caller.session)?.ok_or(Code::SessionEnded)?;
    let person = storage::staff::staff_fetch(conn, caller.staff)?.ok_or(Code::SessionEnded)?;
    Ok(SessionView {
        staff: view(person),
        session_id: session.id,
        created_at: session.created_at,
        ends_at: crate::caller::session_ends_at(session.created_at),
        signing_until: session.signing_until.filter(|until| *until > app.now()),
    })
}

/// Ends every session of a member of staff; returns how many there were.
pub(crate) fn end_all(tx: &mut Tx<'_>, staff_id: StaffId, reason: SessionEnd) -> Result<usize, Failure> {
    let ended = store::sessions_revoke(tx.conn, staff_id, tx.now)?;
    for session in &ended {
        note_end(tx, *session, reason, Some(staff_id))?;
    }
    consultation::release_signed_out(tx, staff_id)?;
    Ok(ended.len())
}

/// A session has just been revoked.
fn note_end(
    tx: &mut Tx<'_>,
    id: SessionId,
    reason: SessionEnd,
    staff: Option<StaffId>,
) -> Result<(), Failure> {
    if matches!(tx.actor, Actor::Staff(caller) if caller.session == id) {
        tx.ends_own_authority();
    }
    let recipients = Recipients { worker: None, staff };
    tx.record(id, SessionEvent::Ended { reason }, recipients)
}

/// A member of staff as shown.
pub(crate) fn view(row: StaffRow) -> StaffView {
    StaffView {
        id: row.id,
        role: row.role,
        name_zh: row.name_zh,
        name_en: row.name_en,
        // A disabled account has released its address; it is still shown.
        email: row.released_email.unwrap_or(row.email),
        hospital_id: row.hospital_id,
        employer_id: row.employer_id,
    }
}

/// The secret of somebody's one-time codes; `None` until they are invited.
pub(crate) fn totp_secret(app: &AppState, row: &StaffRow) -> Result<Option<TotpSecret>, Failure> {
    let Some(sealed) = &row.totp_sealed else { return Ok(None) };
    let place = FieldPlace::of(&app.policy.network, "staff", "totp_sealed", row.id);
    Ok(Some(TotpSecret::from_bytes(&app.keys.sealer.open(&place, sealed)?)?))
}

fn end(tx: &mut Tx<'_>, id: SessionId, reason: SessionEnd) -> Result<(), Failure> {
    if store::session_revoke(tx.conn, id, tx.now)? {
        let staff = store::session_fetch(tx.conn, id)?.map(|row| row.staff_id);
        note_end(tx, id, reason, staff)?;
        if let Some(staff) = staff {
            consultation::release_signed_out(tx, staff)?;
        }
    }
    Ok(())
}

pub(crate) fn tokens(tx: &mut Tx<'_>, row: StaffRow, session: &SessionRow) -> Result<StaffTokens, Failure> {
    let ends_at = crate::caller::session_ends_at(session.created_at);
    if ends_at <= tx.now {
        return Err(Code::SessionEnded.into());
    }
    let refresh = random::token_256();
    let refresh = refresh.expose_secret();
    store::refresh_add(tx.conn, &digest::sha256(refresh.as_bytes()), session.id, tx.now, ends_at)?;
    let life = TimeDelta::seconds(TOKEN_SECONDS);
    let mut claims = Claims::new(&tx.app.policy.network, row.role, row.id, tx.now, life);
    claims.session = Some(session.id);
    claims.session_version = Some(session.version);
    claims.hospital = row.hospital_id;
    claims.employer = row.employer_id;
    Ok(StaffTokens {
        access_token: tx.app.keys.tokens.issue(&claims)?,
        expires_in: TOKEN_SECONDS,
        refresh_token: refresh.to_owned(),
        refresh_expires_at: ends_at,
        staff: view(row),
        device_token: None,
    })
}
