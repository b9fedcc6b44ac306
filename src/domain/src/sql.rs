//! How domain types are stored. `storage/schema.rs` imports this module, so the names
//! that `diesel print-schema` writes (Uuid, Timestamptz) mean the portable types below.
//!
//! The mapping is an optional feature of this crate because Rust's coherence rule allows it nowhere
//! else: in any other crate both the traits and the types would be foreign (diesel#1852).

pub use diesel::sql_types::*;

use chrono::DateTime;
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    query_builder::QueryId,
    serialize::{self, IsNull, Output, ToSql},
    sqlite::{Sqlite, SqliteValue},
};

use crate::{ids::Id, money::Fen, time::Timestamp as Instant};

// ---- ids: native uuid on PostgreSQL, a 16-byte BLOB on SQLite ---------------

/// A UUID column.
#[derive(Debug, Clone, Copy, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951), sqlite_type(name = "Binary"))]
pub struct Uuid;

const _: () = {
    #[derive(AsExpression, FromSqlRow)]
    #[diesel(foreign_derive, sql_type = Uuid)]
    #[expect(dead_code, reason = "only names the foreign type for the derive")]
    struct Mapping<K: 'static>(Id<K>);
};
impl<K> ToSql<Uuid, Pg> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<diesel::sql_types::Uuid, Pg>::to_sql(&self.uuid(), &mut out.reborrow())
    }
}
impl<K> FromSql<Uuid, Pg> for Id<K> {
    fn from_sql(raw: PgValue<'_>) -> deserialize::Result<Self> {
        <uuid::Uuid as FromSql<diesel::sql_types::Uuid, Pg>>::from_sql(raw).map(Self::from_uuid)
    }
}
impl<K> ToSql<Uuid, Sqlite> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.uuid().as_bytes().to_vec());
        Ok(IsNull::No)
    }
}
impl<K> FromSql<Uuid, Sqlite> for Id<K> {
    fn from_sql(mut raw: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self::from_uuid(uuid::Uuid::from_slice(raw.read_blob())?))
    }
}

// ---- instants: timestamptz on PostgreSQL, microseconds on SQLite ------------

/// A column of UTC instants in whole microseconds.
#[derive(Debug, Clone, Copy, Default, QueryId, SqlType)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185), sqlite_type(name = "Long"))]
pub struct Timestamptz;
impl SqlOrd for Timestamptz {}
// `table!` writes `+` and `-` for every column whose type is named Timestamptz.
impl ops::Add for Timestamptz {
    type Rhs = Interval;
    type Output = Timestamptz;
}
impl ops::Sub for Timestamptz {
    type Rhs = Interval;
    type Output = Timestamptz;
}

/// An instant as a bind value. Reading needs no wrapper; writing does, because diesel implements
/// expressions for foreign types only itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Timestamptz)]
pub struct At(pub Instant);

impl ToSql<Timestamptz, Pg> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<diesel::sql_types::Timestamptz, Pg>::to_sql(&self.0, &mut out.reborrow())
    }
}
impl ToSql<Timestamptz, Sqlite> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.timestamp_micros());
        Ok(IsNull::No)
    }
}
impl FromSql<Timestamptz, Pg> for At {
    fn from_sql(raw: PgValue<'_>) -> deserialize::Result<Self> {
        <Instant as FromSql<Timestamptz, Pg>>::from_sql(raw).map(At)
    }
}
impl FromSql<Timestamptz, Sqlite> for At {
    fn from_sql(raw: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        <Instant as FromSql<Timestamptz, Sqlite>>::from_sql(raw).map(At)
    }
}
impl FromSql<Timestamptz, Pg> for Instant {
    fn from_sql(raw: PgValue<'_>) -> deserialize::Result<Self> {
        FromSql::<diesel::sql_types::Timestamptz, Pg>::from_sql(raw)
    }
}
impl FromSql<Timestamptz, Sqlite> for Instant {
    fn from_sql(mut raw: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        DateTime::from_timestamp_micros(raw.read_long()).ok_or_else(|| "timestamp out of range".into())
    }
}

// ---- money: whole fen -------------------------------------------------------

const _: () = {
    #[derive(AsExpression, FromSqlRow)]
    #[diesel(foreign_derive, sql_type = BigInt)]
    #[expect(dead_code, reason = "only names the foreign type for the derive")]
    struct Mapping(Fen);
};
impl<DB: Backend> ToSql<BigInt, DB> for Fen
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}
impl<DB: Backend> FromSql<BigInt, DB> for Fen
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(raw).map(Fen)
    }
}

// ---- closed sets of codes: short texts --------------------------------------

/// Stores each enum of `text_enum!`, and codes that are no closed set, as the code.
macro_rules! stored_as_text {
    ($($name:ty),+ $(,)?) => {$(
        const _: () = {
            #[derive(AsExpression, FromSqlRow)]
            #[diesel(foreign_derive, sql_type = Text)]
            #[expect(dead_code, reason = "only names the foreign type for the derive")]
            struct Mapping($name);
        };
        impl<DB: Backend> ToSql<Text, DB> for $name
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.as_str().to_sql(out)
            }
        }
        impl<DB: Backend> FromSql<Text, DB> for $name
        where
            String: FromSql<Text, DB>,
        {
            fn from_sql(raw: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let text = String::from_sql(raw)?;
                <$name>::parse(&text)
                    .ok_or_else(|| format!("unknown {}: {text}", stringify!($name)).into())
            }
        }
    )+};
}
stored_as_text!(
    crate::keys::KeyEnd,
    crate::keys::SigningAlgorithm,
    crate::ledger::AccountKind,
    crate::ledger::TransferReason,
    crate::order::OrderState,
    crate::order::UnitState,
    crate::stock::SlotClosedReason,
    crate::vend::AttemptState,
    crate::vend::Outcome,
    crate::vend::event::IncidentKind,
    crate::check_in::EndReason,
    crate::consultation::CancelReason,
    crate::vend::reconcile::DiscrepancyKind,
    crate::consultation::ConsultationState,
    crate::consultation::OfferState,
    crate::formulary::SaleClass,
    crate::letter::LetterState,
    crate::letter::Trouble,
    crate::matching::Department,
    crate::matching::QueueTrouble,
    crate::edition::EditionState,
    crate::network::Job,
    crate::network::Sex,
    crate::network::IdentityKind,
    crate::network::CodePurpose,
    crate::network::ChangeKind,
    crate::network::ChangeState,
    crate::network::roster::LeaveReason,
    crate::prescription::CabinetLane,
    crate::prescription::EncounterLane,
    crate::prescription::PrescriptionState,
    crate::review::ReviewOutcome,
    crate::review::ReviewTrouble,
    crate::consultation::Medium,
    crate::matching::presence::AwayReason,
    crate::matching::presence::Presence,
    crate::staff::role::Role,
    crate::triage::TriageLevel,
    crate::vitals::Beyond,
    crate::vitals::ReadingKind,
    crate::words::Language,
);
