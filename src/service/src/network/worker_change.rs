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

/// A change that another operator must approve. Each kind has its own fields.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerChangeInput {
    /// What is to change.
    pub kind: ChangeKind,
    /// `card`: the new card. The worker's current number reactivates a stopped card.
    #[schema(value_type = Option<spelling::CardNumber>)]
    pub card_number: Option<String>,
    /// `pin`, and `card` for a worker who had none: the PIN, typed by the worker.
    #[schema(value_type = Option<spelling::WorkerPin>)]
    pub pin: Option<Secret>,
    /// `document`: which document the operator saw.
    pub document_kind: Option<DocumentKind>,
    /// `document`: its number.
    #[schema(value_type = Option<spelling::DocumentNumber>)]
    pub document_number: Option<String>,
    /// `merge`: the worker into whom the record is merged.
    pub into: Option<WorkerId>,
    /// `merge`: contradictions that the operator considers mistakes.
    #[schema(max_items = 3)]
    pub accept: Option<Vec<Contradiction>>,
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
        kind: input.kind,
        body_sealed: tx.app.seal("worker_change", "body_sealed", change, &body)?,
        state: ChangeState::Waiting,
        requested_by: caller.staff,
        requested_at: At(tx.now),
        expires_at: At(tx.now + TimeDelta::hours(hours)),
    };
    store::change_add(tx.conn, &new)?;
    let event = WorkerChangeEvent::Requested { worker: id, kind: input.kind };
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

/// Checks that exactly the fields of the kind are given and valid.
fn read(tx: &mut Tx<'_>, worker: &WorkerRow, input: &WorkerChangeInput) -> Result<ChangeBody, Failure> {
    let mut problems: Vec<FieldProblem> = Vec::new();
    let mut bad = |field: &str, code: &str, zh: &'static str, en: &'static str| {
        let message = Bilingual::fixed(zh, en);
        problems.push(FieldProblem { field: field.to_owned(), code: code.to_owned(), message });
    };
    let given = [
        ("card_number", input.card_number.is_some(), input.kind == ChangeKind::Card),
        ("pin", input.pin.is_some(), matches!(input.kind, ChangeKind::Card | ChangeKind::Pin)),
        ("document_kind", input.document_kind.is_some(), input.kind == ChangeKind::Document),
        ("document_number", input.document_number.is_some(), input.kind == ChangeKind::Document),
        ("into", input.into.is_some(), input.kind == ChangeKind::Merge),
        ("accept", input.accept.is_some(), input.kind == ChangeKind::Merge),
    ];
    let has_pin = worker.pin_mac.is_some();
    for (field, is_given, belongs) in given {
        let optional = field == "accept" || (field == "pin" && input.kind == ChangeKind::Card && has_pin);
        if is_given && !belongs {
            bad(field, "not_of_this_kind", "不属于此类变更", "does not belong to a change of this kind");
        } else if !is_given && belongs && !optional {
            bad(field, "missing_field", "缺少必填字段", "a change of this kind needs it");
        }
    }
    // The worker's current card is accepted without a valid check digit.
    let own = |number: &str| {
        let index = tx.app.keys.blind.of(BlindField::CardNumber, number);
        worker.card_index.as_deref() == Some(index.as_slice())
    };
    if input.card_number.as_deref().is_some_and(|number| !card_number_is_valid(number) && !own(number)) {
        bad(
            "card_number",
            "bad_check_digit",
            "卡号校验位不正确。",
            "The card number's check digit is wrong.",
        );
    }
    if let (Some(kind), Some(number)) = (input.document_kind, &input.document_number)
        && let Err(fault) = DocumentNumber::parse(kind, number)
    {
        let (code, message) = identity::document_problem(fault);
        problems.push(FieldProblem { field: "document_number".to_owned(), code: code.to_owned(), message });
    }
    if let Some(pin) = &input.pin
        && let Err(problem) = check_worker_pin("pin", pin.expose())
    {
        problems.push(problem);
    }
    if let Some(into) = input.into
        && (into == worker.id || storage::network::worker::worker_fetch(tx.conn, into)?.is_none())
    {
        let message = Bilingual::fixed("网络中没有。", "The network knows none such.");
        problems.push(FieldProblem { field: "into".to_owned(), code: "unknown".to_owned(), message });
    }
    if !problems.is_empty() {
        return Err(Refusal::fields(problems).into());
    }
    let pin = input.pin.as_ref().map(|pin| Pin::of(tx.app, pin));
    let missing = || Failure::inconsistent("a checked field is not there");
    Ok(match input.kind {
        ChangeKind::Card => {
            ChangeBody::Card { card_number: input.card_number.clone().ok_or_else(missing)?, pin }
        }
        ChangeKind::Pin => ChangeBody::Pin(pin.ok_or_else(missing)?),
        ChangeKind::Document => ChangeBody::Document {
            document: input.document_kind.ok_or_else(missing)?,
            number: input.document_number.clone().ok_or_else(missing)?,
        },
        ChangeKind::Merge => ChangeBody::Merge {
            into: input.into.ok_or_else(missing)?,
            accept: input.accept.clone().unwrap_or_default(),
        },
    })
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
