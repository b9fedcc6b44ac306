//! Two changes of different tables, which are one statement on PostgreSQL: one round trip.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::BigInt,
    sqlite::Sqlite,
};

use crate::{conn::Conn, prepared::PreparedDsl};

/// Changes rows of two tables, and returns how many of each. On PostgreSQL neither sees what the
/// other does, and their order is undefined: the caller has a lock that covers the rows of both.
pub(crate) fn change_both<A, B>(conn: &mut Conn, one: A, two: B) -> QueryResult<(usize, usize)>
where
    A: QueryFragment<Pg> + QueryFragment<Sqlite> + QueryId,
    B: QueryFragment<Pg> + QueryFragment<Sqlite> + QueryId,
{
    match conn {
        Conn::Sqlite(conn) => {
            Ok((RunQueryDsl::execute(one.prepared(), conn)?, RunQueryDsl::execute(two.prepared(), conn)?))
        }
        Conn::Pg(conn) => {
            let rows: (i64, i64) = RunQueryDsl::get_result(Both(one, two).prepared(), conn)?;
            let count = |rows: i64| usize::try_from(rows).unwrap_or(usize::MAX);
            Ok((count(rows.0), count(rows.1)))
        }
    }
}

/// The statement on PostgreSQL.
struct Both<A, B>(A, B);

impl<A: QueryFragment<Pg>, B: QueryFragment<Pg>> QueryFragment<Pg> for Both<A, B> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH one AS (");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING 1), two AS (");
        self.1.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING 1) SELECT (SELECT count(*) FROM one), (SELECT count(*) FROM two)");
        Ok(())
    }
}

impl<A, B> Query for Both<A, B> {
    type SqlType = (BigInt, BigInt);
}

impl<A, B> QueryId for Both<A, B> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
