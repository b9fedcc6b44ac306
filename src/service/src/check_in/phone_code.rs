//! Six-digit codes sent to a phone and typed at the screen that requested them: they
//! prove that the person there has that phone.
//!
//! A code is valid for one purpose, at one screen, for five minutes and five tries
//! (`policy.check_in`). Only its keyed digest is stored. The response does not reveal
//! whether anybody is known by that phone.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Answer, AppState, Failure, Recipients, Tx,
    letter::text_message,
    rate_limit::{self, Taken},
};
use crypto::{blind::BlindField, pin::PinSalt, random};
use domain::{
    event::worker::PhoneCodeEvent,
    ids::{PhoneCodeId, StationId},
    network::{CodePurpose, Phone, phone_format_message},
    refusal::{Code, Refusal},
    spelling,
    words::Bilingual,
};
use storage::{
    check_in::phone_code::{self as store, NewPhoneCode},
    sql_types::At,
};

/// Which phone is to be proved, and for which purpose.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneCodeRequest {
    /// A mobile number of mainland China.
    #[schema(value_type = spelling::Phone)]
    pub phone: String,
    /// What the code is for.
    pub purpose: CodePurpose,
}

/// A code that was sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PhoneCodeSent {
    /// Which code; it is typed together with this.
    pub id: PhoneCodeId,
    /// The phone, its middle hidden.
    pub phone: String,
    /// Until when it is valid.
    pub expires_at: DateTime<Utc>,
    /// How often it may be typed wrong.
    pub tries: u32,
}

/// A code, as typed at the screen.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneCodeInput {
    pub id: PhoneCodeId,
    /// The six digits.
    #[schema(value_type = spelling::PhoneCode)]
    pub code: String,
}

/// A phone that a code may be sent to, and what was reserved from the rate limits for it.
#[derive(Debug)]
pub struct Sending {
    pub phone: Phone,
    taken: Vec<Taken>,
}

impl Sending {
    /// Each code costs a message, right or wrong, so its reservations are kept. Those of
    /// an idempotent repeat or a failed request, which sent no message, are given back.
    pub async fn settle(&self, app: &AppState, outcome: &Result<Answer, Failure>) {
        if outcome.as_ref().is_ok_and(|answer| !answer.replayed) {
            return;
        }
        self.give_back(app).await;
    }

    async fn give_back(&self, app: &AppState) {
        for taken in &self.taken {
            taken.give_back(app).await;
        }
    }
}

/// Checks that a code can be sent to a phone, within the limits of the screen that asks,
/// of the phone at this screen, and of the phone anywhere. Other screens cannot block a
/// phone at this one: each screen has a few spare codes that the others cannot use up.
///
/// # Errors
/// A bad `phone`; `PhoneCodesOff`; `TooManyRequests`.
pub async fn may_send(
    app: &AppState,
    station: StationId,
    input: &PhoneCodeRequest,
) -> Result<Sending, Failure> {
    if !app.policy.check_in.phone_codes {
        return Err(Code::PhoneCodesOff.into());
    }
    let phone = read(&input.phone)?;
    let (here, number) = (station.to_string(), phone.as_str());
    let mut sending = Sending { taken: Vec::new(), phone: phone.clone() };
    for (limit, subject) in [
        (rate_limit::PHONE_CODE_SCREEN, &[here.as_str()][..]),
        (rate_limit::PHONE_CODE_SOURCE, &[&here, number][..]),
    ] {
        match limit.reserve(app, subject).await {
            Ok(taken) => sending.taken.push(taken),
            // No code is sent: give back what was reserved, so that another phone can use it.
            Err(spent) => {
                sending.give_back(app).await;
                return Err(spent);
            }
        }
    }
    let anywhere = match rate_limit::PHONE_CODE_PHONE.reserve(app, &[number]).await {
        Ok(taken) => Ok(taken),
        Err(_) => rate_limit::PHONE_CODE_SPARE.reserve(app, &[&here, number]).await,
    };
    match anywhere {
        Ok(taken) => sending.taken.push(taken),
        Err(spent) => {
            sending.give_back(app).await;
            return Err(spent);
        }
    }
    Ok(sending)
}

fn read(typed: &str) -> Result<Phone, Refusal> {
    let phone =
        Phone::parse(typed).ok_or_else(|| Refusal::field("phone", "bad_format", phone_format_message()))?;
    if phone.can_receive_codes() {
        return Ok(phone);
    }
    let message = Bilingual::fixed(
        "验证码只能发送到中国大陆手机号。",
        "Codes are sent to mobile numbers of mainland China only.",
    );
    Err(Refusal::field("phone", "takes_no_codes", message))
}

/// Stores a code and queues its message. Earlier unused codes of this screen become void;
/// when a phone is changed, the code sent to the other phone stays.
///
/// # Errors
/// Faults of the storage.
pub fn send(
    tx: &mut Tx<'_>,
    station: StationId,
    phone: &Phone,
    purpose: CodePurpose,
) -> Result<PhoneCodeSent, Failure> {
    let policy = &tx.app.policy.check_in;
    let expires_at = tx.now + TimeDelta::seconds(i64::from(policy.phone_code_seconds));
    let phone_index = tx.app.keys.blind.of(BlindField::Phone, phone.as_str());
    store::phone_codes_end(tx.conn, station, purpose, &phone_index, tx.now)?;
    let (id, salt, code) = (PhoneCodeId::generate(), PinSalt::generate(), random::pickup_code());
    let new = NewPhoneCode {
        id,
        station_id: station,
        purpose,
        phone_index: phone_index.to_vec(),
        salt: salt.0.to_vec(),
        mac: tx.app.keys.worker_pins.mac(&salt, code.expose_secret()).to_vec(),
        tries: 0,
        created_at: At(tx.now),
        expires_at: At(expires_at),
    };
    store::phone_code_add(tx.conn, &new)?;
    let minutes = policy.phone_code_seconds.div_ceil(60);
    text_message::write(tx, phone, &message_text(purpose, code.expose_secret(), minutes), expires_at)?;
    tx.record(id, PhoneCodeEvent::Sent { station, purpose }, Recipients::nobody())?;
    Ok(PhoneCodeSent { id, phone: phone.masked(), expires_at, tries: policy.phone_code_tries })
}

/// Redeems a code, which proves that the person at this screen has this phone. Call it
/// before anything else is written: the count of a wrong try is committed on refusal.
///
/// # Errors
/// `PhoneCodeWrong`; `PhoneCodeGone` for a code of another screen, phone or purpose, and
/// for one that is used, expired or was tried too often.
pub(crate) fn redeem(
    tx: &mut Tx<'_>,
    station: StationId,
    purpose: CodePurpose,
    phone: &Phone,
    input: &PhoneCodeInput,
) -> Result<(), Failure> {
    let index = tx.app.keys.blind.of(BlindField::Phone, phone.as_str());
    let max_tries = i32::try_from(tx.app.policy.check_in.phone_code_tries).unwrap_or(i32::MAX);
    let row = store::phone_code_lock(tx.conn, input.id)?
        .filter(|row| {
            row.station_id == station
                && row.purpose == purpose
                && row.phone_index == index
                && row.used_at.is_none()
                && row.expires_at > tx.now
                && row.tries < max_tries
        })
        .ok_or(Code::PhoneCodeGone)?;
    let salt = row.salt.as_slice().try_into().map_err(|error| Failure::caused("a code's salt", error))?;
    if tx.app.keys.worker_pins.verify(&PinSalt(salt), &input.code, &row.mac) {
        store::phone_code_used(tx.conn, input.id, tx.now)?;
        tx.record(input.id, PhoneCodeEvent::Used { station, purpose }, Recipients::nobody())?;
        return Ok(());
    }
    tx.commit_on_refusal();
    store::phone_code_tried(tx.conn, input.id, row.tries + 1)?;
    Err(Code::PhoneCodeWrong.into())
}

/// The message text: sender, code, purpose, and the warning to tell nobody.
fn message_text(purpose: CodePurpose, code: &str, minutes: u32) -> String {
    let (zh, en) = match purpose {
        CodePurpose::CheckIn => ("签到", "to check in"),
        CodePurpose::ChangePhone => ("更换手机号", "to change your phone"),
        CodePurpose::ResetPin => ("重设密码", "to set a new PIN"),
    };
    format!(
        "【驿站健康】验证码 {code}，用于{zh}，{minutes} 分钟内有效。请只在您面前的驿站屏幕上输入，不要告诉任何人。\
         / Waystation code {code} {en}, good for {minutes} min. Type it only at the screen before you; tell nobody."
    )
}
