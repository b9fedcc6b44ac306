//! What stations permit.

use diesel::prelude::*;

use super::{conn::Conn, schema::station};
use crate::domain::{ids::StationId, prescription::EncounterLane};

/// The lanes that consultations at a station may use.
pub fn station_lanes(conn: &mut Conn, id: StationId) -> QueryResult<Vec<EncounterLane>> {
    let lanes: Option<String> =
        station::table.find(id).select(station::encounter_lanes).first(conn).optional()?;
    Ok(lanes.unwrap_or_default().split(';').filter_map(EncounterLane::parse).collect())
}

/// A station's names, in Chinese and English, and its code.
pub fn station_names(conn: &mut Conn, id: StationId) -> QueryResult<(String, String, String)> {
    station::table.find(id).select((station::code, station::name_zh, station::name_en)).first(conn)
}
