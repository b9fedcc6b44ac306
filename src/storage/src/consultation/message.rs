//! Messages between worker and doctor; texts are sealed.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::on_backend,
    events::AnyId,
    prepared::{PreparedDsl, padded},
    schema::message,
    sql_types::At,
};
use domain::{
    ids::{ConsultationId, Id, MessageId},
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

/// A page of messages, oldest first.
pub fn messages_after(
    conn: &mut Conn,
    consultation: ConsultationId,
    after: Option<MessageId>,
    limit: i64,
) -> QueryResult<Vec<MessageRow>> {
    on_backend!(conn, c => {
        let query = message::table
            .filter(message::consultation_id.eq(consultation))
            .order(message::id)
            .limit(limit)
            .select(MessageRow::as_select());
        match after {
            Some(after) => query.filter(message::id.gt(after)).load(c),
            None => query.load(c),
        }
    })
}
