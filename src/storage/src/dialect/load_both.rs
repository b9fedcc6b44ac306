//! Two reads, which are one statement on PostgreSQL: one round trip, and one state of the database.

use diesel::{
    deserialize::{self, FromSqlRow, StaticallySizedRow},
    expression::QueryMetadata,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    row::{Field, Row},
    sql_types::Integer,
};

use crate::prepared::PreparedDsl;

/// The rows of two reads, each in the order that it asks for. Neither locks a row: the other would
/// be of the moment before a wait.
macro_rules! load_both {
    ($conn:expr, $one:expr, $two:expr) => {
        match $conn {
            $crate::conn::Conn::Pg(conn) => $crate::dialect::load_both::as_one(conn, $one, $two)?,
            $crate::conn::Conn::Sqlite(conn) => ($one.prepared().load(conn)?, $two.prepared().load(conn)?),
        }
    };
}

/// The columns of `T`, as `as_select` names them, but of a type that says how many they are.
pub(crate) fn columns<T: Selectable<Pg>>() -> T::SelectExpression {
    T::construct_selection()
}

/// The statement of `load_both!`.
pub(crate) fn as_one<A, B, R, S>(conn: &mut PgConnection, one: A, two: B) -> QueryResult<(Vec<R>, Vec<S>)>
where
    A: Query + QueryFragment<Pg> + QueryId,
    B: Query + QueryFragment<Pg> + QueryId,
    A::SqlType: 'static,
    B::SqlType: 'static,
    R: StaticallySizedRow<A::SqlType, Pg> + 'static,
    S: StaticallySizedRow<B::SqlType, Pg> + 'static,
    Pg: QueryMetadata<A::SqlType> + QueryMetadata<B::SqlType>,
{
    let both = Both { one, two, columns: (R::FIELD_COUNT, S::FIELD_COUNT) };
    let rows: Vec<Either<R, S>> = both.prepared().load(conn)?;
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Either::One(row) => ones.push(row),
            Either::Two(row) => twos.push(row),
        }
    }
    Ok((ones, twos))
}

/// Which of the two reads a row comes from, its columns, and a NULL for each column of the other.
struct Both<A, B> {
    one: A,
    two: B,
    columns: (usize, usize),
}

enum Either<R, S> {
    One(R),
    Two(S),
}

impl<A: QueryFragment<Pg>, B: QueryFragment<Pg>> QueryFragment<Pg> for Both<A, B> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let nulls = |out: &mut AstPass<'_, 'b, Pg>, columns| {
            (0..columns).for_each(|_| out.push_sql(", NULL"));
        };
        // Rows come in the order of the two reads: PostgreSQL runs one after the other.
        out.push_sql("SELECT 1, one.*");
        nulls(&mut out, self.columns.1);
        out.push_sql(" FROM (");
        self.one.walk_ast(out.reborrow())?;
        out.push_sql(") one UNION ALL SELECT 2");
        nulls(&mut out, self.columns.0);
        out.push_sql(", two.* FROM (");
        self.two.walk_ast(out.reborrow())?;
        out.push_sql(") two");
        Ok(())
    }
}

impl<A: Query, B: Query> Query for Both<A, B> {
    type SqlType = (Integer, A::SqlType, B::SqlType);
}
impl<A, B> QueryId for Both<A, B> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<R, S, A, B> FromSqlRow<(Integer, A, B), Pg> for Either<R, S>
where
    R: StaticallySizedRow<A, Pg>,
    S: StaticallySizedRow<B, Pg>,
{
    fn build_from_row<'a>(row: &impl Row<'a, Pg>) -> deserialize::Result<Self> {
        let from = row.get(0).ok_or("a row without columns")?;
        let between = 1 + R::FIELD_COUNT;
        match <i32 as deserialize::FromSql<Integer, Pg>>::from_nullable_sql(from.value())? {
            1 => R::build_from_row(&row.partial_row(1..between)).map(Self::One),
            _ => S::build_from_row(&row.partial_row(between..between + S::FIELD_COUNT)).map(Self::Two),
        }
    }
}
pub(crate) use load_both;
