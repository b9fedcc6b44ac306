//! Editions of the formulary's selections. Every instance caches those that apply.

use diesel::{dsl::exists, prelude::*};

use crate::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    edition::edition_statements,
    prepared::{PreparedDsl, padded},
    schema::{cabinet, formulary_edition, station},
    sql_types::At,
};
use domain::{
    edition::EditionState,
    ids::{FormularyEditionId, StaffId, StationId},
    prescription::CabinetLane,
    time::Timestamp,
};

/// An edition without its products.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = formulary_edition)]
pub struct FormularyEditionRow {
    pub id: FormularyEditionId,
    pub version: String,
    /// `None` for the network's.
    pub station_id: Option<StationId>,
    pub note: String,
    pub state: EditionState,
    pub proposed_by: StaffId,
    pub proposed_at: Timestamp,
    pub approved_by: Option<StaffId>,
    pub approved_at: Option<Timestamp>,
    pub effective_at: Option<Timestamp>,
    pub withdrawn_by: Option<StaffId>,
    pub withdrawn_at: Option<Timestamp>,
    pub reason: Option<String>,
}

/// An edition to be proposed.
#[derive(Debug, Clone, Copy)]
pub struct NewFormularyEdition<'a> {
    pub id: FormularyEditionId,
    pub version: &'a str,
    pub station: Option<StationId>,
    /// A JSON array of product codes.
    pub products: &'a str,
    pub note: &'a str,
    pub by: StaffId,
}

/// Adds a proposed edition; `false` when its version is taken.
pub fn edition_add(conn: &mut Conn, new: &NewFormularyEdition<'_>, now: Timestamp) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(formulary_edition::table)
        .values((
            formulary_edition::id.eq(new.id),
            formulary_edition::version.eq(new.version),
            formulary_edition::station_id.eq(new.station),
            formulary_edition::products.eq(new.products),
            formulary_edition::note.eq(new.note),
            formulary_edition::state.eq(EditionState::Proposed),
            formulary_edition::proposed_by.eq(new.by),
            formulary_edition::proposed_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

edition_statements!(formulary_edition, FormularyEditionRow, FormularyEditionId, content products);

macro_rules! approved {
    () => {
        formulary_edition::table.filter(formulary_edition::state.eq_code(EditionState::Approved))
    };
}

/// Whether another edition of the same scope has replaced one by `$now`.
macro_rules! replaced {
    ($later:ident, $same:expr, $now:expr) => {{
        let at = $later.field(formulary_edition::effective_at);
        let approved_at = $later.field(formulary_edition::approved_at);
        exists(
            $later
                .filter($later.field(formulary_edition::state).eq_code(EditionState::Approved))
                .filter($same)
                .filter(at.le(Some(At($now))))
                .filter(
                    at.gt(formulary_edition::effective_at).or(at
                        .eq(formulary_edition::effective_at)
                        .and(approved_at.gt(formulary_edition::approved_at))),
                ),
        )
    }};
}

/// Those of these editions that apply at `now`.
pub fn editions_in_force(
    conn: &mut Conn,
    ids: &[FormularyEditionId],
    now: Timestamp,
) -> QueryResult<Vec<FormularyEditionId>> {
    let later = diesel::alias!(formulary_edition as later);
    let of_station = later.field(formulary_edition::station_id);
    let same = of_station
        .eq(formulary_edition::station_id)
        .or(of_station.is_null().and(formulary_edition::station_id.is_null()));
    let same = same.assume_not_null();
    on_backend!(conn, c => approved!()
        .filter(formulary_edition::id.eq_any(padded(ids)))
        .filter(formulary_edition::effective_at.le(Some(At(now))))
        .filter(diesel::dsl::not(replaced!(later, same, now)))
        .select(formulary_edition::id)
        .prepared()
        .load(c))
}

/// What an edition says from when on: its station, time, version and products.
pub type EffectiveRow = (Option<StationId>, Option<Timestamp>, String, String);

const EFFECTIVE: (
    formulary_edition::station_id,
    formulary_edition::effective_at,
    formulary_edition::version,
    formulary_edition::products,
) = (
    formulary_edition::station_id,
    formulary_edition::effective_at,
    formulary_edition::version,
    formulary_edition::products,
);

/// The approved editions that apply at `now` or later, the network's and those of all stations, in the order
/// in which they take effect. Of two of one scope with the same time the one that was approved later counts.
pub fn editions_effective(conn: &mut Conn, now: Timestamp) -> QueryResult<Vec<EffectiveRow>> {
    let newest: Vec<EffectiveRow> = on_backend!(conn, c => approved!()
        .filter(formulary_edition::station_id.is_null())
        .filter(formulary_edition::effective_at.le(Some(At(now))))
        .order((formulary_edition::effective_at.desc(), formulary_edition::approved_at.desc()))
        .limit(1)
        .select(EFFECTIVE)
        .load(c))?;
    let later = diesel::alias!(formulary_edition as later);
    let of_station = later.field(formulary_edition::station_id).eq(formulary_edition::station_id);
    let replaced = replaced!(later, of_station, now);
    let of_stations: Vec<EffectiveRow> = on_backend!(conn, c => approved!()
        .filter(formulary_edition::station_id.is_not_null())
        .filter(formulary_edition::effective_at.le(Some(At(now))))
        .filter(diesel::dsl::not(replaced))
        .select(EFFECTIVE)
        .load(c))?;
    let to_come: Vec<EffectiveRow> = on_backend!(conn, c => approved!()
        .filter(formulary_edition::effective_at.gt(Some(At(now))))
        .order((formulary_edition::effective_at, formulary_edition::approved_at))
        .select(EFFECTIVE)
        .load(c))?;
    Ok(newest.into_iter().chain(of_stations).chain(to_come).collect())
}

/// A station that is not retired, and the lane of its cabinet, if it has one.
pub fn station_lane(conn: &mut Conn, id: StationId) -> QueryResult<Option<Option<CabinetLane>>> {
    on_backend!(conn, c => station::table
        .left_join(cabinet::table.on(cabinet::station_id.eq(station::id)))
        .filter(station::id.eq(id))
        .filter(station::retired_at.is_null())
        .select(cabinet::lane.nullable())
        .first(c))
    .optional()
}
