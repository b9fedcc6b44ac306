//! The condition that an authority has not ended, to be part of another statement: a read that finds
//! rows has then proven the authority, too.

use diesel::{
    backend::Backend,
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Bool, HasSqlType},
    sqlite::Sqlite,
};

use super::{
    authority::Authority,
    sql_types::{At, Timestamptz, Uuid},
};
use domain::ids::{CheckInId, DeviceId, SessionId};

/// Whether the authority holds; always, without one. Who finds no row must ask whether it has ended.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    authority: Option<Authority>,
    oldest: Option<At>,
}

impl Live {
    pub fn of(authority: Option<Authority>) -> Self {
        let oldest = match authority {
            Some(Authority::Session { oldest, .. }) => Some(At(oldest)),
            _ => None,
        };
        Self { authority, oldest }
    }

    /// For a caller whose authority is checked otherwise.
    pub fn always() -> Self {
        Self::of(None)
    }
}

impl Expression for Live {
    type SqlType = Bool;
}
impl<T> AppearsOnTable<T> for Live {}
impl<T> SelectableExpression<T> for Live {}
impl<T> ValidGrouping<T> for Live {
    type IsAggregate = is_aggregate::Never;
}
/// diesel finds the prepared statement by its text.
impl QueryId for Live {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// A database that can be told the ids and times of an authority.
pub(crate) trait KnowsAuthority: Backend + HasSqlType<Uuid> + HasSqlType<Timestamptz> {}
impl KnowsAuthority for Pg {}
impl KnowsAuthority for Sqlite {}

impl Live {
    /// `FROM .. WHERE ..`: the authority's row, while it holds. Nothing without an authority.
    pub(crate) fn rows<'b, DB>(&'b self, out: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: KnowsAuthority,
        CheckInId: ToSql<Uuid, DB>,
        SessionId: ToSql<Uuid, DB>,
        DeviceId: ToSql<Uuid, DB>,
        i64: ToSql<BigInt, DB>,
        At: ToSql<Timestamptz, DB>,
    {
        match &self.authority {
            None => {}
            Some(Authority::CheckIn(id)) => {
                out.push_sql(" FROM check_in WHERE ended_at IS NULL AND id = ");
                out.push_bind_param::<Uuid, _>(id)?;
            }
            Some(Authority::Session { id, version, .. }) => {
                out.push_sql(
                    " FROM session WHERE revoked_at IS NULL AND EXISTS (SELECT 1 FROM staff \
                     WHERE staff.id = session.staff_id AND disabled_at IS NULL) AND id = ",
                );
                out.push_bind_param::<Uuid, _>(id)?;
                out.push_sql(" AND version = ");
                out.push_bind_param::<BigInt, _>(version)?;
                if let Some(oldest) = &self.oldest {
                    out.push_sql(" AND created_at > ");
                    out.push_bind_param::<Timestamptz, _>(oldest)?;
                }
            }
            Some(Authority::Device { id, epoch }) => {
                out.push_sql(" FROM device WHERE revoked_at IS NULL AND id = ");
                out.push_bind_param::<Uuid, _>(id)?;
                out.push_sql(" AND epoch = ");
                out.push_bind_param::<BigInt, _>(epoch)?;
            }
        }
        Ok(())
    }
}

impl<DB> QueryFragment<DB> for Live
where
    DB: KnowsAuthority,
    CheckInId: ToSql<Uuid, DB>,
    SessionId: ToSql<Uuid, DB>,
    DeviceId: ToSql<Uuid, DB>,
    i64: ToSql<BigInt, DB>,
    At: ToSql<Timestamptz, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.authority.is_none() {
            out.push_sql("1 = 1");
            return Ok(());
        }
        out.push_sql("EXISTS (SELECT 1");
        self.rows(&mut out)?;
        out.push_sql(")");
        Ok(())
    }
}
