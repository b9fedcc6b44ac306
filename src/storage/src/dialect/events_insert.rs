//! Appending to the event log.
//!
//! SQLite's one writer counts positions itself. On PostgreSQL a sequence would give them out of
//! order: a transaction that began first may take a later position, be read, and then an earlier
//! one is committed after it. There a position is the transaction id, shifted by 16 bits, plus the
//! event's number within the transaction (65,535 at most): whoever has read up to a transaction
//! below the horizon has read all there will ever be before it.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Array, Nullable, Text},
    sqlite::Sqlite,
};

use crate::{
    conn::Conn,
    events::{AnyId, NewEvent},
    sql_types::{At, Timestamptz, Uuid},
};
use domain::ids::{StaffId, WorkerId};

/// Appends events; the versions of each stream go on from its last one.
pub fn events_append(conn: &mut Conn, events: &[NewEvent]) -> QueryResult<()> {
    match conn {
        _ if events.is_empty() => Ok(()),
        Conn::Pg(conn) => EventsInsert::of(events).execute(conn).map(drop),
        Conn::Sqlite(conn) => events.iter().try_for_each(|event| {
            EventInsert { event, payload: event.event.payload().to_string(), at: At(event.at) }
                .execute(conn)
                .map(drop)
        }),
    }
}

const COLUMNS: &str = "INSERT INTO event (stream_id, stream, kind, payload, actor_role, actor_id, worker_id, \
     staff_id, at, version, position, writer_xid) ";

/// The statement on SQLite, which appends one event.
struct EventInsert<'a> {
    event: &'a NewEvent,
    payload: String,
    at: At,
}

/// Key of the statement in the cache of prepared statements: diesel does not cache a statement that
/// is only text.
struct EventInsertId;
impl QueryId for EventInsert<'_> {
    type QueryId = EventInsertId;
    const HAS_STATIC_QUERY_ID: bool = true;
}
impl RunQueryDsl<SqliteConnection> for EventInsert<'_> {}

impl QueryFragment<Sqlite> for EventInsert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let event = self.event;
        out.push_sql(COLUMNS);
        out.push_sql("VALUES (");
        out.push_bind_param::<Uuid, _>(&event.stream_id)?;
        for text in [event.event.stream().as_str(), event.event.kind(), &self.payload, event.actor_role] {
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(text)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Uuid>, _>(&event.actor_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Uuid>, _>(&event.worker_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Uuid>, _>(&event.staff_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.at)?;
        out.push_sql(", (SELECT coalesce(max(version), 0) + 1 FROM event WHERE stream_id = ");
        out.push_bind_param::<Uuid, _>(&event.stream_id)?;
        out.push_sql("), (SELECT coalesce(max(position), 0) + 1 FROM event), 0)");
        Ok(())
    }
}

/// The statement on PostgreSQL, which appends any number of events: each column is an array, so its
/// text is always the same.
pub(crate) struct EventsInsert<'a> {
    stream_ids: Vec<AnyId>,
    streams: Vec<&'a str>,
    kinds: Vec<&'a str>,
    payloads: Vec<String>,
    actor_roles: Vec<&'a str>,
    actor_ids: Vec<Option<AnyId>>,
    worker_ids: Vec<Option<WorkerId>>,
    staff_ids: Vec<Option<StaffId>>,
    times: Vec<At>,
}

impl<'a> EventsInsert<'a> {
    pub fn of(events: &'a [NewEvent]) -> Self {
        Self {
            stream_ids: events.iter().map(|event| event.stream_id).collect(),
            streams: events.iter().map(|new| new.event.stream().as_str()).collect(),
            kinds: events.iter().map(|new| new.event.kind()).collect(),
            payloads: events.iter().map(|new| new.event.payload().to_string()).collect(),
            actor_roles: events.iter().map(|event| event.actor_role).collect(),
            actor_ids: events.iter().map(|event| event.actor_id).collect(),
            worker_ids: events.iter().map(|event| event.worker_id).collect(),
            staff_ids: events.iter().map(|event| event.staff_id).collect(),
            times: events.iter().map(|event| At(event.at)).collect(),
        }
    }
}

impl QueryFragment<Pg> for EventsInsert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(COLUMNS);
        out.push_sql(
            "SELECT stream_id, stream, kind, payload, actor_role, actor_id, worker_id, staff_id, at, \
             (SELECT coalesce(max(version), 0) FROM event WHERE stream_id = new.stream_id) \
             + row_number() OVER (PARTITION BY stream_id ORDER BY n), \
             coalesce((SELECT max(position) FROM event WHERE position >= place.first \
             AND position < place.first + 65536), place.first) + n, place.xid \
             FROM (SELECT own.xid, (own.xid + (SELECT xids FROM event_shift)) * 65536 AS first \
             FROM (SELECT pg_current_xact_id()::text::bigint AS xid OFFSET 0) AS own OFFSET 0) AS place, \
             unnest(",
        );
        out.push_bind_param::<Array<Uuid>, _>(&self.stream_ids)?;
        for texts in [&self.streams, &self.kinds] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Text>, _>(texts)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.payloads)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.actor_roles)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.actor_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.worker_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.staff_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Timestamptz>, _>(&self.times)?;
        out.push_sql(
            ") WITH ORDINALITY AS new (stream_id, stream, kind, payload, actor_role, actor_id, worker_id, \
             staff_id, at, n)",
        );
        Ok(())
    }
}

/// diesel finds the prepared statement by its text.
impl QueryId for EventsInsert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl RunQueryDsl<PgConnection> for EventsInsert<'_> {}
