//! What operators watch: whether the database is the one that this program
//! knows, and how much there is of what moves. Every count stands on a partial
//! index or a small table, so that looking costs the same on a large network.

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

/// How the schema stands to this program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaState {
    /// Migrations that this program has and the database has not.
    pub pending: usize,
    /// Migrations of the database that this program does not know: it is older.
    pub unknown: usize,
}

/// Compares the migrations of the database with those of the program.
///
/// # Errors
/// What the database said; a migration that cannot be read.
pub fn schema_state(conn: &mut Conn) -> Result<SchemaState, StoreError> {
    let known = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)
        .map_err(|error| StoreError::Broken(format!("migrations: {error}")))?;
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

/// The database server's own time; `None` where there is no server.
pub fn database_now(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    dialect::server_now(conn)
}

/// When the newest event was logged.
pub fn event_newest_at(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    on_backend!(conn, c => event::table.order(event::position.desc()).select(event::at).first(c)).optional()
}

/// A part of the queue.
#[derive(Debug, QueryableByName)]
pub struct QueuePart {
    /// Which department.
    #[diesel(sql_type = Text)]
    pub department: String,
    /// Which level.
    #[diesel(sql_type = Text)]
    pub triage: String,
    /// How many wait or are offered.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// Since when the first of them waits.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub oldest: Option<Timestamp>,
}

/// The queue by department and level.
pub fn queue_parts(conn: &mut Conn) -> QueryResult<Vec<QueuePart>> {
    const SQL: &str = "SELECT department, triage, count(*) AS waiting, min(requested_at) AS oldest \
         FROM consultation WHERE state IN ('waiting', 'offered') GROUP BY department, triage";
    on_backend!(conn, c => diesel::sql_query(SQL).load(c))
}

/// A department with its free doctors.
#[derive(Debug, QueryableByName)]
pub struct DutyPart {
    /// Which department.
    #[diesel(sql_type = Text)]
    pub department: String,
    /// How many may be offered something.
    #[diesel(sql_type = BigInt)]
    pub doctors: i64,
}

/// Doctors with a free place who are on shift, by department.
pub fn duty_parts(conn: &mut Conn, now: Timestamp) -> QueryResult<Vec<DutyPart>> {
    const SQL: &str = "SELECT dd.department AS department, count(*) AS doctors FROM doctor d \
         JOIN doctor_department dd ON dd.doctor_id = d.staff_id \
         WHERE d.presence = 'available' AND d.live < d.capacity \
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

/// How many there are of something, and since when the oldest stands.
pub type Pile = (i64, Option<Timestamp>);

fn pile(conn: &mut Conn, sql: &str) -> QueryResult<Pile> {
    let row: CountAndAge = on_backend!(conn, c => diesel::sql_query(sql).get_result(c))?;
    Ok((row.count, row.oldest))
}

/// Attempts whose outcome nobody knows.
pub fn attempts_doubted(conn: &mut Conn) -> QueryResult<Pile> {
    // The list of states is that of the index, which it is to be found by.
    pile(
        conn,
        "SELECT count(*) AS count, min(doubted_at) AS oldest FROM attempt \
         WHERE state IN ('issued', 'started', 'in_doubt') AND state = 'in_doubt'",
    )
}

/// Letters that are still to be sent.
pub fn letters_waiting(conn: &mut Conn) -> QueryResult<Pile> {
    pile(
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

/// A pile is not counted beyond this.
const COUNTED: i64 = 10_000;

/// Events beyond the last seal, and since when the first of them stands.
pub fn events_unsealed(conn: &mut Conn) -> QueryResult<Pile> {
    const SQL: &str = "SELECT count(*) AS count, min(beyond.at) AS oldest FROM \
         (SELECT at FROM event WHERE position > $1 ORDER BY position LIMIT $2) AS beyond";
    let sealed: i64 = on_backend!(conn, c => audit_seal::table
        .order(audit_seal::position.desc())
        .select(audit_seal::position)
        .first(c))
    .optional()?
    .unwrap_or(0);
    let query = || diesel::sql_query(SQL).bind::<BigInt, _>(sealed).bind::<BigInt, _>(COUNTED);
    let row: CountAndAge = on_backend!(conn, c => query().get_result(c))?;
    Ok((row.count, row.oldest))
}
