//! Figures for operators: whether the database schema is the one of this program, and how much work
//! is pending. Every count uses a partial index or a small table, so that it costs the same on a
//! large network.

use std::collections::BTreeSet;

use diesel::{
    migration::{Migration, MigrationSource},
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
    sqlite::Sqlite,
};

use super::{
    StoreError,
    conn::Conn,
    dialect::{self, on_backend},
    migrating::MIGRATIONS,
    schema::{audit_seal, event},
    sql_types::{At, Timestamptz},
};
use domain::time::Timestamp;

diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

/// The database schema compared with this program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaState {
    /// Migrations of this program that the database does not have.
    pub pending: usize,
    /// Migrations of the database that this program does not know: the program is older.
    pub unknown: usize,
}

/// Compares the migrations of the database with those of the program.
///
/// # Errors
/// The database error; a migration that cannot be read.
pub fn schema_state(conn: &mut Conn) -> Result<SchemaState, StoreError> {
    let known = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)
        .map_err(|error| StoreError::broken_by("migrations", error))?;
    let known: BTreeSet<String> =
        known.iter().map(|migration| migration.name().version().to_string()).collect();
    use __diesel_schema_migrations::dsl;
    let applied: Vec<String> =
        on_backend!(conn, c => dsl::__diesel_schema_migrations.select(dsl::version).load(c))?;
    let applied: BTreeSet<String> = applied.into_iter().collect();
    Ok(SchemaState {
        pending: known.difference(&applied).count(),
        unknown: applied.difference(&known).count(),
    })
}

/// Call it when many rows were imported, in their transaction.
pub fn statistics_gather(conn: &mut Conn) -> QueryResult<()> {
    dialect::statistics_gather(conn)
}

/// The database server's time; `None` on SQLite.
pub fn database_now(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    dialect::server_now(conn)
}

/// When the newest event was logged.
pub fn event_newest_at(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    on_backend!(conn, c => event::table.order(event::position.desc()).select(event::at).first(c)).optional()
}

/// The queue of one department and triage level.
#[derive(Debug, QueryableByName)]
pub struct QueuePart {
    #[diesel(sql_type = Text)]
    pub department: String,
    #[diesel(sql_type = Text)]
    pub triage: String,
    /// Consultations that wait or are offered.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// When the first of them was requested.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest: Option<Timestamp>,
}

/// The queue by department and level.
pub fn queue_parts(conn: &mut Conn) -> QueryResult<Vec<QueuePart>> {
    const SQL: &str = "SELECT department, triage, count(*) AS waiting, min(requested_at) AS oldest \
         FROM consultation WHERE state IN ('waiting', 'offered') GROUP BY department, triage";
    on_backend!(conn, c => diesel::sql_query(SQL).load(c))
}

/// Free doctors of a department.
#[derive(Debug, QueryableByName)]
pub struct DutyPart {
    #[diesel(sql_type = Text)]
    pub department: String,
    #[diesel(sql_type = BigInt)]
    pub doctors: i64,
}

/// Doctors on shift with free capacity, by department.
pub fn duty_parts(conn: &mut Conn, now: Timestamp) -> QueryResult<Vec<DutyPart>> {
    const SQL: &str = "SELECT dd.department AS department, count(*) AS doctors FROM doctor d \
         JOIN doctor_department dd ON dd.doctor_id = d.staff_id \
         WHERE d.presence = 'available' AND (d.live < d.capacity OR d.live_video < d.video_capacity) \
         AND (d.wrap_up_until IS NULL OR d.wrap_up_until <= $1) \
         AND EXISTS (SELECT 1 FROM shift s WHERE s.staff_id = d.staff_id AND s.starts_at <= $1 AND s.ends_at > $1) \
         GROUP BY dd.department";
    on_backend!(conn, c => diesel::sql_query(SQL).bind::<Timestamptz, _>(At(now)).load(c))
}

#[derive(QueryableByName)]
struct CountAndAge {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest: Option<Timestamp>,
}

/// A count, and the time of the oldest.
pub type CountAndOldest = (i64, Option<Timestamp>);

fn count_and_oldest(conn: &mut Conn, sql: &str) -> QueryResult<CountAndOldest> {
    let row: CountAndAge = on_backend!(conn, c => diesel::sql_query(sql).get_result(c))?;
    Ok((row.count, row.oldest))
}

/// Attempts in doubt.
pub fn attempts_doubted(conn: &mut Conn) -> QueryResult<CountAndOldest> {
    // The first list of states is that of the partial index, so that the index is used.
    count_and_oldest(
        conn,
        "SELECT count(*) AS count, min(doubted_at) AS oldest FROM attempt \
         WHERE state IN ('issued', 'started', 'in_doubt') AND state = 'in_doubt'",
    )
}

/// Letters that wait to be sent.
pub fn letters_waiting(conn: &mut Conn) -> QueryResult<CountAndOldest> {
    count_and_oldest(
        conn,
        "SELECT count(*) AS count, min(created_at) AS oldest FROM letter WHERE next_try_at IS NOT NULL",
    )
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Letters that were given up.
pub fn letters_dead(conn: &mut Conn) -> QueryResult<i64> {
    const SQL: &str = "SELECT count(*) AS count FROM letter WHERE state = 'dead'";
    on_backend!(conn, c => diesel::sql_query(SQL).get_result::<Count>(c)).map(|row| row.count)
}

/// Packs that are reserved or authorised.
pub fn units_live(conn: &mut Conn) -> QueryResult<i64> {
    const SQL: &str = "SELECT count(*) AS count FROM order_unit WHERE state IN ('reserved', 'authorised')";
    on_backend!(conn, c => diesel::sql_query(SQL).get_result::<Count>(c)).map(|row| row.count)
}

/// Active consultations.
pub fn consultations_active(conn: &mut Conn) -> QueryResult<i64> {
    const SQL: &str = "SELECT count(*) AS count FROM consultation \
         WHERE state IN ('waiting', 'offered', 'active') AND state = 'active'";
    on_backend!(conn, c => diesel::sql_query(SQL).get_result::<Count>(c)).map(|row| row.count)
}

/// Events are not counted beyond this.
const MAX_COUNT: i64 = 10_000;

/// Events after the last seal, and the time of the first of them.
pub fn events_unsealed(conn: &mut Conn) -> QueryResult<CountAndOldest> {
    const SQL: &str = "SELECT count(*) AS count, min(beyond.at) AS oldest FROM \
         (SELECT at FROM event WHERE position > $1 ORDER BY position LIMIT $2) AS beyond";
    let sealed: i64 = on_backend!(conn, c => audit_seal::table
        .order(audit_seal::position.desc())
        .select(audit_seal::position)
        .first(c))
    .optional()?
    .unwrap_or(0);
    let query = || diesel::sql_query(SQL).bind::<BigInt, _>(sealed).bind::<BigInt, _>(MAX_COUNT);
    let row: CountAndAge = on_backend!(conn, c => query().get_result(c))?;
    Ok((row.count, row.oldest))
}
