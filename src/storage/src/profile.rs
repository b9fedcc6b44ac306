//! Health profiles: one sealed document per worker, with a version.

use diesel::prelude::*;

use super::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::health_profile, sql_types::At};
use domain::{ids::WorkerId, time::Timestamp};

/// A profile as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = health_profile)]
pub struct ProfileRow {
    /// Incremented with every write.
    pub version: i64,
    pub body_sealed: Vec<u8>,
}

/// A worker's profile; `None` when none was ever written.
pub fn profile_fetch(conn: &mut Conn, worker: WorkerId) -> QueryResult<Option<ProfileRow>> {
    on_backend!(conn, c => health_profile::table.find(worker).select(ProfileRow::as_select()).first(c))
        .optional()
}

/// Writes the version after `version` (0: the first); `false` when the stored version is another.
pub fn profile_put(
    conn: &mut Conn,
    worker: WorkerId,
    version: i64,
    body_sealed: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    let rows = if version == 0 {
        on_backend!(conn, c => diesel::insert_into(health_profile::table)
            .values((
                health_profile::worker_id.eq(worker),
                health_profile::version.eq(1_i64),
                health_profile::body_sealed.eq(body_sealed),
                health_profile::updated_at.eq(At(now)),
            ))
            .on_conflict_do_nothing()
            .execute(c))?
    } else {
        diesel::update(health_profile::table.find(worker))
            .filter(health_profile::version.eq(version))
            .set((
                health_profile::version.eq(version + 1),
                health_profile::body_sealed.eq(body_sealed),
                health_profile::updated_at.eq(At(now)),
            ))
            .prepared()
            .execute(conn)?
    };
    Ok(rows == 1)
}
