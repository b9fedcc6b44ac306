//! How workers change their own credentials: their PIN with the old PIN, their phone with a
//! code and their previous proof of identity, a forgotten PIN with the card and the phone that
//! a code proved before. A screen that somebody left checked in is not enough for any of these.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::identity::{self, Key};
use crate::{
    Failure, Recipients, Tx,
    caller::{StationCaller, WorkerCaller},
    check_in::{
        self, CheckInOpened, card_pin,
        phone_code::{self, PhoneCodeInput},
        walk_in::DocumentInput,
    },
};
use crypto::{
    blind::BlindField,
    pin::{PinSalt, check_worker_pin},
};
use domain::{
    event::worker::{PinResetBy, WorkerEvent},
    ids::WorkerId,
    network::{
        CodePurpose, DocumentEvidence, DocumentNumber, Identified, Phone, Secret, phone_format_message,
    },
    refusal::{Code, Refusal},
    spelling,
    words::Bilingual,
};
use storage::network::worker_change as store;

/// A worker's new PIN.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPinInput {
    /// The current PIN.
    #[schema(value_type = spelling::WorkerPin)]
    pub old_pin: Secret,
    /// Six digits that are not easy to guess.
    #[schema(value_type = spelling::WorkerPin)]
    pub new_pin: Secret,
}

/// A worker's new phone.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPhoneInput {
    /// A mobile number of mainland China.
    #[schema(value_type = spelling::Phone)]
    pub phone: String,
    /// The code that was sent to it for `change_phone`.
    pub phone_code: PhoneCodeInput,
    /// The card's PIN; required of a worker who has a card.
    #[schema(value_type = Option<spelling::WorkerPin>)]
    pub pin: Option<Secret>,
    /// Without a card: the code that was sent to the phone before, for
    /// `change_phone`.
    pub old_phone_code: Option<PhoneCodeInput>,
    /// Without a card and a proved phone: the document that proved their identity, read again.
    pub document: Option<DocumentInput>,
}

/// A forgotten PIN.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgottenPinInput {
    /// The 12 digits on the card.
    #[schema(value_type = spelling::CardNumber)]
    pub card_number: String,
    /// The phone that the worker proved before.
    #[schema(value_type = spelling::Phone)]
    pub phone: String,
    /// The code that was sent to it for `reset_pin`.
    pub phone_code: PhoneCodeInput,
    /// Six digits that are not easy to guess.
    #[schema(value_type = spelling::WorkerPin)]
    pub new_pin: Secret,
}

/// A worker's phone and card, which open their record.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessView {
    /// The phone, its middle hidden.
    pub phone: Option<String>,
    /// Whether a code proved it.
    pub phone_checked: bool,
    /// Whether there is a card that is not stopped.
    pub card: bool,
}

/// Changes the caller's PIN.
///
/// # Errors
/// A bad `new_pin`; `PinWrong`, `PinLocked`; `StateMovedOn` for a worker without a card.
pub fn change_pin(tx: &mut Tx<'_>, caller: WorkerCaller, input: &OwnPinInput) -> Result<AccessView, Failure> {
    check_worker_pin("new_pin", input.new_pin.expose()).map_err(|problem| Refusal::fields(vec![problem]))?;
    let worker = storage::network::worker::worker_lock(tx.conn, caller.worker)?.ok_or(Code::NotFound)?;
    if worker.pin_mac.is_none() {
        return Err(Refusal::moved_on("no_card").into());
    }
    card_pin::ensure_pin_of(tx, caller.station, &worker, input.old_pin.expose())?;
    set_pin(tx, worker.id, &input.new_pin)?;
    tx.record(worker.id, WorkerEvent::PinChanged {}, Recipients::worker(worker.id))?;
    view(tx, worker.id)
}

/// Changes the caller's phone to one that a code proves. From now on the new phone, together
/// with the name, finds the record, and the old one does not. The caller must first prove that
/// the record is theirs, as somebody else may be at a screen that was left checked in.
///
/// # Errors
/// A bad or missing field; `PinWrong`, `PinLocked`; `PhoneCodeWrong`,
/// `PhoneCodeGone`.
pub fn change_phone(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    input: &OwnPhoneInput,
) -> Result<AccessView, Failure> {
    let phone = read(&input.phone)?;
    ensure_owner(tx, caller, input)?;
    phone_code::redeem(tx, caller.station, CodePurpose::ChangePhone, &phone, &input.phone_code)?;
    let worker = storage::network::worker::worker_lock(tx.conn, caller.worker)?.ok_or(Code::NotFound)?;
    let name = tx.app.open("worker", "name_sealed", worker.id, &worker.name_sealed)?;
    identity::set_phone(tx, worker.id, Some(&phone), true)?;
    let key = Key::phone(tx.app, &phone, &name);
    identity::prove(tx, worker.id, &key)?;
    tx.record(worker.id, WorkerEvent::PhoneChanged { proved: true }, Recipients::worker(worker.id))?;
    view(tx, worker.id)
}

/// Checks that the caller is the person of the record, by the best proof on file: their card's
/// PIN, the proved phone, or the document that was read. A record without any proof may be
/// changed without one: this phone becomes its first proof.
fn ensure_owner(tx: &mut Tx<'_>, caller: WorkerCaller, input: &OwnPhoneInput) -> Result<(), Failure> {
    let worker = storage::network::worker::worker_fetch(tx.conn, caller.worker)?.ok_or(Code::NotFound)?;
    if worker.card_index.is_some() && worker.card_stopped_at.is_none() && worker.pin_mac.is_some() {
        let pin = input.pin.as_ref().ok_or_else(|| {
            missing("pin", "更换手机号需要输入卡的密码。", "Changing the phone takes the card's PIN.")
        })?;
        return card_pin::ensure_pin_of(tx, caller.station, &worker, pin.expose());
    }
    if worker.phone_checked_at.is_some() {
        let stored = tx.app.open("worker", "phone_sealed", worker.id, &worker.phone_sealed)?;
        let old = Phone::parse(&stored).ok_or_else(|| Failure::inconsistent("a kept phone"))?;
        let code = input.old_phone_code.as_ref().ok_or_else(|| {
            missing(
                "old_phone_code",
                "更换手机号需要原手机号收到的验证码；原手机已丢失的，请联系运营人员。",
                "Changing the phone takes a code sent to the old one; who has lost it asks an operator.",
            )
        })?;
        return phone_code::redeem(tx, caller.station, CodePurpose::ChangePhone, &old, code);
    }
    let everyone = storage::network::worker::worker_with_merged(tx.conn, worker.id)?;
    let proofs = storage::network::identity::identities_checked(tx.conn, &everyone)?;
    if proofs.is_empty() {
        return Ok(());
    }
    let given_lookup = match &input.document {
        Some(given) if given.evidence == DocumentEvidence::Reader => {
            let number = DocumentNumber::parse(given.kind, &given.number).map_err(|fault| {
                let (code, message) = identity::document_problem(fault);
                Refusal::field("document.number", code, message)
            })?;
            let name = tx.app.open("worker", "name_sealed", worker.id, &worker.name_sealed)?;
            Key::document(tx.app, &number, &name).lookup
        }
        _ => {
            let (zh, en) =
                ("更换手机号需要再次读取证件。", "Changing the phone takes the document, read again.");
            return Err(missing("document", zh, en).into());
        }
    };
    if proofs.iter().any(|(_, _, lookup)| lookup.as_slice() == given_lookup) {
        return Ok(());
    }
    let message = Bilingual::fixed("不是本人登记的证件。", "This is not the document that is known of you.");
    Err(Refusal::field("document", "not_yours", message).into())
}

fn missing(field: &str, zh: &'static str, en: &'static str) -> Refusal {
    Refusal::field(field, "missing_field", Bilingual::fixed(zh, en))
}

/// Sets a new PIN for a card whose worker proves the phone on file again, and checks them in.
///
/// # Errors
/// A bad `phone` or `new_pin`; `PhoneCodeWrong`, `PhoneCodeGone`; `PinWrong`
/// for a card that does not belong to a proved phone, or to this one;
/// `CardStopped`.
pub fn reset_pin(
    tx: &mut Tx<'_>,
    caller: StationCaller,
    input: &ForgottenPinInput,
) -> Result<CheckInOpened, Failure> {
    let phone = read(&input.phone)?;
    check_worker_pin("new_pin", input.new_pin.expose()).map_err(|problem| Refusal::fields(vec![problem]))?;
    phone_code::redeem(tx, caller.station, CodePurpose::ResetPin, &phone, &input.phone_code)?;
    let card = tx.app.keys.blind.of(BlindField::CardNumber, &input.card_number);
    let phone_index = tx.app.keys.blind.of(BlindField::Phone, phone.as_str());
    let worker = storage::network::worker::worker_by_card_locked(tx.conn, &card)?
        .filter(|worker| worker.phone_checked_at.is_some() && worker.phone_index == phone_index)
        .ok_or(Code::PinWrong)?;
    if worker.card_stopped_at.is_some() || worker.merged_into.is_some() {
        return Err(Code::CardStopped.into());
    }
    set_pin(tx, worker.id, &input.new_pin)?;
    tx.record(worker.id, WorkerEvent::PinReset { by: PinResetBy::Phone }, Recipients::worker(worker.id))?;
    check_in::start(tx, caller, &worker, worker.id, Identified::Card)
}

fn read(typed: &str) -> Result<Phone, Refusal> {
    Phone::parse(typed).ok_or_else(|| Refusal::field("phone", "bad_format", phone_format_message()))
}

fn set_pin(tx: &mut Tx<'_>, worker: WorkerId, pin: &Secret) -> Result<(), Failure> {
    let salt = PinSalt::generate();
    let mac = tx.app.keys.worker_pins.mac(&salt, pin.expose());
    card_pin::clear_tries(tx, worker)?;
    Ok(store::pin_set(tx.conn, worker, &salt.0, &mac)?)
}

fn view(tx: &mut Tx<'_>, id: WorkerId) -> Result<AccessView, Failure> {
    let worker = storage::network::worker::worker_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let phone = tx.app.open("worker", "phone_sealed", id, &worker.phone_sealed)?;
    Ok(AccessView {
        phone: Phone::parse(&phone).map(|phone| phone.masked()),
        phone_checked: worker.phone_checked_at.is_some(),
        card: worker.card_index.is_some() && worker.card_stopped_at.is_none(),
    })
}
