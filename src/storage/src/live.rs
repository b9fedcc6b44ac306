//! The condition that an authority has not ended, to be part of another statement: a read that finds
//! rows has then proven the authority, too.

use diesel::{
    backend::Backend,
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate},
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Bool, HasSqlType},
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

impl<DB> QueryFragment<DB> for Live
where
    DB: Backend + HasSqlType<Uuid> + HasSqlType<Timestamptz>,
    CheckInId: ToSql<Uuid, DB>,
    SessionId: ToSql<Uuid, DB>,
    DeviceId: ToSql<Uuid, DB>,
    i64: ToSql<BigInt, DB>,
    At: ToSql<Timestamptz, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        match &self.authority {
            None => {
                out.push_sql("1 = 1");
                return Ok(());
            }
            Some(Authority::CheckIn(id)) => {
                out.push_sql(
                    "EXISTS (SELECT 1 FROM check_in AS own WHERE own.ended_at IS NULL AND own.id = ",
                );
                out.push_bind_param::<Uuid, _>(id)?;
            }
            Some(Authority::Session { id, version, .. }) => {
                out.push_sql(
                    "EXISTS (SELECT 1 FROM session AS own JOIN staff AS person ON person.id = own.staff_id \
                     WHERE own.revoked_at IS NULL AND person.disabled_at IS NULL AND own.id = ",
                );
                out.push_bind_param::<Uuid, _>(id)?;
                out.push_sql(" AND own.version = ");
                out.push_bind_param::<BigInt, _>(version)?;
                if let Some(oldest) = &self.oldest {
                    out.push_sql(" AND own.created_at > ");
                    out.push_bind_param::<Timestamptz, _>(oldest)?;
                }
            }
            Some(Authority::Device { id, epoch }) => {
                out.push_sql(
                    "EXISTS (SELECT 1 FROM device AS own WHERE own.revoked_at IS NULL AND own.id = ",
                );
                out.push_bind_param::<Uuid, _>(id)?;
                out.push_sql(" AND own.epoch = ");
                out.push_bind_param::<BigInt, _>(epoch)?;
            }
        }
        out.push_sql(")");
        Ok(())
    }
}
