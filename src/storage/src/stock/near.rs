//! Cabinets around a place that can vend now, and what open drafts hold of their packs. One statement reads
//! a bounded number of stations, however many the network has.

use diesel::{
    dsl::{exists, not, sql},
    prelude::*,
    sql_types::Double,
};

use super::{FIGURES, FigureColumns, Figures, LotRow, SlotRow, StockedSlot, stocked_slots};
use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{
        cabinet, cabinet_discrepancy, consultation, device, lot, prescription, prescription_line, slot,
        slot_stock, station,
    },
    sql_types::At,
    vend::journal::CabinetRow,
};
use domain::{
    consultation::ConsultationState,
    ids::{CabinetId, ConsultationId, StationId},
    network::distance::Place,
    prescription::PrescriptionState,
    stock::DraftedPacks,
    time::Timestamp,
    vend::reconcile::DiscrepancyKind,
};

/// A station with the columns that tell people where it is.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = station)]
pub struct StationRow {
    pub id: StationId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub district: String,
    pub latitude_e6: i32,
    pub longitude_e6: i32,
}

impl StationRow {
    pub const fn place(&self) -> Place {
        Place { latitude_e6: self.latitude_e6, longitude_e6: self.longitude_e6 }
    }
}

/// A station, and its cabinet.
pub type WithCabinet = (StationRow, Option<CabinetRow>);

pub fn station_with_cabinet(conn: &mut Conn, id: StationId) -> QueryResult<Option<WithCabinet>> {
    on_backend!(conn, c => station::table
        .left_join(cabinet::table.on(cabinet::station_id.eq(station::id)))
        .filter(station::id.eq(id))
        .select((StationRow::as_select(), Option::<CabinetRow>::as_select()))
        .first(c))
    .optional()
}

/// Whether attempts may be issued at a cabinet: its device is enrolled, its doors are closed, and nothing is
/// left to reconcile that a person must look at. What `vend::reconcile` of the service asks when one is paid.
macro_rules! in_order {
    () => {
        cabinet::tampered
            .eq(false)
            .and(cabinet::door_open.eq(false))
            .and(exists(
                device::table
                    .filter(device::cabinet_id.eq(cabinet::id.nullable()))
                    .filter(device::revoked_at.is_null()),
            ))
            .and(not(exists(
                cabinet_discrepancy::table
                    .filter(cabinet_discrepancy::cabinet_id.eq(cabinet::id))
                    .filter(cabinet_discrepancy::kind.of_code(|kind: DiscrepancyKind| !kind.passes())),
            )))
    };
}

/// Whether this cabinet can vend, as far as the database knows.
pub fn cabinet_in_order(conn: &mut Conn, id: CabinetId) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::select(exists(cabinet::table.filter(cabinet::id.eq(id)).filter(in_order!())))
        .get_result(c))
}

/// The stations, not retired, in a box around `from` whose cabinets can vend, the nearest first.
pub fn stations_near(
    conn: &mut Conn,
    from: Place,
    (height, width): (i32, i32),
    limit: i64,
) -> QueryResult<Vec<(StationRow, CabinetRow)>> {
    let Place { latitude_e6, longitude_e6 } = from;
    let (north, east, narrowing) = (f64::from(latitude_e6), f64::from(longitude_e6), from.narrowing());
    // The square of the distance: as integers it would not fit.
    let squared = || {
        sql::<Double>("(CAST(station.latitude_e6 AS DOUBLE PRECISION) - ")
            .bind::<Double, _>(north)
            .sql(") * (CAST(station.latitude_e6 AS DOUBLE PRECISION) - ")
            .bind::<Double, _>(north)
            .sql(") + (CAST(station.longitude_e6 AS DOUBLE PRECISION) - ")
            .bind::<Double, _>(east)
            .sql(") * (CAST(station.longitude_e6 AS DOUBLE PRECISION) - ")
            .bind::<Double, _>(east)
            .sql(") * ")
            .bind::<Double, _>(narrowing * narrowing)
    };
    on_backend!(conn, c => station::table
        .inner_join(cabinet::table.on(cabinet::station_id.eq(station::id)))
        .filter(station::retired_at.is_null())
        .filter(station::latitude_e6.between(latitude_e6 - height, latitude_e6 + height))
        .filter(station::longitude_e6.between(longitude_e6 - width, longitude_e6 + width))
        .filter(in_order!())
        .order((squared(), station::id))
        .limit(limit)
        .select((StationRow::as_select(), CabinetRow::as_select()))
        .prepared()
        .load(c))
}

/// The slots of these cabinets that hold one of these products.
pub fn slots_of_cabinets(
    conn: &mut Conn,
    cabinets: &[CabinetId],
    products: &[&str],
) -> QueryResult<Vec<StockedSlot>> {
    let holds = slot::product_code.eq_any(padded(products)).assume_not_null();
    stocked_slots!(conn, slot::cabinet_id.eq_any(padded(cabinets)).and(holds))
}

type DraftedRow = (StationId, ConsultationId, domain::ids::PrescriptionId, Timestamp, String, i32);

/// The packs on open drafts that were begun after `since`, in active consultations of these stations.
pub fn packs_drafted(
    conn: &mut Conn,
    stations: &[StationId],
    since: Timestamp,
) -> QueryResult<Vec<(StationId, DraftedPacks)>> {
    let rows: Vec<DraftedRow> = on_backend!(conn, c => consultation::table
        .inner_join(prescription::table.on(prescription::consultation_id.eq(consultation::id)))
        .inner_join(prescription_line::table.on(prescription_line::prescription_id.eq(prescription::id)))
        .filter(consultation::state.eq_code(ConsultationState::Active))
        .filter(consultation::station_id.eq_any(padded(stations)))
        .filter(prescription::state.eq_code(PrescriptionState::Draft))
        .filter(prescription::created_at.gt(At(since)))
        .select((
            consultation::station_id,
            consultation::id,
            prescription::id,
            prescription::created_at,
            prescription_line::product_code,
            prescription_line::packs,
        ))
        .prepared()
        .load(c))?;
    let drafted = |(station, consultation, prescription, drafted_at, product, packs): DraftedRow| {
        let packs = u32::try_from(packs).unwrap_or(0);
        (station, DraftedPacks { consultation, prescription, drafted_at, product, packs })
    };
    Ok(rows.into_iter().map(drafted).collect())
}
