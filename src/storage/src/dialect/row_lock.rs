//! Locks of rows for the rest of a transaction.

use diesel::{
    backend::Backend,
    expression::{AppearsOnTable, TypedExpressionType, ValidGrouping, is_aggregate},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::IntoNullable,
    sqlite::Sqlite,
};

/// Row locks of PostgreSQL, until the end of the transaction. They do nothing on SQLite, which has
/// one writer at a time.
pub(crate) trait RowLockDsl: Sized {
    /// FOR NO KEY UPDATE: other transactions that would change the rows wait, and then read them as
    /// changed. References by foreign key stay possible.
    fn lock_for_no_key_update(self) -> Locked<Self, ForNoKeyUpdate> {
        Locked(self, ForNoKeyUpdate)
    }
    /// FOR NO KEY UPDATE of the consultation's row alone, in a statement that joins other tables.
    fn lock_consultation(self) -> Locked<Self, ForNoKeyUpdateOfConsultation> {
        Locked(self, ForNoKeyUpdateOfConsultation)
    }
    /// As [`lock_consultation`](Self::lock_consultation), of the prescription's row.
    fn lock_prescription(self) -> Locked<Self, ForNoKeyUpdateOfPrescription> {
        Locked(self, ForNoKeyUpdateOfPrescription)
    }
    /// FOR NO KEY UPDATE of the consent's row and then of the consultation's, in this order, in a
    /// statement that joins other tables.
    fn lock_consent_and_consultation(self) -> Locked<Self, ForNoKeyUpdateOfConsentAndConsultation> {
        Locked(self, ForNoKeyUpdateOfConsentAndConsultation)
    }
    /// FOR NO KEY UPDATE of the consent's row and then of the prescription's, in this order, in a
    /// statement that joins other tables.
    fn lock_consent_and_prescription(self) -> Locked<Self, ForNoKeyUpdateOfConsentAndPrescription> {
        Locked(self, ForNoKeyUpdateOfConsentAndPrescription)
    }
    /// As [`lock_consultation`](Self::lock_consultation), of the cabinet's row.
    fn lock_cabinet(self) -> Locked<Self, ForNoKeyUpdateOfCabinet> {
        Locked(self, ForNoKeyUpdateOfCabinet)
    }
    /// FOR KEY SHARE: other transactions may change the rows, but not delete them or change their
    /// keys.
    fn lock_for_key_share(self) -> Locked<Self, ForKeyShare> {
        Locked(self, ForKeyShare)
    }
    /// FOR UPDATE: other transactions cannot even insert references to the rows.
    fn lock_for_update(self) -> Locked<Self, ForUpdate> {
        Locked(self, ForUpdate)
    }
    /// FOR NO KEY UPDATE SKIP LOCKED: as [`lock_for_no_key_update`](Self::lock_for_no_key_update), but rows that
    /// another transaction has locked are left out.
    fn lock_for_no_key_update_skip_locked(self) -> Locked<Self, ForNoKeyUpdateSkipLocked> {
        Locked(self, ForNoKeyUpdateSkipLocked)
    }
}
impl<Q: QueryId> RowLockDsl for Q {}

/// A query whose rows are locked for this transaction.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Locked<Q, L>(Q, L);

impl<DB: Backend, Q: QueryFragment<DB>, L: QueryFragment<DB>> QueryFragment<DB> for Locked<Q, L> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        self.1.walk_ast(out)
    }
}
impl<Q: Query, L> Query for Locked<Q, L> {
    type SqlType = Q::SqlType;
}
impl<Q, L, C> RunQueryDsl<C> for Locked<Q, L> {}

impl<Q: QueryId, L: QueryId> Locked<Q, L> {
    /// The one column of the one row that is found and locked, as a value in another statement; NULL
    /// without a row. The row is locked before the other statement looks for its own rows.
    pub(crate) fn value(self) -> LockedValue<Self> {
        LockedValue(self)
    }
}

/// `(SELECT .. FOR ..)`
#[derive(Debug, Clone, Copy, QueryId)]
pub struct LockedValue<Q>(Q);

impl<Q> Expression for LockedValue<Q>
where
    Q: Query,
    Q::SqlType: IntoNullable,
    <Q::SqlType as IntoNullable>::Nullable: TypedExpressionType,
{
    type SqlType = <Q::SqlType as IntoNullable>::Nullable;
}
impl<Q, S> AppearsOnTable<S> for LockedValue<Q> where Self: Expression {}
impl<Q, G> ValidGrouping<G> for LockedValue<Q> {
    type IsAggregate = is_aggregate::Never;
}
impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for LockedValue<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("(");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}

/// The locking clauses on PostgreSQL; empty on SQLite.
macro_rules! locking {
    ($($(#[$doc:meta])* $name:ident = $sql:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, QueryId)]
        pub struct $name;

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }
        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                Ok(())
            }
        }
    )+};
}
locking! {
    ForNoKeyUpdate = " FOR NO KEY UPDATE",
    ForNoKeyUpdateOfConsultation = " FOR NO KEY UPDATE OF consultation",
    ForNoKeyUpdateOfPrescription = " FOR NO KEY UPDATE OF prescription",
    ForNoKeyUpdateOfCabinet = " FOR NO KEY UPDATE OF cabinet",
    ForNoKeyUpdateOfConsentAndConsultation = " FOR NO KEY UPDATE OF consent, consultation",
    ForNoKeyUpdateOfConsentAndPrescription = " FOR NO KEY UPDATE OF consent, prescription",
    ForKeyShare = " FOR KEY SHARE",
    ForUpdate = " FOR UPDATE",
    ForNoKeyUpdateSkipLocked = " FOR NO KEY UPDATE SKIP LOCKED",
}
