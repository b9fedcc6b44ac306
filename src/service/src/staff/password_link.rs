//! Links by which staff set their password: an invitation, or a reset. A link contains 256 random
//! bits, is stored as a digest, and is valid once. Setting a password ends every session and voids
//! every other link.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{known_device, password_hashing, session, signing};
use crate::{
    Actor, AppState, Failure, Recipients, Tx,
    jobs::rounds::{self, Done, Job},
    letter, rate_limit,
};
use coordination::Topic;
use crypto::{
    blind::BlindField,
    digest, password,
    pin::{self, PinSalt},
    qr, random,
    seal::FieldPlace,
    totp::{self, TotpSecret},
};
use domain::{
    event::staff::StaffEvent,
    ids::StaffId,
    letter::LetterKind,
    refusal::{Code, Refusal},
    spelling,
    staff::{LinkPurpose, SessionEnd},
    words::Bilingual,
};
use storage::{
    events::AnyId,
    staff::{StaffRow, reset_request::RequestRow, session as store},
};

/// Hours for which an invitation is valid. Our default.
const INVITE_HOURS: i64 = 72;
/// The maximum number of password requests that one round answers.
const REQUESTS_PER_ROUND: i64 = 50;
/// Minutes for which a reset link is valid. Our default.
const RESET_MINUTES: i64 = 30;

/// Whose password is forgotten.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetInput {
    /// The mail address to sign in with.
    #[schema(value_type = spelling::MailAddress)]
    pub email: String,
}

/// The one answer to every reset.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// Always true, whether or not there is such an account.
    pub accepted: bool,
}

/// A new password, by a link.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordInput {
    /// The part of the link after `#token=`.
    #[schema(value_type = spelling::Token)]
    pub token: String,
    /// The new password.
    #[schema(schema_with = spelling::new_password)]
    pub password: String,
    /// The signing PIN of a doctor or pharmacist, six to twelve digits.
    #[schema(value_type = Option<spelling::SigningPin>)]
    pub signing_pin: Option<String>,
    /// A one-time code: needed to change an existing signing PIN.
    #[schema(value_type = Option<spelling::OneTimeCode>)]
    pub totp_confirm: Option<String>,
}

/// What the password's owner needs next.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct PasswordSet {
    /// The address for an authenticator app; only if there was no secret yet.
    pub totp_uri: Option<String>,
    /// The same secret in base32, for typing it in.
    pub totp_secret: Option<String>,
    /// The same address as a QR code: a picture in SVG.
    pub totp_qr_svg: Option<String>,
    /// Whether this doctor or pharmacist has no signing PIN yet.
    pub signing_pin_needed: bool,
    /// For this device to store and send with its sign-in, so that guesses from elsewhere do not
    /// lock its owner out.
    pub device_token: String,
}

/// Counts a reset request and returns whether a letter may be sent for this account.
///
/// # Errors
/// `TooManyRequests` for an address that asks too often. An account with too many requests gets no
/// more letters, but the caller gets the same answer.
pub async fn may_request(app: &AppState, email: &str, address: &str) -> Result<bool, Failure> {
    // Never given back: each request costs a letter.
    let _spent = rate_limit::RESET_ADDRESS.reserve(app, &[address]).await?.keep(app);
    Ok(rate_limit::RESET_ACCOUNT.spend(app, &[&email.trim().to_lowercase()]).await)
}

/// Stores a request. The account is looked up afterwards ([`answer_requests`]): up to the answer
/// every request does the same work, so that its duration does not reveal whether the account
/// exists.
pub fn request(tx: &mut Tx<'_>, input: &ResetInput, may_send: bool) -> Result<Accepted, Failure> {
    let id = AnyId::generate();
    let email = input.email.trim().to_lowercase();
    let sealed = tx.app.seal("reset_request", "email_sealed", id, &email)?;
    let index = tx.app.keys.blind.of(BlindField::Email, &email);
    storage::staff::reset_request::request_add(tx.conn, id, (&sealed, &index), may_send, tx.now)?;
    tx.wake(Topic::Letters);
    Ok(Accepted { accepted: true })
}

/// Sends a link for each request whose account exists.
///
/// # Errors
/// Faults of the storage.
pub(crate) async fn answer_requests(app: &Arc<AppState>) -> Result<Done, Failure> {
    const JOB: Job = Job::new("reset-requests");
    let waiting = app
        .read(Actor::System, |conn, _| Ok(storage::staff::reset_request::requests(conn, REQUESTS_PER_ROUND)?))
        .await?;
    Ok(rounds::each(app, JOB, waiting, |request| request.id, answer).await)
}

fn answer(tx: &mut Tx<'_>, request: &RequestRow) -> Result<usize, Failure> {
    if !storage::staff::reset_request::request_take(tx.conn, request.id)? {
        return Ok(0);
    }
    let email = tx.app.open("reset_request", "email_sealed", request.id, &request.email_sealed)?;
    let found = storage::staff::staff_by_email(tx.conn, &email)?;
    if let Some(row) = found.filter(|row| request.may_send && row.disabled_at.is_none()) {
        // Somebody who never accepted their invitation gets a new one.
        let known = row.password_hash.is_some();
        send_link(tx, row.id, if known { LetterKind::Reset } else { LetterKind::Invite })?;
    }
    Ok(1)
}

const fn life(purpose: LinkPurpose) -> TimeDelta {
    match purpose {
        LinkPurpose::Invite => TimeDelta::hours(INVITE_HOURS),
        LinkPurpose::Reset => TimeDelta::minutes(RESET_MINUTES),
    }
}

/// Makes a link and puts the letter with it into the outbox.
pub(crate) fn send_link(tx: &mut Tx<'_>, id: StaffId, kind: LetterKind) -> Result<(), Failure> {
    let purpose = if kind.invites() { LinkPurpose::Invite } else { LinkPurpose::Reset };
    let link = fresh_link(tx, id, purpose)?;
    letter::write(tx, kind, id, None, &link)?;
    Ok(())
}

/// As [`send_link`]; earlier links and invitation letters are void.
pub(crate) fn invite_anew(tx: &mut Tx<'_>, id: StaffId, kind: LetterKind) -> Result<(), Failure> {
    store::links_void(tx.conn, id, tx.now)?;
    letter::supersede(tx, id, &[LetterKind::Invite, LetterKind::Reinvite, LetterKind::Reset])?;
    send_link(tx, id, kind)
}

/// A new link; its token is stored as a digest.
pub(crate) fn fresh_link(tx: &mut Tx<'_>, id: StaffId, purpose: LinkPurpose) -> Result<String, Failure> {
    let token = random::token_256();
    let token = token.expose_secret();
    let expires_at = tx.now + life(purpose);
    store::link_add(tx.conn, &digest::sha256(token.as_bytes()), id, purpose.as_str(), tx.now, expires_at)?;
    // After `#`, so that the token does not appear in logs of web servers.
    Ok(format!("{}/staff/password#token={token}", tx.app.public_url.trim_end_matches('/')))
}

/// The token of a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkInput {
    /// The part of the link after `#token=`.
    #[schema(value_type = spelling::Token)]
    pub token: String,
}

/// The purpose of a link. Reading it does not use the link up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// `invite` for a first password, `reset` for another one.
    pub purpose: String,
    /// Until when it is valid.
    pub expires_at: DateTime<Utc>,
    /// The address to sign in with.
    pub email: String,
    /// Whether this person signs, and has no signing PIN yet.
    pub signing_pin_needed: bool,
    /// Whether a signing PIN is set; changing it takes a one-time code.
    pub signing_pin_stands: bool,
}

/// Reads the purpose of a link.
///
/// # Errors
/// `LinkInvalid`; `TooManyRequests` after too many unknown links.
pub async fn look(app: &Arc<AppState>, input: LinkInput, address: &str) -> Result<LinkView, Failure> {
    let digest = digest::sha256(input.token.as_bytes());
    let found = app
        .read_snapshot(Actor::Anyone, move |conn, app| {
            let link = store::link_fetch(conn, &digest)?
                .filter(|link| link.used_at.is_none() && link.expires_at > app.now());
            let Some(link) = link else { return Ok(None) };
            Ok(storage::staff::staff_fetch(conn, link.staff_id)?.map(|row| (link, row)))
        })
        .await?;
    let Some((link, row)) = found.filter(|(_, row)| row.disabled_at.is_none()) else {
        return Err(rate_limit::LINK_ADDRESS.refuse(app, &[address], Code::LinkInvalid.into()).await);
    };
    Ok(LinkView {
        purpose: link.purpose,
        expires_at: link.expires_at,
        email: row.email,
        signing_pin_needed: row.role.signs() && row.pin_mac.is_none(),
        signing_pin_stands: row.role.signs() && row.pin_mac.is_some(),
    })
}

/// A new password, checked and hashed: ready for the transaction.
pub struct Prepared {
    link: [u8; 32],
    password_hash: String,
    signing_pin: Option<String>,
    totp_confirm: Option<String>,
}

/// Checks what can be checked without a transaction, and hashes. The link is looked up first: that
/// is cheap, as it is 256 random bits, and a valid one is accepted however many failures came from
/// its `address`.
///
/// # Errors
/// One problem per bad field; `LinkInvalid`, and `TooManyRequests` after too many unknown links.
pub async fn prepare(app: &Arc<AppState>, input: PasswordInput, address: &str) -> Result<Prepared, Failure> {
    let link = digest::sha256(input.token.as_bytes());
    let person = app
        .read_snapshot(Actor::Anyone, move |conn, _| match store::link_fetch(conn, &link)? {
            // A used link may belong to a repeated request, which gets its saved answer.
            Some(row) => Ok(storage::staff::staff_fetch(conn, row.staff_id)?),
            None => Ok(None),
        })
        .await?;
    let Some(person) = person else {
        return Err(rate_limit::LINK_ADDRESS.refuse(app, &[address], Code::LinkInvalid.into()).await);
    };
    let local = person.email.split('@').next().unwrap_or_default();
    let personal = [local, person.name_zh.as_str(), person.name_en.as_str()];
    let mut problems = password::check_policy("password", &input.password, &personal);
    if let Some(typed) = &input.signing_pin {
        problems.extend(pin::check_signing_pin("signing_pin", typed).err());
    }
    if !problems.is_empty() {
        return Err(Refusal::fields(problems).into());
    }
    Ok(Prepared {
        link,
        password_hash: password_hashing::hash(input.password).await?,
        signing_pin: input.signing_pin.filter(|_| person.role.signs()),
        totp_confirm: input.totp_confirm,
    })
}

/// Sets the password, and the secret of one-time codes if there was none.
///
/// # Errors
/// `LinkInvalid` for a link that is used or expired.
pub fn set(tx: &mut Tx<'_>, prepared: &Prepared) -> Result<PasswordSet, Failure> {
    let link = store::link_fetch(tx.conn, &prepared.link)?.ok_or(Code::LinkInvalid)?;
    let row = storage::staff::staff_fetch(tx.conn, link.staff_id)?.ok_or(Code::LinkInvalid)?;
    if link.used_at.is_some() || link.expires_at <= tx.now {
        return Err(Code::LinkInvalid.into());
    }
    if prepared.signing_pin.is_some() && row.pin_mac.is_some() {
        confirm(tx, &row, prepared.totp_confirm.as_deref())?;
    }
    if !store::link_use(tx.conn, &prepared.link, tx.now)?
        || !storage::staff::password_set(tx.conn, row.id, &prepared.password_hash)?
    {
        return Err(Code::LinkInvalid.into());
    }
    let fresh = if row.totp_sealed.is_none() { Some(fresh_totp(tx, &row)?) } else { None };
    if let Some(typed) = &prepared.signing_pin {
        let salt = PinSalt::generate();
        let mac = tx.app.keys.staff_pins.mac(&salt, typed);
        storage::staff::signing_pin_set(tx.conn, row.id, &salt.0, &mac)?;
    }
    store::links_void(tx.conn, row.id, tx.now)?;
    // After a password is set, earlier reset requests are obsolete.
    storage::staff::reset_request::requests_drop(
        tx.conn,
        &tx.app.keys.blind.of(BlindField::Email, &row.email),
    )?;
    let ended = session::end_all(tx, row.id, SessionEnd::PasswordSet)?;
    let by = LinkPurpose::parse(&link.purpose)
        .ok_or_else(|| Failure::inconsistent(format!("a link for {}", link.purpose)))?;
    let event = StaffEvent::PasswordSet { by, sessions_ended: ended };
    tx.record(row.id, event, Recipients::staff(row.id))?;
    let issuer = format!("Waystation {}", tx.app.policy.network);
    let uri = fresh.as_ref().map(|secret| secret.uri(&issuer, &row.email).expose_secret().to_owned());
    Ok(PasswordSet {
        device_token: known_device::token(tx.app, row.id),
        totp_qr_svg: uri.as_deref().and_then(qr::to_svg),
        totp_uri: uri,
        totp_secret: fresh.as_ref().map(|secret| secret.to_base32().expose_secret().to_owned()),
        signing_pin_needed: row.role.signs() && row.pin_mac.is_none() && prepared.signing_pin.is_none(),
    })
}

fn fresh_totp(tx: &mut Tx<'_>, row: &StaffRow) -> Result<TotpSecret, Failure> {
    let secret = TotpSecret::generate();
    let place = FieldPlace::of(&tx.app.policy.network, "staff", "totp_sealed", row.id);
    let sealed = tx.app.keys.sealer.seal(&place, secret.expose_bytes())?;
    storage::staff::totp_set(tx.conn, row.id, &sealed, 0)?;
    Ok(secret)
}

/// A mailbox alone must not be enough to sign prescriptions: an existing signing PIN is only
/// changed with a one-time code. Wrong codes are counted; nothing may be written before this check.
fn confirm(tx: &mut Tx<'_>, row: &StaffRow, code: Option<&str>) -> Result<(), Failure> {
    let Some(code) = code else {
        let message = Bilingual::fixed(
            "更改签名密码需要当前的动态码。",
            "Changing the signing PIN takes a current one-time code.",
        );
        return Err(Refusal::field("totp_confirm", "missing_field", message).into());
    };
    let row = &storage::staff::staff_lock(tx.conn, row.id)?.ok_or(Code::NotFound)?;
    let tried = signing::next_try(row, tx.now)?;
    let secret = session::totp_secret(tx.app, row)?.ok_or(Code::CredentialsWrong)?;
    let used = u64::try_from(row.totp_step).ok();
    let Ok(step) = totp::verify(&secret, code.trim(), tx.now, used) else {
        return Err(signing::refuse_try(tx, row.id, tried, Code::CredentialsWrong));
    };
    if !storage::staff::totp_step_use(tx.conn, row.id, i64::try_from(step).unwrap_or(i64::MAX))? {
        return Err(Code::TotpUsed.into());
    }
    Ok(())
}
