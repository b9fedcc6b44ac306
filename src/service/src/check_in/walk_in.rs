//! Somebody without a card comes to a screen. They always get care. A proved
//! phone together with the name, or an identity document that the screen's
//! reader read, finds their record again; what is only typed opens nobody's.

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    CARE_CONSENT, CheckInOpened,
    phone_code::{self, PhoneCodeInput},
};
use crate::{
    Failure, Hearers, Tx,
    caller::StationCaller,
    check_in,
    network::identity::{self, Found, Key},
};
use domain::{
    hidden::hides_in_name,
    ids::WorkerId,
    network::{
        CodePurpose, DocumentEvidence, DocumentKind, DocumentNumber, Phone, Sex, control_character,
        phone_words,
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
    /// The code that was sent to `phone`; with it this phone and name find
    /// their record again.
    pub phone_code: Option<PhoneCodeInput>,
    /// An identity document.
    pub document: Option<DocumentInput>,
    /// Consent to keep and use health data for care; must be given.
    pub consent: bool,
    /// Day of birth, if told.
    pub birth_date: Option<NaiveDate>,
    /// Sex, if told.
    pub sex: Option<Sex>,
    /// Language of the screen; Chinese if left out.
    pub language: Option<Language>,
}

/// An identity document at a screen.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentInput {
    /// Which document.
    pub kind: DocumentKind,
    /// Its number.
    #[schema(value_type = spelling::DocumentNumber)]
    pub number: String,
    /// How the number came to the screen. What is typed is a claim: it opens
    /// nobody's record and gives no allowance.
    pub evidence: DocumentEvidence,
}

/// What was said, as the network reads it.
struct Said {
    name: String,
    phone: Option<Phone>,
    document: Option<(DocumentNumber, DocumentEvidence)>,
    birth_date: Option<NaiveDate>,
    sex: Option<Sex>,
}

/// Checks somebody without a card in, under the record that a proof finds or
/// under a new one.
///
/// # Errors
/// One problem per bad field; `ConsentMissing` without consent; `PhoneCodeWrong`,
/// `PhoneCodeGone`.
pub fn open(tx: &mut Tx<'_>, caller: StationCaller, input: &WalkInInput) -> Result<CheckInOpened, Failure> {
    let said = read(input, tx.now)?;
    if !input.consent {
        return Err(Code::ConsentMissing.into());
    }
    let proved = match (&input.phone_code, &said.phone) {
        (Some(code), Some(phone)) => {
            phone_code::redeem(tx, caller.station, CodePurpose::CheckIn, phone, code)?;
            Some(phone)
        }
        _ => None,
    };
    let mut keys = Vec::new();
    let mut claim = None;
    if let Some((document, evidence)) = &said.document {
        let key = Key::document(tx.app, document, &said.name);
        match evidence {
            DocumentEvidence::Reader => keys.push(key),
            DocumentEvidence::Typed => claim = Some(key),
        }
    }
    keys.extend(proved.map(|phone| Key::phone(tx.app, phone, &said.name)));
    let (opened_as, worker) = match identity::find(tx, &keys)? {
        Found::Person(owner, worker) => {
            let worker = welcome_back(tx, *worker, &said, proved)?;
            for key in &keys {
                identity::prove(tx, worker.id, key)?;
            }
            (owner, worker)
        }
        Found::Nobody { others } => {
            let id = register(tx, caller, &said, input.language, proved.is_some())?;
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

/// Somebody who is known: what nobody knew of them yet is noted.
fn welcome_back(
    tx: &mut Tx<'_>,
    worker: WorkerRow,
    said: &Said,
    proved: Option<&Phone>,
) -> Result<WorkerRow, Failure> {
    let (birth_date, sex) = (worker.birth_date.or(said.birth_date), worker.sex.or(said.sex));
    let mut changed = (birth_date, sex) != (worker.birth_date, worker.sex);
    if changed {
        storage::network::worker::person_set(tx.conn, worker.id, birth_date, sex, worker.job)?;
    }
    // A phone that leads here already, or to somebody else, stays where it is.
    if let Some(phone) = proved
        && !identity::is_known(tx, &Key::phone(tx.app, phone, &said.name))?
    {
        identity::set_phone(tx, worker.id, Some(phone), true)?;
        changed = true;
    }
    if !changed {
        return Ok(worker);
    }
    let payload = json!({"phone": proved.is_some()});
    tx.record("worker", worker.id, "worker.completed", payload, Hearers::worker(worker.id))?;
    Ok(storage::network::worker::worker_fetch(tx.conn, worker.id)?.ok_or(Code::NotFound)?)
}

/// Somebody who is not known, or does not prove it.
fn register(
    tx: &mut Tx<'_>,
    caller: StationCaller,
    said: &Said,
    language: Option<Language>,
    proved: bool,
) -> Result<WorkerId, Failure> {
    let id = WorkerId::generate();
    let (phone_sealed, phone_index) = identity::phone_columns(tx.app, id, said.phone.as_ref())?;
    let new = NewWorker {
        id,
        card_index: None,
        name_sealed: tx.app.seal("worker", "name_sealed", id, &said.name)?,
        phone_sealed,
        phone_index,
        pin_salt: None,
        pin_mac: None,
        pin_failures: 0,
        birth_date: said.birth_date,
        sex: said.sex,
        job: None,
        employer_id: None,
        language: language.unwrap_or_default(),
        created_at: At(tx.now),
    };
    storage::network::worker::worker_add(tx.conn, &new)?;
    if proved {
        storage::network::worker::phone_checked(tx.conn, id, tx.now)?;
    }
    tx.record("worker", id, "worker.registered", json!({"station": caller.station}), Hearers::nobody())?;
    Ok(id)
}

/// Reads what was said.
///
/// # Errors
/// One problem per bad field.
fn read(input: &WalkInInput, now: Timestamp) -> Result<Said, Refusal> {
    let mut problems = Vec::new();
    let mut bad = |field: &str, code: &str, message: Bilingual| {
        problems.push(FieldProblem { field: field.to_owned(), code: code.to_owned(), message });
    };
    let name = input.name.trim();
    if hides_in_name(name) {
        bad("name", "control_character", control_character());
    } else if name.is_empty() || name.chars().count() > 60 {
        let words = Bilingual::fixed("姓名须为 1 到 60 个字符", "the name must have 1 to 60 characters");
        bad("name", "out_of_range", words);
    }
    let typed = input.phone.as_deref().map(str::trim).filter(|typed| !typed.is_empty());
    let phone = typed.and_then(Phone::parse);
    if typed.is_some() && phone.is_none() {
        bad("phone", "bad_format", phone_words());
    }
    if typed.is_none() && input.phone_code.is_some() {
        let words = Bilingual::fixed("验证码须与手机号一起填写", "a code goes together with its phone");
        bad("phone", "missing_field", words);
    }
    let document =
        input.document.as_ref().and_then(|given| match DocumentNumber::parse(given.kind, &given.number) {
            Ok(document) => Some((document, given.evidence)),
            Err(fault) => {
                let (code, words) = identity::document_problem(fault);
                bad("document.number", code, words);
                None
            }
        });
    let inside = document.as_ref().map(|(document, _)| document);
    let (born, sex) = (inside.and_then(DocumentNumber::birth_date), inside.and_then(DocumentNumber::sex));
    let differs = || Bilingual::fixed("与身份证号码不一致", "the identity number says otherwise");
    if let Some(said) = input.birth_date {
        let today = civil_day(now);
        if said > today || today.years_since(said).is_none_or(|years| years > 120) {
            let words = Bilingual::fixed("出生日期不合理", "the day of birth must be within 120 years");
            bad("birth_date", "out_of_range", words);
        } else if born.is_some_and(|born| born != said) {
            bad("birth_date", "contradicts_document", differs());
        }
    }
    if input.sex.is_some() && sex.is_some() && input.sex != sex {
        bad("sex", "contradicts_document", differs());
    }
    if !problems.is_empty() {
        return Err(Refusal::fields(problems));
    }
    Ok(Said {
        name: name.to_owned(),
        phone,
        document,
        birth_date: born.or(input.birth_date),
        sex: sex.or(input.sex),
    })
}
