//! Statements that are kept prepared although diesel would not: each connection
//! then parses and plans them once. To prepare the updates of a journey anew,
//! some seventy of them, took the writer longer than to run them.

use diesel::{
    internal::derives::multiconnection::AstPassHelper,
    pg::{Pg, PgQueryBuilder},
    prelude::*,
    query_builder::{AstPass, Query, QueryBuilder, QueryFragment, QueryId},
    sqlite::{Sqlite, query_builder::SqliteQueryBuilder},
};

use super::conn::Conn;

/// Keeping statements.
pub trait PreparedDsl: Sized {
    /// Keeps the statement, by its text. Only for what has few texts in all,
    /// for each of them stays: an update of given columns, a list of
    /// [`padded`] length.
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}
impl<Q: QueryId> PreparedDsl for Q {}

/// A statement that is kept.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<Q>(Q);

impl<Q> Prepared<Q>
where
    Self: QueryFragment<Pg> + QueryFragment<Sqlite>,
{
    /// Runs it, and tells how many rows it changed.
    pub fn execute(self, conn: &mut Conn) -> QueryResult<usize> {
        match conn {
            Conn::Pg(conn) => RunQueryDsl::execute(self, conn),
            Conn::Sqlite(conn) => RunQueryDsl::execute(self, conn),
        }
    }
}

/// A statement is walked for its text, for its values, and to ask whether it may
/// be kept. Only text is given where values are not asked for: text may be kept.
macro_rules! keep {
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
keep!(Pg, PgQueryBuilder);
keep!(Sqlite, SqliteQueryBuilder);

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}
impl<Q, C> RunQueryDsl<C> for Prepared<Q> {}

/// The members of a list, the last one repeated up to a power of two: a
/// statement that asks whether something is among them then has few texts.
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
