//! Alerts of departments whose queue is in trouble.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::queue_alert, sql_types::At};
use domain::{
    ids::QueueAlertId,
    matching::{Department, QueueTrouble},
    time::Timestamp,
};

/// An alert as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = queue_alert)]
pub struct QueueAlertRow {
    pub id: QueueAlertId,
    pub department: Department,
    /// When it was raised.
    pub trouble: QueueTrouble,
    /// How many waited when it was raised.
    pub waiting: i64,
    /// Since when the oldest of them did.
    pub oldest_since: Timestamp,
    pub raised_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Raises an alert; `false` when the department has an open one.
pub fn queue_alert_add(conn: &mut Conn, new: &QueueAlertRow) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(queue_alert::table)
        .values((
            queue_alert::id.eq(new.id),
            queue_alert::department.eq(new.department),
            queue_alert::trouble.eq(new.trouble),
            queue_alert::waiting.eq(new.waiting),
            queue_alert::oldest_since.eq(At(new.oldest_since)),
            queue_alert::raised_at.eq(At(new.raised_at)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Ends an alert; `false` when it has ended.
pub fn queue_alert_end(conn: &mut Conn, id: QueueAlertId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(queue_alert::table.find(id))
        .filter(queue_alert::ended_at.is_null())
        .set(queue_alert::ended_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// The open alerts: one of each department at most.
pub fn queue_alerts_open(conn: &mut Conn) -> QueryResult<Vec<QueueAlertRow>> {
    on_backend!(conn, c => queue_alert::table
        .filter(queue_alert::ended_at.is_null())
        .select(QueueAlertRow::as_select())
        .load(c))
}

diesel::alias!(queue_alert as told: Told);

/// The open alerts of which nobody was told by mail, unless somebody was told of the same trouble of the
/// department after `since`.
pub fn queue_alerts_untold(conn: &mut Conn, since: Timestamp) -> QueryResult<Vec<QueueAlertRow>> {
    let lately = || {
        told.filter(told.field(queue_alert::department).eq(queue_alert::department))
            .filter(told.field(queue_alert::trouble).eq(queue_alert::trouble))
            .filter(told.field(queue_alert::told_at).gt(Some(At(since))))
    };
    on_backend!(conn, c => queue_alert::table
        .filter(queue_alert::ended_at.is_null())
        .filter(queue_alert::told_at.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(lately())))
        .select(QueueAlertRow::as_select())
        .load(c))
}

/// Records that operators are told of an alert; `false` when they were.
pub fn queue_alert_told(conn: &mut Conn, id: QueueAlertId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(queue_alert::table.find(id))
        .filter(queue_alert::told_at.is_null())
        .set(queue_alert::told_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A page of alerts, oldest first; with `open_only`, of those that have not ended.
pub fn queue_alerts_after(
    conn: &mut Conn,
    open_only: bool,
    after: Option<QueueAlertId>,
    limit: i64,
) -> QueryResult<Vec<QueueAlertRow>> {
    on_backend!(conn, c => {
        let mut query = queue_alert::table
            .order(queue_alert::id)
            .limit(limit)
            .select(QueueAlertRow::as_select())
            .into_boxed();
        if open_only {
            query = query.filter(queue_alert::ended_at.is_null());
        }
        if let Some(after) = after {
            query = query.filter(queue_alert::id.gt(after));
        }
        query.load(c)
    })
}
