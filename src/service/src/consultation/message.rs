//! Messages between worker and doctor while the consultation is active.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Loaded, record::in_care};
use crate::{
    Actor, AppState, Failure, HealthAccess, Part, Recipients, Tx,
    page::{Rows, page},
};
use domain::{
    consultation::ConsultationState,
    event::care::ConsultationNote,
    ids::{ConsultationId, Id, MessageId, StaffId, WorkerId},
    refusal::{Code, Refusal},
    spelling,
    staff::role::Role,
};
use storage::{
    Conn, Live,
    consultation::message::{self as store, MessageRow},
    events::AnyId,
};

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageInput {
    /// 1 to 2,000 characters.
    #[schema(value_type = spelling::Words)]
    pub text: String,
}

/// A message that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    pub id: MessageId,
    /// `worker` or `doctor`.
    pub sender_role: Role,
    pub text: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
}

page! {
    /// A page of messages.
    MessagesView of MessageView, "Oldest first.", after MessageId
}

/// Sends a message to the other party.
///
/// # Errors
/// `NotFound` for anybody else's; `StateMovedOn` unless it is active.
pub fn say(tx: &mut Tx<'_>, id: ConsultationId, input: &MessageInput) -> Result<MessageView, Failure> {
    let text = input.text.trim();
    // The lock prevents a message in a consultation that ends concurrently.
    let row = Loaded::lock(tx, id)?.full.row;
    let sender = party(row.worker_id, row.doctor_id, tx.actor)?;
    if row.state != ConsultationState::Active {
        return Err(Refusal::moved_on(row.state).into());
    }
    let message = MessageId::generate();
    let sealed = tx.app.seal("message", "body_sealed", message, text)?;
    store::message_add(tx.conn, message, id, sender, &sealed, tx.now)?;
    let event = ConsultationNote::Message { message, sender: sender.0 };
    tx.record(id, event, Recipients::both(row.worker_id, row.doctor_id))?;
    Ok(MessageView { id: message, sender_role: sender.0, text: text.to_owned(), sent_at: tx.now })
}

/// A page of messages; none of a consultation that does not exist, and once an authority has ended.
///
/// # Errors
/// `NotFound` for anybody else's; for a doctor `ConsentMissing` once the consent to care is withdrawn.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    live: Live,
    actor: Actor,
    id: ConsultationId,
    (after, limit): (Option<MessageId>, u32),
) -> Result<Option<MessagesView>, Failure> {
    let mut known = None;
    let read = |most| -> Result<Vec<MessageRow>, Failure> {
        let Some((parties, consents, messages)) = store::messages_after(conn, live, id, after, most)? else {
            return Ok(Vec::new());
        };
        known = Some((parties, consents));
        Ok(messages)
    };
    let page = Rows::read(limit, read, |row| row.id)?;
    let Some((row, consents)) = known else { return Ok(None) };
    let (sender, _) = party(row.worker_id, row.doctor_id, actor)?;
    if sender == Role::Doctor && !in_care(conn, app, row.doctor_id, id, row.state, row.ended_at)? {
        return Err(Code::NotFound.into());
    }
    if sender == Role::Doctor && !consents {
        return Err(Code::ConsentMissing.into());
    }
    shown.note(row.worker_id, Part::Messages, id);
    Ok(Some(page.show(|rows| rows.iter().map(|row| view(app, row)).collect())?.into()))
}

/// The first `limit` messages of each of these consultations of a worker, oldest first.
///
/// # Errors
/// Faults of the storage.
pub fn of_worker(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    worker: WorkerId,
    consultations: &[ConsultationId],
) -> Result<HashMap<ConsultationId, Vec<MessageView>>, Failure> {
    let mut all: HashMap<_, Vec<MessageView>> = HashMap::new();
    for id in consultations {
        shown.note(worker, Part::Messages, *id);
    }
    for (id, row) in store::messages_of(conn, consultations)? {
        all.entry(id).or_default().push(view(app, &row)?);
    }
    Ok(all)
}

fn view(app: &AppState, row: &MessageRow) -> Result<MessageView, Failure> {
    Ok(MessageView {
        id: row.id,
        sender_role: row.sender_role,
        text: app.open("message", "body_sealed", row.id, &row.body_sealed)?,
        sent_at: row.sent_at,
    })
}

/// The caller's part in the consultation; `NotFound` for anybody else.
fn party(worker_id: WorkerId, doctor_id: Option<StaffId>, actor: Actor) -> Result<(Role, AnyId), Failure> {
    match actor {
        Actor::Worker(worker) if worker_id == worker.worker => {
            Ok((Role::Worker, Id::from_uuid(worker.worker.uuid())))
        }
        Actor::Staff(staff) if doctor_id == Some(staff.staff) => {
            Ok((Role::Doctor, Id::from_uuid(staff.staff.uuid())))
        }
        _ => Err(Code::NotFound.into()),
    }
}
