//! Check-in without a card. A walk-in always gets care. Their earlier record is found by
//! a proved phone together with the name, or by an identity document that the screen's
//! reader read; typed claims open no record.

use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    CARE_CONSENT, CheckInOpened,
    phone_code::{self, PhoneCodeInput},
};
use crate::{
    Failure, Recipients, Tx,
    caller::StationCaller,
    check_in,
    network::identity::{self, Found, Key},
};
use domain::{
    event::worker::WorkerEvent,
    hidden::has_hidden_characters_in_name,
    ids::WorkerId,
    network::{
        CodePurpose, DocumentEvidence, DocumentKind, DocumentNumber, Phone, Sex, control_character,
        implausible_birth, phone_format_message,
    },
    refusal::{Code, FieldProblem, Refusal},
    spelling,
    time::{Timestamp, civil_day},
    words::{Bilingual, Language},
};
use storage::{
    network::worker::{NewWorker, WorkerRow},
    sql_types::At,
};

/// Somebody without a card.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WalkInInput {
    /// The person's name, 1 to 60 characters.
    #[schema(value_type = spelling::WalkInName)]
    pub name: String,
    /// Their telephone, of any kind; none is needed for care.
    #[schema(value_type = Option<spelling::Phone>)]
    pub phone: Option<String>,
    /// The code that was sent to `phone`; it proves the phone, which together with the
    /// name then finds their record.
    pub phone_code: Option<PhoneCodeInput>,
    /// An identity document.
    pub document: Option<DocumentInput>,
    /// Consent to keep and use health data for care; must be given.
    pub consent: bool,
    /// Day of birth, if given.
    pub birth_date: Option<NaiveDate>,
    /// Sex, if given.
    pub sex: Option<Sex>,
    /// Language of the screen; Chinese if left out.
    pub language: Option<Language>,
}

/// An identity document at a screen.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentInput {
    pub kind: DocumentKind,
    #[schema(value_type = spelling::DocumentNumber)]
    pub number: String,
    /// How the number was entered. A typed number is a claim: it opens nobody's record
    /// and gives no allowance.
    pub evidence: DocumentEvidence,
}

/// The validated input.
struct WalkIn {
    name: String,
    phone: Option<Phone>,
    document: Option<(DocumentNumber, DocumentEvidence)>,
    birth_date: Option<NaiveDate>,
    sex: Option<Sex>,
}

/// Checks in somebody without a card, under the record that a proof finds or under a
/// new one.
///
/// # Errors
/// One problem per bad field; `ConsentMissing` without consent; `PhoneCodeWrong`,
/// `PhoneCodeGone`.
pub fn open(tx: &mut Tx<'_>, caller: StationCaller, input: &WalkInInput) -> Result<CheckInOpened, Failure> {
    let walk_in = read(input, tx.now)?;
    if !input.consent {
        return Err(Code::ConsentMissing.into());
    }
    let proved = match (&input.phone_code, &walk_in.phone) {
        (Some(code), Some(phone)) => {
            phone_code::redeem(tx, caller.station, CodePurpose::CheckIn, phone, code)?;
            Some(phone)
        }
        _ => None,
    };
    let mut keys = Vec::new();
    let mut claim = None;
    if let Some((document, evidence)) = &walk_in.document {
        let key = Key::document(tx.app, document, &walk_in.name);
        match evidence {
            DocumentEvidence::Reader => keys.push(key),
            DocumentEvidence::Typed => claim = Some(key),
        }
    }
    keys.extend(proved.map(|phone| Key::phone(tx.app, phone, &walk_in.name)));
    let (opened_as, worker) = match identity::find(tx, &keys)? {
        Found::Person(owner, worker) => {
            let worker = complete_record(tx, *worker, &walk_in, proved)?;
            for key in &keys {
                identity::prove(tx, worker.id, key)?;
            }
            (owner, worker)
        }
        Found::Nobody { others } => {
            let id = register(tx, caller, &walk_in, input.language, proved.is_some())?;
            for key in keys.iter().filter(|key| !others.contains(&key.lookup)) {
                identity::prove_first(tx, id, key)?;
            }
            (id, storage::network::worker::worker_fetch(tx.conn, id)?.ok_or(Code::NotFound)?)
        }
    };
    if let Some(claim) = claim {
        identity::claim(tx, worker.id, &claim)?;
    }
    storage::network::worker::consent_grant(tx.conn, worker.id, CARE_CONSENT, Some(caller.station), tx.now)?;
    let identified_by = identity::standing(tx.conn, &worker)?;
    check_in::start(tx, caller, &worker, opened_as, identified_by)
}

/// Completes the record of a known worker with the facts that were missing.
fn complete_record(
    tx: &mut Tx<'_>,
    worker: WorkerRow,
    walk_in: &WalkIn,
    proved: Option<&Phone>,
) -> Result<WorkerRow, Failure> {
    let (birth_date, sex) = (worker.birth_date.or(walk_in.birth_date), worker.sex.or(walk_in.sex));
    let mut changed = (birth_date, sex) != (worker.birth_date, worker.sex);
    if changed {
        storage::network::worker::person_set(tx.conn, worker.id, birth_date, sex, worker.job)?;
    }
    // A phone that already identifies this or another worker is not changed.
    if let Some(phone) = proved
        && !identity::is_known(tx, &Key::phone(tx.app, phone, &walk_in.name))?
    {
        identity::set_phone(tx, worker.id, Some(phone), true)?;
        changed = true;
    }
    if !changed {
        return Ok(worker);
    }
    let event = WorkerEvent::Completed { phone: proved.is_some() };
    tx.record(worker.id, event, Recipients::worker(worker.id))?;
    Ok(storage::network::worker::worker_fetch(tx.conn, worker.id)?.ok_or(Code::NotFound)?)
}

/// Creates a record for somebody who is unknown or has no proof.
fn register(
    tx: &mut Tx<'_>,
    caller: StationCaller,
    walk_in: &WalkIn,
    language: Option<Language>,
    proved: bool,
) -> Result<WorkerId, Failure> {
    let id = WorkerId::generate();
    let (phone_sealed, phone_index) = identity::phone_columns(tx.app, id, walk_in.phone.as_ref())?;
    let new = NewWorker {
        id,
        card_index: None,
        name_sealed: tx.app.seal("worker", "name_sealed", id, &walk_in.name)?,
        phone_sealed,
        phone_index,
        pin_salt: None,
        pin_mac: None,
        pin_failures: 0,
        birth_date: walk_in.birth_date,
        sex: walk_in.sex,
        job: None,
        employer_id: None,
        language: language.unwrap_or_default(),
        created_at: At(tx.now),
    };
    storage::network::worker::worker_add(tx.conn, &new)?;
    if proved {
        storage::network::worker::phone_checked(tx.conn, id, tx.now)?;
    }
    // Nothing has proved yet that the person at the screen is this worker.
    let event = WorkerEvent::Registered { station: Some(caller.station) };
    tx.record(id, event, Recipients::nobody())?;
    Ok(id)
}

/// Validates the input.
///
/// # Errors
/// One problem per bad field.
fn read(input: &WalkInInput, now: Timestamp) -> Result<WalkIn, Refusal> {
    let mut problems = Vec::new();
    let mut bad = |field: &str, code: &str, message: Bilingual| {
        problems.push(FieldProblem { field: field.to_owned(), code: code.to_owned(), message });
    };
    let name = input.name.trim();
    if has_hidden_characters_in_name(name) {
        bad("name", "control_character", control_character());
    }
    let typed = input.phone.as_deref().map(str::trim).filter(|typed| !typed.is_empty());
    let phone = typed.and_then(Phone::parse);
    if typed.is_some() && phone.is_none() {
        bad("phone", "bad_format", phone_format_message());
    }
    if typed.is_none() && input.phone_code.is_some() {
        let message = Bilingual::fixed("验证码须与手机号一起填写", "a code goes together with its phone");
        bad("phone", "missing_field", message);
    }
    let document =
        input.document.as_ref().and_then(|given| match DocumentNumber::parse(given.kind, &given.number) {
            Ok(document) => Some((document, given.evidence)),
            Err(fault) => {
                let (code, message) = identity::document_problem(fault);
                bad("document.number", code, message);
                None
            }
        });
    let document_number = document.as_ref().map(|(document, _)| document);
    let (born, sex) =
        (document_number.and_then(DocumentNumber::birth_date), document_number.and_then(DocumentNumber::sex));
    let differs = || Bilingual::fixed("与身份证号码不一致", "the identity number says otherwise");
    if let Some(given) = input.birth_date {
        if let Some(message) = implausible_birth(given, civil_day(now)) {
            bad("birth_date", "out_of_range", message);
        } else if born.is_some_and(|born| born != given) {
            bad("birth_date", "contradicts_document", differs());
        }
    }
    if input.sex.is_some() && sex.is_some() && input.sex != sex {
        bad("sex", "contradicts_document", differs());
    }
    if !problems.is_empty() {
        return Err(Refusal::fields(problems));
    }
    Ok(WalkIn {
        name: name.to_owned(),
        phone,
        document,
        birth_date: born.or(input.birth_date),
        sex: sex.or(input.sex),
    })
}
