//! Messages between worker and doctor; texts are sealed.

use diesel::prelude::*;

use crate::{
    Live,
    conn::Conn,
    dialect::on_backend,
    events::AnyId,
    prepared::{PreparedDsl, padded},
    schema::{consent, consultation, message},
    sql_types::At,
};
use domain::{
    consultation::ConsultationState,
    ids::{ConsentId, ConsultationId, Id, MessageId, StaffId, WorkerId},
    staff::role::Role,
    time::Timestamp,
};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = message)]
pub struct MessageRow {
    /// Ids sort by time.
    pub id: MessageId,
    /// Worker or doctor.
    pub sender_role: Role,
    pub sender_id: AnyId,
    pub body_sealed: Vec<u8>,
    pub sent_at: Timestamp,
}

pub fn message_add<K>(
    conn: &mut Conn,
    id: MessageId,
    consultation: ConsultationId,
    sender: (Role, Id<K>),
    body_sealed: &[u8],
    now: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(message::table)
        .values((
            message::id.eq(id),
            message::consultation_id.eq(consultation),
            message::sender_role.eq(sender.0),
            message::sender_id.eq(AnyId::from_uuid(sender.1.uuid())),
            message::body_sealed.eq(body_sealed),
            message::sent_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

/// The messages of several consultations, each oldest first.
pub fn messages_of(
    conn: &mut Conn,
    consultations: &[ConsultationId],
) -> QueryResult<Vec<(ConsultationId, MessageRow)>> {
    on_backend!(conn, c => message::table
        .filter(message::consultation_id.eq_any(padded(consultations)))
        .order((message::consultation_id, message::id))
        .select((message::consultation_id, MessageRow::as_select()))
        .prepared()
        .load(c))
}

/// What decides who may read the messages of a consultation.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = consultation)]
pub struct Parties {
    pub worker_id: WorkerId,
    pub doctor_id: Option<StaffId>,
    pub state: ConsultationState,
    pub ended_at: Option<Timestamp>,
}

/// The parties of a consultation, whether its worker consents to care now, and a page of its
/// messages, oldest first; none once an authority has ended. One statement.
pub fn messages_after(
    conn: &mut Conn,
    live: Live,
    id: ConsultationId,
    after: Option<MessageId>,
    limit: i64,
) -> QueryResult<Option<(Parties, bool, Vec<MessageRow>)>> {
    let after = after.unwrap_or(MessageId::from_uuid(uuid::Uuid::nil()));
    let rows: Vec<(Parties, Option<ConsentId>, Option<MessageRow>)> = on_backend!(conn, c => consultation::table
        .left_join(
            consent_to_care!(),
        )
        .left_join(
            message::table.on(message::consultation_id.eq(consultation::id).and(message::id.gt(after))),
        )
        .filter(consultation::id.eq(id))
        .filter(live)
        .order(message::id)
        .limit(limit)
        .select((
            Parties::as_select(),
            consent::id.nullable(),
            Option::<MessageRow>::as_select(),
        ))
        .load(c))?;
    let Some((parties, consent, _)) = rows.first().cloned() else { return Ok(None) };
    let messages = rows.into_iter().filter_map(|(.., message)| message).collect();
    Ok(Some((parties, consent.is_some(), messages)))
}
