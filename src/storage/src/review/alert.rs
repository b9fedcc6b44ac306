//! Alerts of the pharmacists' queue.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::review_alert, sql_types::At};
use domain::{ids::ReviewAlertId, review::ReviewTrouble, time::Timestamp};

/// An alert as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = review_alert)]
pub struct ReviewAlertRow {
    pub id: ReviewAlertId,
    pub trouble: ReviewTrouble,
    /// How many waited when it was raised.
    pub waiting: i64,
    /// Since when the oldest of them did.
    pub oldest_since: Timestamp,
    /// When the next pharmacist was to come on shift; for nobody on shift.
    pub on_shift_from: Option<Timestamp>,
    /// When letters were written.
    pub told_at: Option<Timestamp>,
    pub raised_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Raises an alert; `false` when there is an open one of this trouble.
pub fn review_alert_add(conn: &mut Conn, new: &ReviewAlertRow) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(review_alert::table)
        .values((
            review_alert::id.eq(new.id),
            review_alert::trouble.eq(new.trouble),
            review_alert::waiting.eq(new.waiting),
            review_alert::oldest_since.eq(At(new.oldest_since)),
            review_alert::on_shift_from.eq(new.on_shift_from.map(At)),
            review_alert::raised_at.eq(At(new.raised_at)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// The open alerts of which no letters were written, the oldest first.
pub fn review_alerts_untold(conn: &mut Conn) -> QueryResult<Vec<ReviewAlertRow>> {
    on_backend!(conn, c => review_alert::table
        .filter(review_alert::ended_at.is_null())
        .filter(review_alert::told_at.is_null())
        .order(review_alert::id)
        .select(ReviewAlertRow::as_select())
        .load(c))
}

/// Records that operators are told of an open alert; `false` when they were, or it has ended.
pub fn review_alert_told(conn: &mut Conn, id: ReviewAlertId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(review_alert::table.find(id))
        .filter(review_alert::told_at.is_null())
        .filter(review_alert::ended_at.is_null())
        .set(review_alert::told_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// How many alerts were told of since `since`.
pub fn review_alerts_told(conn: &mut Conn, since: Timestamp) -> QueryResult<i64> {
    on_backend!(conn, c => review_alert::table
        .filter(review_alert::told_at.gt(Some(At(since))))
        .count()
        .get_result(c))
}

/// Ends an alert; `false` when it has ended.
pub fn review_alert_end(conn: &mut Conn, id: ReviewAlertId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(review_alert::table.find(id))
        .filter(review_alert::ended_at.is_null())
        .set(review_alert::ended_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// The open alerts: one of each trouble at most.
pub fn review_alerts_open(conn: &mut Conn) -> QueryResult<Vec<ReviewAlertRow>> {
    on_backend!(conn, c => review_alert::table
        .filter(review_alert::ended_at.is_null())
        .select(ReviewAlertRow::as_select())
        .load(c))
}

/// A page of alerts, oldest first; with `open_only`, of those that have not ended.
pub fn review_alerts_after(
    conn: &mut Conn,
    open_only: bool,
    after: Option<ReviewAlertId>,
    limit: i64,
) -> QueryResult<Vec<ReviewAlertRow>> {
    on_backend!(conn, c => {
        let mut query = review_alert::table
            .order(review_alert::id)
            .limit(limit)
            .select(ReviewAlertRow::as_select())
            .into_boxed();
        if open_only {
            query = query.filter(review_alert::ended_at.is_null());
        }
        if let Some(after) = after {
            query = query.filter(review_alert::id.gt(after));
        }
        query.load(c)
    })
}
