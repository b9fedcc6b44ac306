//! Workers, as operators register and find them. Shows no health data.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Page, checked, one_row, unknown};
use crate::{
    crypto::blind::BlindField,
    domain::{
        ids::{EmployerId, WorkerId},
        network::{Job, Secret, Sex, WorkerRecord},
        refusal::Code,
        spelling,
        words::Language,
    },
    service::{
        Failure, Hearers, House, Part, Tx,
        import::{self, Existing},
    },
    storage::{Conn, directory as store, workers},
};

/// A new worker with a card.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerInput {
    /// 12 digits, the last a Luhn check digit.
    #[schema(value_type = spelling::CardNumber)]
    pub card_number: String,
    /// Six digits.
    #[schema(value_type = spelling::WorkerPin)]
    pub pin: Secret,
    /// Name, as on the identity document.
    #[schema(value_type = spelling::Name)]
    pub name: String,
    /// Mobile phone, 11 digits.
    #[schema(value_type = spelling::Phone)]
    pub phone: String,
    /// Day of birth.
    pub birth_date: NaiveDate,
    /// Sex.
    pub sex: Sex,
    /// Job.
    pub job: Job,
    /// The employer; none for the self-employed.
    pub employer_id: Option<EmployerId>,
    /// The language of screens and doctors; Chinese if left out.
    pub language: Option<Language>,
}

/// A worker, as operators see them. No health data.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerSummary {
    /// Who.
    pub id: WorkerId,
    /// Name.
    pub name: String,
    /// Phone, its middle hidden.
    pub phone: String,
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Job.
    pub job: Option<Job>,
    /// Employer.
    pub employer_id: Option<EmployerId>,
    /// Language.
    pub language: Language,
    /// Whether they have a card; a walk-in has none.
    pub has_card: bool,
    /// The worker that a walk-in turned out to be.
    pub merged_into: Option<WorkerId>,
    /// Since when they are known.
    pub created_at: DateTime<Utc>,
}

/// How a worker is looked for: exactly one of the two.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkerQuery {
    /// The whole phone number.
    #[param(min_length = 11, max_length = 11, pattern = "^1[3-9][0-9]{9}$")]
    pub phone: Option<String>,
    /// The whole card number.
    #[param(min_length = 12, max_length = 12, pattern = "^[0-9]{12}$")]
    pub card_number: Option<String>,
}

/// Adds a worker with a card.
///
/// # Errors
/// One problem per bad field; `AlreadyExists` for a card that is taken.
pub fn worker_add(tx: &mut Tx<'_>, input: WorkerInput) -> Result<WorkerSummary, Failure> {
    let record = WorkerRecord {
        card_number: input.card_number,
        pin: input.pin,
        name: input.name,
        phone: input.phone,
        birth_date: input.birth_date,
        sex: input.sex,
        job: input.job,
        employer_code: match input.employer_id {
            Some(id) => Some(store::employer_code(tx.conn, id)?.ok_or_else(|| unknown("employer_id"))?),
            None => None,
        },
        language: input.language.unwrap_or_default(),
    };
    checked(tx, &record)?;
    let index = tx.house.keys.blind.of(BlindField::CardNumber, &record.card_number);
    let prepared = import::PreparedWorkers::make(tx.house, [(1, record)])?;
    import::workers(tx, &prepared, None, Existing::Refuse).map_err(one_row)?;
    let row = workers::worker_by_card(tx.conn, &index)?.ok_or(Code::NotFound)?;
    tx.record("worker", row.id, "worker.registered", json!({}), Hearers::worker(row.id))?;
    worker_summary(tx.conn, tx.house, row)
}

/// Workers by exact phone or card number; each one shown is logged as read.
///
/// # Errors
/// `InvalidParameter` unless exactly one of the two is given.
pub fn worker_find(tx: &mut Tx<'_>, query: &WorkerQuery) -> Result<Page<WorkerSummary>, Failure> {
    let ids = match (&query.phone, &query.card_number) {
        (Some(phone), None) => {
            let index = tx.house.keys.blind.of(BlindField::Phone, phone);
            store::workers_by_phone(tx.conn, &index, 100)?
        }
        (None, Some(card)) => {
            let index = tx.house.keys.blind.of(BlindField::CardNumber, card);
            workers::worker_by_card(tx.conn, &index)?.map(|row| row.id).into_iter().collect()
        }
        (Some(_), Some(_)) | (None, None) => return Err(Code::InvalidParameter.into()),
    };
    let items = ids.into_iter().map(|id| worker_fetch(tx, id)).collect::<Result<_, _>>()?;
    Ok(Page { items, next_after: None })
}

/// One worker; the reading is logged.
pub fn worker_fetch(tx: &mut Tx<'_>, id: WorkerId) -> Result<WorkerSummary, Failure> {
    let row = workers::worker_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    tx.shown.note(id, Part::Identity, id);
    worker_summary(tx.conn, tx.house, row)
}

fn worker_summary(conn: &mut Conn, house: &House, row: workers::WorkerRow) -> Result<WorkerSummary, Failure> {
    let (has_card, created_at) = store::worker_standing(conn, row.id)?;
    let phone = house.open("worker", "phone_sealed", row.id, &row.phone_sealed)?;
    Ok(WorkerSummary {
        id: row.id,
        name: house.open("worker", "name_sealed", row.id, &row.name_sealed)?,
        phone: masked(&phone),
        birth_date: row.birth_date,
        sex: row.sex,
        job: row.job,
        employer_id: row.employer_id,
        language: row.language,
        has_card,
        merged_into: row.merged_into,
        created_at,
    })
}

/// `15400000001` -> `154****0001`
fn masked(phone: &str) -> String {
    let place = |(at, digit): (usize, char)| if (3..7).contains(&at) { '*' } else { digit };
    phone.chars().enumerate().map(place).collect()
}
