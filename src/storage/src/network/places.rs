//! The network as a whole: what stations permit and where they are, which keys
//! are enrolled there, and who works here.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::on_backend,
    schema::{device, staff, station},
};
use domain::{
    ids::{CabinetId, DeviceId, StaffId, StationId},
    prescription::EncounterLane,
};

/// The lanes that consultations at a station may use.
pub fn station_lanes(conn: &mut Conn, id: StationId) -> QueryResult<Vec<EncounterLane>> {
    let lanes: Option<String> =
        on_backend!(conn, c => station::table.find(id).select(station::encounter_lanes).first(c))
            .optional()?;
    Ok(lanes.unwrap_or_default().split(';').filter_map(EncounterLane::parse).collect())
}

/// A station's names, in Chinese and English, and its code.
pub fn station_names(conn: &mut Conn, id: StationId) -> QueryResult<(String, String, String)> {
    on_backend!(conn, c => station::table
        .find(id)
        .select((station::code, station::name_zh, station::name_en))
        .first(c))
}

/// The stations of each district that are not retired. Reads one row for each
/// station: for pages and tools, not for a hot path.
pub fn stations_by_district(conn: &mut Conn) -> QueryResult<BTreeMap<String, usize>> {
    let districts: Vec<String> = on_backend!(conn, c => station::table
        .filter(station::retired_at.is_null())
        .select(station::district)
        .load(c))?;
    let mut counts = BTreeMap::new();
    for district in districts {
        *counts.entry(district).or_default() += 1;
    }
    Ok(counts)
}

/// A key that is enrolled and not revoked.
#[derive(Debug, Clone, Queryable)]
pub struct EnrolledDevice {
    /// Its id.
    pub id: DeviceId,
    /// `station` or `cabinet`.
    pub kind: String,
    /// Where.
    pub station_id: StationId,
    /// The station's code.
    pub station_code: String,
    /// The cabinet, if it is one's.
    pub cabinet_id: Option<CabinetId>,
    /// The epoch of the key.
    pub epoch: i64,
    /// In base64url.
    pub public_key: String,
}

/// All live keys, by station code.
pub fn devices_enrolled(conn: &mut Conn) -> QueryResult<Vec<EnrolledDevice>> {
    on_backend!(conn, c => device::table
        .inner_join(station::table)
        .filter(device::revoked_at.is_null())
        .order((station::code, device::kind))
        .select((
            device::id,
            device::kind,
            device::station_id,
            station::code,
            device::cabinet_id,
            device::epoch,
            device::public_key,
        ))
        .load(c))
}

/// The last one-time code's step that each member of staff has used, by address.
pub fn staff_steps(conn: &mut Conn) -> QueryResult<HashMap<String, i64>> {
    let used = staff::table.filter(staff::totp_step.gt(0));
    let rows = on_backend!(conn, c => used.select((staff::email, staff::totp_step)).load(c))?;
    Ok(rows.into_iter().collect())
}

/// The id of every member of staff, by address.
pub fn staff_by_email(conn: &mut Conn) -> QueryResult<HashMap<String, StaffId>> {
    let rows = on_backend!(conn, c => staff::table.select((staff::email, staff::id)).load(c))?;
    Ok(rows.into_iter().collect())
}
