//! The one event log: appended to in the transaction of the change it tells
//! of, and read by the realtime resume, the report and the audit chain.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{self, EventRow, on_backend},
    schema::event,
};
use domain::{
    ids::{Id, StaffId, WorkerId},
    time::Timestamp,
};

/// The id of whatever a stream is about, or of whoever acted.
pub enum Any {}
/// An id whose kind the column beside it names.
pub type AnyId = Id<Any>;

/// A change, ready to be logged. Holds ids, codes and digests only.
#[derive(Debug)]
pub struct NewEvent {
    /// What kind of thing changed: `consultation`, `attempt`, ...
    pub stream: &'static str,
    /// Which one.
    pub stream_id: AnyId,
    /// What happened: `consultation.accepted`.
    pub kind: String,
    /// Ids, codes, digests.
    pub payload: serde_json::Value,
    /// The role that acted, or `system`.
    pub actor_role: &'static str,
    /// Who acted.
    pub actor_id: Option<AnyId>,
    /// The worker whose screen should hear of it.
    pub worker_id: Option<WorkerId>,
    /// The member of staff who should hear of it.
    pub staff_id: Option<StaffId>,
    /// When.
    pub at: Timestamp,
}

/// A logged change.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = event)]
pub struct LoggedEvent {
    /// Place in the global log.
    pub position: i64,
    /// What kind of thing changed.
    pub stream: String,
    /// Which one.
    pub stream_id: AnyId,
    /// Its how-manieth change.
    pub version: i64,
    /// What happened.
    pub kind: String,
    /// Ids, codes, digests, as JSON text.
    pub payload: String,
    /// The role that acted.
    pub actor_role: String,
    /// Who acted.
    pub actor_id: Option<AnyId>,
    /// When.
    pub at: Timestamp,
}

/// Whose events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// One worker's.
    Worker(WorkerId),
    /// One member of staff's.
    Staff(StaffId),
    /// Those of every prescription: the pharmacists'.
    Reviews,
    /// All: the operators' and the audit's.
    All,
}

/// Appends one event.
pub fn event_append(conn: &mut Conn, new: &NewEvent) -> QueryResult<()> {
    let payload = new.payload.to_string();
    dialect::event_append(
        conn,
        &EventRow {
            stream: new.stream,
            stream_id: new.stream_id,
            kind: &new.kind,
            payload: &payload,
            actor_role: new.actor_role,
            actor_id: new.actor_id,
            worker_id: new.worker_id,
            staff_id: new.staff_id,
            at: new.at,
        },
    )
}

/// What a reader finds after a position.
#[derive(Debug, Clone)]
pub struct Found {
    /// Events, oldest first.
    pub events: Vec<LoggedEvent>,
    /// Whether there is more that may not be shown yet, because a transaction
    /// that began before it still runs. Nothing wakes the reader when that one
    /// ends, so the reader must look again soon.
    pub more_soon: bool,
}

/// The events of `audience` after `position`, oldest first, `limit` at most.
/// Never skips one that a slower transaction will still commit.
pub fn events_after(conn: &mut Conn, audience: Audience, position: i64, limit: i64) -> QueryResult<Found> {
    // First the horizon, then the events: what ended before it is all there.
    let horizon = dialect::event_horizon(conn)?;
    let rows: Vec<(LoggedEvent, i64)> = on_backend!(conn, c => {
        let base = event::table
            .filter(event::position.gt(position))
            .order(event::position)
            .limit(limit)
            .select((LoggedEvent::as_select(), event::writer_xid));
        match audience {
            Audience::Worker(worker) => base.filter(event::worker_id.eq(Some(worker))).load(c),
            Audience::Staff(staff) => base.filter(event::staff_id.eq(Some(staff))).load(c),
            Audience::Reviews => base.filter(event::stream.eq("prescription")).load(c),
            Audience::All => base.load(c),
        }
    })?;
    let there = rows.len();
    let events: Vec<LoggedEvent> =
        rows.into_iter().take_while(|(_, xid)| *xid < horizon).map(|(event, _)| event).collect();
    Ok(Found { more_soon: events.len() < there, events })
}

/// All events of one stream, oldest first.
pub fn events_of(conn: &mut Conn, stream_id: AnyId) -> QueryResult<Vec<LoggedEvent>> {
    on_backend!(conn, c => event::table
        .filter(event::stream_id.eq(stream_id))
        .order(event::version)
        .select(LoggedEvent::as_select())
        .load(c))
}

/// The newest position that every reader may see.
pub fn event_head(conn: &mut Conn) -> QueryResult<i64> {
    let horizon = dialect::event_horizon(conn)?;
    on_backend!(conn, c => event::table
        .filter(event::writer_xid.lt(horizon))
        .order(event::position.desc())
        .select(event::position)
        .first(c))
    .optional()
    .map(|head| head.unwrap_or(0))
}
