//! How operators register and find workers, without health data.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    checked, identity,
    import::{self, Existing},
    one_row, unknown,
};
use crate::{AppState, Failure, Part, Recipients, Tx, page::Page};
use crypto::blind::BlindField;
use domain::{
    event::worker::WorkerEvent,
    ids::{EmployerId, WorkerId},
    network::{DocumentKind, DocumentNumber, Identified, Job, Phone, Secret, Sex, WorkerRecord},
    refusal::Code,
    spelling,
    time::Timestamp,
    words::Language,
};
use storage::{
    Conn,
    network::{listing as store, worker::WorkerRow},
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
    /// Their telephone, of any kind.
    #[schema(value_type = Option<spelling::Phone>)]
    pub phone: Option<String>,
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
    pub id: WorkerId,
    /// Name.
    pub name: String,
    /// Phone, its middle hidden.
    pub phone: Option<String>,
    /// When a code proved it.
    pub phone_checked_at: Option<DateTime<Utc>>,
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
    /// When their card was reported lost.
    pub card_stopped_at: Option<DateTime<Utc>>,
    /// How sure the network is of who they are.
    pub identified_by: Identified,
    /// The worker that a walk-in turned out to be.
    pub merged_into: Option<WorkerId>,
    /// When they were registered.
    pub created_at: DateTime<Utc>,
}

/// Searches a worker by one of phone, card number and document.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkerQuery {
    /// The whole phone number, in any spelling.
    #[param(min_length = 7, max_length = 40)]
    pub phone: Option<String>,
    /// The whole card number.
    #[param(min_length = 12, max_length = 12, pattern = "^[0-9]{12}$")]
    pub card_number: Option<String>,
    /// Which document; goes with `document_number`.
    #[param(inline)]
    pub document_kind: Option<DocumentKind>,
    /// The whole number of the document.
    #[param(min_length = 4, max_length = 40)]
    pub document_number: Option<String>,
    /// The name in a document other than a resident identity card.
    #[param(min_length = 1, max_length = 80)]
    pub document_name: Option<String>,
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
        phone: input.phone.unwrap_or_default(),
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
    let index = tx.app.keys.blind.of(BlindField::CardNumber, &record.card_number);
    let prepared = import::PreparedWorkers::make(tx.app, [(1, record)])?;
    import::workers(tx, &prepared, None, Existing::Refuse).map_err(one_row)?;
    let row = storage::network::worker::worker_by_card(tx.conn, &index)?.ok_or(Code::NotFound)?;
    tx.record(row.id, WorkerEvent::Registered { station: None }, Recipients::worker(row.id))?;
    summaries(tx.conn, tx.app, &[row.id])?.pop().ok_or_else(|| Code::NotFound.into())
}

/// Workers by exact phone, card number or document; each one shown is logged as read. A document
/// also finds workers who only claim it.
///
/// # Errors
/// `InvalidParameter` unless exactly one of the three is given and valid.
pub fn worker_find(tx: &mut Tx<'_>, query: &WorkerQuery) -> Result<Page<WorkerSummary>, Failure> {
    let document = match (query.document_kind, &query.document_number) {
        (Some(kind), Some(number)) => {
            Some(DocumentNumber::parse(kind, number).map_err(|_| Code::InvalidParameter)?)
        }
        (None, None) if query.document_name.is_none() => None,
        _ => return Err(Code::InvalidParameter.into()),
    };
    let ids = match (&query.phone, &query.card_number, document) {
        (Some(phone), None, None) => {
            let phone = Phone::parse(phone).ok_or(Code::InvalidParameter)?;
            let index = tx.app.keys.blind.of(BlindField::Phone, phone.as_str());
            store::workers_by_phone(tx.conn, &index, 100)?
        }
        (None, Some(card), None) => {
            let index = tx.app.keys.blind.of(BlindField::CardNumber, card);
            storage::network::worker::worker_by_card(tx.conn, &index)?.map(|row| row.id).into_iter().collect()
        }
        (None, None, Some(document)) => {
            let name = query.document_name.as_deref().unwrap_or_default();
            let key = identity::Key::document(tx.app, &document, name);
            storage::network::identity::identity_claimants(tx.conn, &key.lookup, 100)?
        }
        _ => return Err(Code::InvalidParameter.into()),
    };
    for id in &ids {
        tx.shown.note(*id, Part::Identity, *id);
    }
    Ok(Page { items: summaries(tx.conn, tx.app, &ids)?, next_after: None })
}

/// One worker; the read is logged.
pub fn worker_fetch(tx: &mut Tx<'_>, id: WorkerId) -> Result<WorkerSummary, Failure> {
    let summary = summaries(tx.conn, tx.app, &[id])?.pop().ok_or(Code::NotFound)?;
    tx.shown.note(id, Part::Identity, id);
    Ok(summary)
}

/// These workers, in the order of `ids`.
fn summaries(conn: &mut Conn, app: &AppState, ids: &[WorkerId]) -> Result<Vec<WorkerSummary>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = storage::network::worker::workers_fetch(conn, ids)?;
    rows.sort_by_key(|(row, _)| ids.iter().position(|id| *id == row.id));
    let standings = identity::standings(conn, &rows.iter().map(|(row, _)| row).collect::<Vec<_>>())?;
    let view = |((row, since), standing)| summary(app, row, since, standing);
    rows.into_iter().zip(standings).map(view).collect()
}

fn summary(
    app: &AppState,
    row: WorkerRow,
    created_at: Timestamp,
    identified_by: Identified,
) -> Result<WorkerSummary, Failure> {
    let phone = app.open("worker", "phone_sealed", row.id, &row.phone_sealed)?;
    Ok(WorkerSummary {
        id: row.id,
        name: app.open("worker", "name_sealed", row.id, &row.name_sealed)?,
        phone: Phone::parse(&phone).map(|phone| phone.masked()),
        phone_checked_at: row.phone_checked_at,
        birth_date: row.birth_date,
        sex: row.sex,
        job: row.job,
        employer_id: row.employer_id,
        language: row.language,
        has_card: row.card_index.is_some(),
        card_stopped_at: row.card_stopped_at,
        identified_by,
        merged_into: row.merged_into,
        created_at,
    })
}
