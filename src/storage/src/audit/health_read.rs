//! Who was shown which part of whose health record recently. The reads themselves are in the event
//! log; this table only stores when one was last logged.

use diesel::{prelude::*, upsert::excluded};

use crate::{conn::Conn, dialect::on_backend, events::AnyId, schema::health_read, sql_types::At};
use domain::time::Timestamp;

/// Records that this reader is shown this part now; `false` when any instance recorded that since
/// `since`.
pub fn read_note(
    conn: &mut Conn,
    reader: AnyId,
    subject: AnyId,
    part: &str,
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

/// Deletes entries before `before`.
pub fn reads_forget(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    on_backend!(conn, c => diesel::delete(health_read::table.filter(health_read::at.le(At(before)))).execute(c))
}
