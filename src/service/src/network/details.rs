//! The details of a worker that one operator may change alone: those that give nobody access to
//! the record. A phone entered by an operator is not proved, and so finds no record.

use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{identity, people::WorkerSummary, unknown, worker_fetch};
use crate::{Failure, Recipients, Tx};
use domain::{
    event::worker::{ConsentEnd, WorkerEvent},
    hidden::has_hidden_characters_in_name,
    ids::{EmployerId, WorkerId},
    network::{ConsentPurpose, Job, Phone, Sex, control_character, implausible_birth, phone_format_message},
    refusal::{Code, FieldProblem, Refusal},
    spelling,
    time::civil_day,
    words::{Bilingual, Language},
};
use storage::network::worker_change::{self as store, Details};

/// The fields to change; a field left out stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerDetailsInput {
    /// Name, as on the identity document.
    #[schema(value_type = Option<spelling::Name>)]
    pub name: Option<String>,
    /// Another phone, of any kind. It is not proved.
    #[schema(value_type = Option<spelling::Phone>)]
    pub phone: Option<String>,
    /// Removes the phone.
    #[serde(default)]
    pub no_phone: bool,
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Job.
    pub job: Option<Job>,
    /// Another employer: it sees nothing until the worker consents again.
    pub employer_id: Option<EmployerId>,
    /// Removes the employer.
    #[serde(default)]
    pub self_employed: bool,
    /// The language of screens and doctors.
    pub language: Option<Language>,
}

/// Changes a worker's details.
///
/// # Errors
/// `NotFound`; one problem per bad field; `StateMovedOn` for one who was merged.
pub fn worker_change_details(
    tx: &mut Tx<'_>,
    id: WorkerId,
    input: &WorkerDetailsInput,
) -> Result<WorkerSummary, Failure> {
    let worker = storage::network::worker::worker_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if worker.merged_into.is_some() {
        return Err(Refusal::moved_on("merged").into());
    }
    let phone = check(tx, input)?;
    let mut fields: Vec<String> = Vec::new();
    if let Some(name) = input.name.as_deref().map(str::trim) {
        let sealed = tx.app.seal("worker", "name_sealed", id, name)?;
        store::name_set(tx.conn, id, &sealed)?;
        identity::rename(tx, id, name)?;
        fields.push("name".to_owned());
    }
    if phone.is_some() || input.no_phone {
        identity::set_phone(tx, id, phone.as_ref(), false)?;
        fields.push("phone".to_owned());
    }
    let before = Details {
        birth_date: worker.birth_date,
        sex: worker.sex,
        job: worker.job,
        employer_id: worker.employer_id,
        language: worker.language,
    };
    let employer_id = if input.self_employed { None } else { input.employer_id.or(before.employer_id) };
    let after = Details {
        birth_date: input.birth_date.or(before.birth_date),
        sex: input.sex.or(before.sex),
        job: input.job.or(before.job),
        employer_id,
        language: input.language.unwrap_or(before.language),
    };
    for (name, differs) in [
        ("birth_date", before.birth_date != after.birth_date),
        ("sex", before.sex != after.sex),
        ("job", before.job != after.job),
        ("employer", before.employer_id != after.employer_id),
        ("language", before.language != after.language),
    ] {
        fields.extend(differs.then(|| name.to_owned()));
    }
    store::details_set(tx.conn, id, &after)?;
    if before.employer_id != after.employer_id {
        // The consent was given for the previous employer.
        let purpose = ConsentPurpose::EmployerFitness;
        if storage::network::worker::consent_withdraw(tx.conn, id, purpose.as_str(), tx.now)? {
            let event = WorkerEvent::ConsentWithdrawn { purpose, why: Some(ConsentEnd::EmployerChanged) };
            tx.record(id, event, Recipients::worker(id))?;
        }
    }
    if !fields.is_empty() {
        tx.record(id, WorkerEvent::Changed { fields }, Recipients::worker(id))?;
    }
    worker_fetch(tx, id)
}

/// Validates the fields; returns the parsed phone.
fn check(tx: &mut Tx<'_>, input: &WorkerDetailsInput) -> Result<Option<Phone>, Failure> {
    let mut problems: Vec<FieldProblem> = Vec::new();
    let mut bad = |field: &str, code: &str, message: Bilingual| {
        problems.push(FieldProblem { field: field.to_owned(), code: code.to_owned(), message });
    };
    let phone = input.phone.as_deref().and_then(Phone::parse);
    if input.phone.is_some() && phone.is_none() {
        bad("phone", "bad_format", phone_format_message());
    }
    let either = || Bilingual::fixed("两者只能填一个", "only one of the two");
    if input.phone.is_some() && input.no_phone {
        bad("no_phone", "one_of", either());
    }
    if input.employer_id.is_some() && input.self_employed {
        bad("self_employed", "one_of", either());
    }
    if let Some(born) = input.birth_date
        && let Some(message) = implausible_birth(born, civil_day(tx.now))
    {
        bad("birth_date", "out_of_range", message);
    }
    match input.name.as_deref().map(str::trim) {
        Some("") => bad("name", "empty", Bilingual::fixed("不能为空。", "Must not be empty.")),
        Some(name) if has_hidden_characters_in_name(name) => {
            bad("name", "control_character", control_character())
        }
        Some(_) | None => {}
    }
    if !problems.is_empty() {
        return Err(Refusal::fields(problems).into());
    }
    if let Some(employer) = input.employer_id
        && storage::network::listing::employer_code(tx.conn, employer)?.is_none()
    {
        return Err(unknown("employer_id").into());
    }
    Ok(phone)
}
