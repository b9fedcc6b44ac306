//! Caches prepared statements that diesel would not cache: each connection then parses and plans
//! them once. To prepare the updates of a worker's whole visit, some seventy statements, again each
//! time took the writer longer than to run them.

use diesel::{
    internal::derives::multiconnection::AstPassHelper,
    pg::{Pg, PgQueryBuilder},
    prelude::*,
    query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId},
    sqlite::{Sqlite, query_builder::SqliteQueryBuilder},
};

use super::conn::Conn;

/// Caching of prepared statements.
pub(crate) trait PreparedDsl: Sized {
    /// Caches the prepared statement by its text. Only for queries with few different texts in all,
    /// since each stays in the cache: an update of fixed columns, a list of [`padded`] length.
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}
impl<Q: QueryId> PreparedDsl for Q {}

/// A statement whose prepared form is cached.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<Q>(Q);

impl<Q> Prepared<Q>
where
    Self: QueryFragment<Pg> + QueryFragment<Sqlite>,
{
    /// Runs it; returns the number of rows changed.
    pub fn execute(self, conn: &mut Conn) -> QueryResult<usize> {
        match conn {
            Conn::Pg(conn) => RunQueryDsl::execute(self, conn),
            Conn::Sqlite(conn) => RunQueryDsl::execute(self, conn),
        }
    }
}

/// diesel walks a statement for its text, for its values, and to decide whether it may be cached.
/// The walk without values returns only text: text may be cached.
macro_rules! cached {
    ($backend:ident, $builder:ident) => {
        impl<Q: QueryFragment<$backend>> QueryFragment<$backend> for Prepared<Q> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                if out.bind_collector().is_some() || out.debug_binds().is_some() {
                    return self.0.walk_ast(out);
                }
                let mut text = $builder::default();
                self.0.to_sql(&mut text, &$backend)?;
                out.push_sql(&text.finish());
                Ok(())
            }
        }
    };
}
cached!(Pg, PgQueryBuilder);
cached!(Sqlite, SqliteQueryBuilder);

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}
impl<Q, C> RunQueryDsl<C> for Prepared<Q> {}

/// The members of a list, the last one repeated up to a power of two, so that `IN` lists have few
/// different statement texts.
pub fn padded<T: Copy>(members: &[T]) -> Vec<T> {
    let mut all = members.to_vec();
    if let Some(&last) = members.last() {
        all.resize(members.len().next_power_of_two(), last);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_list_has_the_same_members_and_few_lengths() {
        assert!(padded::<u8>(&[]).is_empty());
        assert_eq!(padded(&[1]), [1]);
        assert_eq!(padded(&[1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded(&[1, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(padded(&[7; 33]).len(), 64);
    }
}
