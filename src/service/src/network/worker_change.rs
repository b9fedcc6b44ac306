//! Changes of a worker that give access to a health record: a new card, a new PIN, a document that
//! an operator saw, a merge of a record that has a proved identity. One operator requests it,
//! another approves it; nothing changes until then, except that a card to be replaced stops at
//! once.
//!
//! A worker who is present needs no operator: they change their own PIN with the old one, and set
//! a new one with their card and a proved phone (`access.rs`).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Contradiction, MergeInput,
    identity::{self, Key},
};
use crate::{
    AppState, Failure, Recipients, Tx,
    caller::StaffCaller,
    check_in, network,
    page::{Page, Rows},
};
use crypto::{
    blind::BlindField,
    pin::{PinSalt, check_worker_pin},
};
use domain::{
    event::worker::{PinResetBy, WorkerChangeEvent, WorkerEvent},
    ids::{StaffId, WorkerChangeId, WorkerId},
    network::{ChangeKind, ChangeState, DocumentKind, DocumentNumber, Secret, card_number_is_valid},
    refusal::{Code, FieldProblem, Refusal},
    spelling,
    words::Bilingual,
};
use storage::{
    Conn,
    network::{
        worker::WorkerRow,
        worker_change::{self as store, ChangeRow, NewChange},
    },
    sql_types::At,
};

/// A change that another operator must approve.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum WorkerChangeInput {
    /// A new card.
    Card {
        /// The worker's current number reactivates a stopped card.
        #[schema(value_type = spelling::CardNumber)]
        card_number: String,
        /// Typed by the worker; needed by one who had none.
        #[schema(value_type = Option<spelling::WorkerPin>)]
        pin: Option<Secret>,
    },
    /// A new PIN.
    Pin {
        /// Typed by the worker.
        #[schema(value_type = spelling::WorkerPin)]
        pin: Secret,
    },
    /// An identity document.
    Document {
        /// Which one the operator saw.
        document_kind: DocumentKind,
        #[schema(value_type = spelling::DocumentNumber)]
        document_number: String,
    },
    /// Another record of the same person.
    Merge {
        /// The worker into whom the record is merged.
        into: WorkerId,
        /// Contradictions that the operator considers mistakes.
        #[schema(max_items = 3)]
        accept: Option<Vec<Contradiction>>,
    },
}

impl WorkerChangeInput {
    fn kind(&self) -> ChangeKind {
        match self {
            Self::Card { .. } => ChangeKind::Card,
            Self::Pin { .. } => ChangeKind::Pin,
            Self::Document { .. } => ChangeKind::Document,
            Self::Merge { .. } => ChangeKind::Merge,
        }
    }
}

/// A requested change, without its secrets.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerChangeView {
    pub id: WorkerChangeId,
    /// Of which worker.
    pub worker_id: WorkerId,
    /// What is to change.
    pub kind: ChangeKind,
    pub state: ChangeState,
    /// Who requested it.
    pub requested_by: StaffId,
    pub requested_at: DateTime<Utc>,
    /// Until when it may be approved.
    pub expires_at: DateTime<Utc>,
    /// Who decided.
    pub decided_by: Option<StaffId>,
    pub decided_at: Option<DateTime<Utc>>,
}

/// The data of a change, stored sealed until it is approved.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ChangeBody {
    Card { card_number: String, pin: Option<Pin> },
    Pin(Pin),
    Document { document: DocumentKind, number: String },
    Merge { into: WorkerId, accept: Vec<Contradiction> },
}

/// A PIN as stored: never in clear.
#[derive(Serialize, Deserialize)]
struct Pin {
    salt: Vec<u8>,
    mac: Vec<u8>,
}

impl Pin {
    fn of(app: &AppState, pin: &Secret) -> Self {
        let salt = PinSalt::generate();
        Self { mac: app.keys.worker_pins.mac(&salt, pin.expose()).to_vec(), salt: salt.0.to_vec() }
    }
}

/// Requests a change.
///
/// # Errors
/// `NotFound`; one problem per bad field; `AlreadyExists` for a card that another worker has;
/// `StateMovedOn` for a worker who was merged.
pub fn request(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: WorkerId,
    input: &WorkerChangeInput,
) -> Result<WorkerChangeView, Failure> {
    let worker = ensure_not_merged(storage::network::worker::worker_lock(tx.conn, id)?)?;
    let body = read(tx, &worker, input)?;
    if let ChangeBody::Card { card_number, .. } = &body {
        ensure_free(tx, id, card_number)?;
        stop(tx, &worker)?;
    }
    let change = WorkerChangeId::generate();
    let body = serde_json::to_string(&body)?;
    let hours = i64::from(tx.app.policy.check_in.change_hours);
    let new = NewChange {
        id: change,
        worker_id: id,
        kind: input.kind(),
        body_sealed: tx.app.seal("worker_change", "body_sealed", change, &body)?,
        state: ChangeState::Waiting,
        requested_by: caller.staff,
        requested_at: At(tx.now),
        expires_at: At(tx.now + TimeDelta::hours(hours)),
    };
    store::change_add(tx.conn, &new)?;
    let event = WorkerChangeEvent::Requested { worker: id, kind: input.kind() };
    tx.record(change, event, Recipients::worker(id))?;
    fetch(tx.conn, change)
}

/// Approves a change and carries it out.
///
/// # Errors
/// `NotFound`; `OwnApproval` for the operator who requested it; `StateMovedOn` for one that is
/// decided or has lapsed; and the errors of the change itself.
pub fn approve(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: WorkerChangeId,
) -> Result<WorkerChangeView, Failure> {
    let row = waiting(tx, id)?;
    if row.requested_by == caller.staff {
        return Err(Code::OwnApproval.into());
    }
    let body = tx.app.open("worker_change", "body_sealed", id, &row.body_sealed)?;
    carry_out(tx, row.worker_id, serde_json::from_str(&body)?)?;
    decide(tx, caller, &row, ChangeState::Approved)
}

/// Refuses a change; the operator who requested it may withdraw it this way.
///
/// # Errors
/// `NotFound`; `StateMovedOn` for one that is decided or has lapsed.
pub fn refuse(tx: &mut Tx<'_>, caller: StaffCaller, id: WorkerChangeId) -> Result<WorkerChangeView, Failure> {
    let row = waiting(tx, id)?;
    decide(tx, caller, &row, ChangeState::Refused)
}

/// Changes that wait for a second operator, by id.
///
/// # Errors
/// Faults of the storage.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    after: Option<WorkerChangeId>,
    limit: u32,
) -> Result<Page<WorkerChangeView>, Failure> {
    let now = app.now();
    let page = Rows::read(limit, |most| store::changes_waiting(conn, now, after, most), |row| row.id)?;
    Ok(page.map(view).into())
}

/// Stops a worker's lost card at once. Removing access needs no second operator.
///
/// # Errors
/// `NotFound`; `StateMovedOn` for a worker who was merged or has no card.
pub fn stop_card(tx: &mut Tx<'_>, id: WorkerId) -> Result<network::WorkerSummary, Failure> {
    let worker = ensure_not_merged(storage::network::worker::worker_lock(tx.conn, id)?)?;
    if worker.card_index.is_none() {
        return Err(Refusal::moved_on("no_card").into());
    }
    stop(tx, &worker)?;
    network::worker_fetch(tx, id)
}

fn stop(tx: &mut Tx<'_>, worker: &WorkerRow) -> Result<(), Failure> {
    if store::card_stop(tx.conn, worker.id, tx.now)? {
        check_in::end_of_worker(tx, worker.id)?;
        tx.record(worker.id, WorkerEvent::CardStopped {}, Recipients::worker(worker.id))?;
    }
    Ok(())
}

fn ensure_not_merged(worker: Option<WorkerRow>) -> Result<WorkerRow, Failure> {
    let worker = worker.ok_or(Code::NotFound)?;
    match worker.merged_into {
        Some(into) => Err(Refusal::moved_on("merged").with_data(json!({"worker_id": into})).into()),
        None => Ok(worker),
    }
}

fn waiting(tx: &mut Tx<'_>, id: WorkerChangeId) -> Result<ChangeRow, Failure> {
    let row = store::change_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    match row.state {
        ChangeState::Waiting if row.expires_at > tx.now => Ok(row),
        ChangeState::Waiting => Err(Refusal::moved_on("lapsed").into()),
        state @ (ChangeState::Approved | ChangeState::Refused) => Err(Refusal::moved_on(state).into()),
    }
}

fn decide(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    row: &ChangeRow,
    state: ChangeState,
) -> Result<WorkerChangeView, Failure> {
    store::change_decide(tx.conn, row.id, state, caller.staff, tx.now)?;
    let (worker, kind, requested_by) = (row.worker_id, row.kind, row.requested_by);
    let event = match state {
        ChangeState::Approved => WorkerChangeEvent::Approved { worker, kind, requested_by },
        ChangeState::Refused | ChangeState::Waiting => {
            WorkerChangeEvent::Refused { worker, kind, requested_by }
        }
    };
    tx.record(row.id, event, Recipients::worker(row.worker_id))?;
    fetch(tx.conn, row.id)
}

fn carry_out(tx: &mut Tx<'_>, id: WorkerId, body: ChangeBody) -> Result<(), Failure> {
    if let ChangeBody::Merge { into, accept } = body {
        network::merge(tx, id, &MergeInput { into, accept }, true)?;
        return Ok(());
    }
    let worker = ensure_not_merged(storage::network::worker::worker_lock(tx.conn, id)?)?;
    match body {
        ChangeBody::Card { card_number, pin } => {
            ensure_free(tx, id, &card_number)?;
            let index = tx.app.keys.blind.of(BlindField::CardNumber, &card_number);
            store::card_set(tx.conn, id, &index)?;
            if let Some(pin) = pin {
                store::pin_set(tx.conn, id, &pin.salt, &pin.mac)?;
            }
            tx.record(
                id,
                WorkerEvent::CardReplaced { merged_from: None, unmerged_from: None },
                Recipients::worker(id),
            )?;
            check_in::end_of_worker(tx, id)
        }
        ChangeBody::Pin(pin) => {
            store::pin_set(tx.conn, id, &pin.salt, &pin.mac)?;
            tx.record(id, WorkerEvent::PinReset { by: PinResetBy::Operators }, Recipients::worker(id))?;
            check_in::end_of_worker(tx, id)
        }
        ChangeBody::Document { document, number } => {
            let name = tx.app.open("worker", "name_sealed", id, &worker.name_sealed)?;
            let number = DocumentNumber::parse(document, &number)
                .map_err(|_| Failure::inconsistent("a kept document number"))?;
            let key = Key::document(tx.app, &number, &name);
            if !identity::prove(tx, id, &key)? {
                return Err(Refusal::moved_on("document_known").into());
            }
            Ok(())
        }
        ChangeBody::Merge { .. } => Ok(()),
    }
}

/// Checks that no other worker has this card.
fn ensure_free(tx: &mut Tx<'_>, id: WorkerId, card_number: &str) -> Result<(), Failure> {
    let index = tx.app.keys.blind.of(BlindField::CardNumber, card_number);
    let taken =
        storage::network::worker::worker_by_card(tx.conn, &index)?.is_some_and(|other| other.id != id);
    if taken { Err(Code::AlreadyExists.into()) } else { Ok(()) }
}

/// Checks the fields of a change by what is known of the worker.
fn read(tx: &mut Tx<'_>, worker: &WorkerRow, input: &WorkerChangeInput) -> Result<ChangeBody, Failure> {
    let mut problems: Vec<FieldProblem> = Vec::new();
    let mut bad = |field: &str, code: &str, message: Bilingual| {
        problems.push(FieldProblem { field: field.to_owned(), code: code.to_owned(), message });
    };
    let body = match input {
        WorkerChangeInput::Card { card_number, pin } => {
            // The worker's current card is accepted without a valid check digit.
            let index = tx.app.keys.blind.of(BlindField::CardNumber, card_number);
            if !card_number_is_valid(card_number) && worker.card_index.as_deref() != Some(index.as_slice()) {
                let message =
                    Bilingual::fixed("卡号校验位不正确。", "The card number's check digit is wrong.");
                bad("card_number", "bad_check_digit", message);
            }
            if pin.is_none() && worker.pin_mac.is_none() {
                let message = Bilingual::fixed("缺少必填字段", "a worker who has no PIN needs one");
                bad("pin", "missing_field", message);
            }
            let pin = pin.as_ref().map(|pin| Pin::of(tx.app, pin));
            ChangeBody::Card { card_number: card_number.clone(), pin }
        }
        WorkerChangeInput::Pin { pin } => ChangeBody::Pin(Pin::of(tx.app, pin)),
        WorkerChangeInput::Document { document_kind, document_number } => {
            if let Err(fault) = DocumentNumber::parse(*document_kind, document_number) {
                let (code, message) = identity::document_problem(fault);
                bad("document_number", code, message);
            }
            ChangeBody::Document { document: *document_kind, number: document_number.clone() }
        }
        WorkerChangeInput::Merge { into, accept } => {
            if *into == worker.id || storage::network::worker::worker_fetch(tx.conn, *into)?.is_none() {
                let message = Bilingual::fixed("网络中没有。", "The network knows none such.");
                bad("into", "unknown", message);
            }
            ChangeBody::Merge { into: *into, accept: accept.clone().unwrap_or_default() }
        }
    };
    if let WorkerChangeInput::Card { pin: Some(pin), .. } | WorkerChangeInput::Pin { pin } = input {
        problems.extend(check_worker_pin("pin", pin.expose()).err());
    }
    if problems.is_empty() { Ok(body) } else { Err(Refusal::fields(problems).into()) }
}

fn fetch(conn: &mut Conn, id: WorkerChangeId) -> Result<WorkerChangeView, Failure> {
    Ok(view(store::change_fetch(conn, id)?.ok_or(Code::NotFound)?))
}

fn view(row: ChangeRow) -> WorkerChangeView {
    WorkerChangeView {
        id: row.id,
        worker_id: row.worker_id,
        kind: row.kind,
        state: row.state,
        requested_by: row.requested_by,
        requested_at: row.requested_at,
        expires_at: row.expires_at,
        decided_by: row.decided_by,
        decided_at: row.decided_at,
    }
}
