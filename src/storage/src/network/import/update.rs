//! Updates of existing rows by an import.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    network::NewStation,
    prepared::PreparedDsl,
    schema::{cabinet, employer, hospital, station},
};
use domain::{
    ids::{CabinetId, EmployerId, HospitalId, StationId},
    prescription::CabinetLane,
};

/// Updates names, place and lanes of a station.
pub fn station_update(conn: &mut Conn, id: StationId, row: &NewStation) -> QueryResult<()> {
    diesel::update(station::table.find(id))
        .set((
            station::name_zh.eq(row.name_zh.clone()),
            station::name_en.eq(row.name_en.clone()),
            station::district.eq(row.district.clone()),
            station::latitude_e6.eq(row.latitude_e6),
            station::longitude_e6.eq(row.longitude_e6),
            station::encounter_lanes.eq(row.encounter_lanes.clone()),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Updates the lane of a cabinet.
pub fn cabinet_update(conn: &mut Conn, id: CabinetId, lane: CabinetLane) -> QueryResult<()> {
    diesel::update(cabinet::table.find(id)).set(cabinet::lane.eq(lane)).prepared().execute(conn).map(|_| ())
}

/// Updates names (Chinese, English), district and weight of a hospital.
pub fn hospital_update(
    conn: &mut Conn,
    id: HospitalId,
    names: (&str, &str),
    district: &str,
    weight: i32,
) -> QueryResult<()> {
    diesel::update(hospital::table.find(id))
        .set((
            hospital::name_zh.eq(names.0.to_owned()),
            hospital::name_en.eq(names.1.to_owned()),
            hospital::district.eq(district.to_owned()),
            hospital::weight.eq(weight),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Updates names (Chinese, English) of an employer.
pub fn employer_update(conn: &mut Conn, id: EmployerId, names: (&str, &str)) -> QueryResult<()> {
    diesel::update(employer::table.find(id))
        .set((employer::name_zh.eq(names.0.to_owned()), employer::name_en.eq(names.1.to_owned())))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
