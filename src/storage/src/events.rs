//! The event log: appended to in the transaction of the change that it records, and read by the
//! realtime resume, the report and the audit chain.

use diesel::{dsl, prelude::*};

use super::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{EventHorizon, on_backend},
    schema::event,
};
use domain::{
    event::{Event, ParseError},
    ids::{StaffId, WorkerId},
    prescription::EventKind,
    time::Timestamp,
};

pub use domain::event::AnyId;

/// An event to be appended.
#[derive(Debug)]
pub struct NewEvent {
    /// The id of what changed.
    pub stream_id: AnyId,
    pub event: Event,
    /// The role that acted, or `system`.
    pub actor_role: &'static str,
    pub actor_id: Option<AnyId>,
    /// The worker to notify.
    pub worker_id: Option<WorkerId>,
    /// The member of staff to notify.
    pub staff_id: Option<StaffId>,
    pub at: Timestamp,
}

/// A logged change.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = event)]
pub struct LoggedEvent {
    /// Position in the global log.
    pub position: i64,
    /// Kind of entity that changed.
    pub stream: String,
    pub stream_id: AnyId,
    /// Number of the event within its stream, from 1.
    pub version: i64,
    pub kind: String,
    /// Ids, codes, digests, as JSON text.
    pub payload: String,
    /// The role that acted.
    pub actor_role: String,
    pub actor_id: Option<AnyId>,
    pub at: Timestamp,
}

impl LoggedEvent {
    /// The event as what it means.
    ///
    /// # Errors
    /// If no version of this program writes such an event.
    pub fn parse(&self) -> Result<Event, ParseError> {
        Event::parse(&self.stream, &self.kind, &self.payload)
    }
}

/// Which events a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Events of one worker.
    Worker(WorkerId),
    /// Events of one member of staff.
    Staff(StaffId),
    /// What pharmacists hear of prescriptions: nothing of a draft, which is between the doctor and
    /// the worker, also when it is withdrawn.
    Pharmacists,
    /// All events: for operators and the audit.
    All,
}

pub use super::dialect::events_append;

/// Result of [`events_after`].
#[derive(Debug, Clone)]
pub struct Found {
    /// Events, oldest first.
    pub events: Vec<LoggedEvent>,
    /// Whether there are more events that may not be shown yet, because an earlier transaction is
    /// still running. Nothing notifies the reader when it ends, so the reader must query again
    /// soon.
    pub more_soon: bool,
}

/// The events of `audience` after `position`, oldest first, `limit` at most.
/// Never skips one that a slower transaction will still commit.
pub fn events_after(conn: &mut Conn, audience: Audience, position: i64, limit: i64) -> QueryResult<Found> {
    events_for(conn, audience, Live::always(), position, limit)
}

/// As [`events_after`], but none once an authority has ended.
pub fn events_for(
    conn: &mut Conn,
    audience: Audience,
    live: Live,
    position: i64,
    limit: i64,
) -> QueryResult<Found> {
    let before = diesel::alias!(event as before);
    let of_prescriptions = |wanted: fn(EventKind) -> bool| -> Vec<EventKind> {
        EventKind::ALL.iter().copied().filter(|kind| wanted(*kind)).collect()
    };
    let heard = of_prescriptions(|kind| kind.hearers().pharmacists);
    let draft = of_prescriptions(EventKind::is_draft);
    let rows: Vec<(LoggedEvent, i64, i64)> = on_backend!(conn, c => {
        let base = event::table
            .filter(event::position.gt(position))
            .filter(live)
            .order(event::position)
            .limit(limit)
            .select((LoggedEvent::as_select(), event::writer_xid, EventHorizon));
        match audience {
            Audience::Worker(worker) => base.filter(event::worker_id.eq(Some(worker))).load(c),
            Audience::Staff(staff) => base.filter(event::staff_id.eq(Some(staff))).load(c),
            Audience::Pharmacists => {
                let of_draft = before
                    .filter(before.field(event::stream_id).eq(event::stream_id))
                    .filter(before.field(event::version).eq(event::version - 1))
                    .filter(before.field(event::kind).eq_any_code(&draft));
                base
                    .filter(event::kind.eq_any_code(&heard))
                    .filter(event::kind.ne_code(EventKind::Voided).or(dsl::not(dsl::exists(of_draft))))
                    .load(c)
            }
            Audience::All => base.load(c),
        }
    })?;
    let found = rows.len();
    let events: Vec<LoggedEvent> =
        rows.into_iter().take_while(|(_, xid, horizon)| xid < horizon).map(|(event, ..)| event).collect();
    Ok(Found { more_soon: events.len() < found, events })
}

/// All events of one stream, oldest first.
pub fn events_of(conn: &mut Conn, stream_id: AnyId) -> QueryResult<Vec<LoggedEvent>> {
    on_backend!(conn, c => event::table
        .filter(event::stream_id.eq(stream_id))
        .order(event::version)
        .select(LoggedEvent::as_select())
        .load(c))
}

/// The newest position that every reader may see; none without events, and once an authority has
/// ended.
pub fn event_head(conn: &mut Conn, live: Live) -> QueryResult<Option<i64>> {
    on_backend!(conn, c => event::table
        .filter(event::writer_xid.lt(EventHorizon))
        .filter(live)
        .order(event::position.desc())
        .select(event::position)
        .first(c))
    .optional()
}
