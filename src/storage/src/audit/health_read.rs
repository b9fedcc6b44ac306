//! Who was shown which part of whose health record recently. The reads themselves are in the event
//! log; this table only stores when one was last logged.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, Text},
    upsert::excluded,
};

use crate::{
    conn::Conn,
    dialect::{EventsInsert, on_backend},
    events::{AnyId, NewEvent, events_append},
    schema::health_read,
    sql_types::{At, Timestamptz, Uuid},
};
use domain::time::Timestamp;

/// Records that this reader is shown this part now; `false` when any instance recorded that since
/// `since`.
pub fn read_note(
    conn: &mut Conn,
    (reader, subject, part): (AnyId, AnyId, &str),
    since: Timestamp,
    now: Timestamp,
) -> QueryResult<bool> {
    use diesel::query_dsl::methods::FilterDsl;
    on_backend!(conn, c => FilterDsl::filter(
        diesel::insert_into(health_read::table)
            .values((
                health_read::reader_id.eq(reader),
                health_read::subject_id.eq(subject),
                health_read::part.eq(part),
                health_read::at.eq(At(now)),
            ))
            .on_conflict((health_read::reader_id, health_read::subject_id, health_read::part))
            .do_update()
            .set(health_read::at.eq(excluded(health_read::at))),
        health_read::at.le(At(since)),
    )
    .execute(c))
    .map(|rows| rows == 1)
}

/// Notes these reads, of which no two are of the same part of the same subject by the same reader,
/// and appends the event at the same place in `events` for each that was not noted since `since`.
/// Returns those. One statement on PostgreSQL.
pub fn reads_record(
    conn: &mut Conn,
    reads: &[(AnyId, AnyId, &'static str)],
    events: &[NewEvent],
    since: Timestamp,
    now: Timestamp,
) -> QueryResult<Vec<(AnyId, AnyId, String)>> {
    match conn {
        Conn::Pg(conn) => Record {
            readers: reads.iter().map(|(reader, ..)| *reader).collect(),
            subjects: reads.iter().map(|(_, subject, _)| *subject).collect(),
            parts: reads.iter().map(|(.., part)| *part).collect(),
            events: EventsInsert::of(events),
            since: At(since),
            now: At(now),
        }
        .load(conn),
        conn @ Conn::Sqlite(_) => {
            let mut recorded = Vec::new();
            for ((reader, subject, part), event) in reads.iter().zip(events) {
                if read_note(conn, (*reader, *subject, part), since, now)? {
                    events_append(conn, std::slice::from_ref(event))?;
                    recorded.push((*reader, *subject, (*part).to_owned()));
                }
            }
            Ok(recorded)
        }
    }
}

/// The statement on PostgreSQL.
struct Record<'a> {
    readers: Vec<AnyId>,
    subjects: Vec<AnyId>,
    parts: Vec<&'a str>,
    events: EventsInsert<'a>,
    since: At,
    now: At,
}

impl Record<'_> {
    /// The reads as rows of `read`, numbered from 1.
    fn reads<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.readers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Uuid>, _>(&self.subjects)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.parts)?;
        out.push_sql(") WITH ORDINALITY AS read (reader_id, subject_id, part, n)");
        Ok(())
    }
}

impl QueryFragment<Pg> for Record<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH noted AS (INSERT INTO health_read (reader_id, subject_id, part, at) \
             SELECT reader_id, subject_id, part, ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" FROM ");
        self.reads(&mut out)?;
        // In one order for all, so that two statements cannot wait for each other.
        out.push_sql(
            " ORDER BY reader_id, subject_id, part ON CONFLICT (reader_id, subject_id, part) \
             DO UPDATE SET at = excluded.at WHERE health_read.at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.since)?;
        out.push_sql(" RETURNING reader_id, subject_id, part), logged AS (");
        self.events.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE new.n IN (SELECT read.n FROM noted JOIN ");
        self.reads(&mut out)?;
        out.push_sql(" USING (reader_id, subject_id, part))) SELECT reader_id, subject_id, part FROM noted");
        Ok(())
    }
}

/// diesel finds the prepared statement by its text.
impl QueryId for Record<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl Query for Record<'_> {
    type SqlType = (Uuid, Uuid, Text);
}
impl RunQueryDsl<PgConnection> for Record<'_> {}

/// Deletes entries before `before`.
pub fn reads_forget(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    on_backend!(conn, c => diesel::delete(health_read::table.filter(health_read::at.le(At(before)))).execute(c))
}
