//! The network's places and people, listed and found one by one.

use diesel::prelude::*;

use super::{conn::Conn, schema::hospital};

/// The least virtual time of all hospitals: where a new one starts.
pub fn hospital_virtual_time(conn: &mut Conn) -> QueryResult<i64> {
    let least =
        hospital::table.select(diesel::dsl::min(hospital::virtual_time)).first::<Option<i64>>(conn)?;
    Ok(least.unwrap_or(0))
}
