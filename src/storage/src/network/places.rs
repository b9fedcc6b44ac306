//! The whole network: what stations permit and where they are, enrolled device keys, and staff.

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

/// How many stations that are not retired each district has. Reads one row per station: for pages
/// and tools, not for a hot path.
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

/// An enrolled key that is not revoked.
#[derive(Debug, Clone, Queryable)]
pub struct EnrolledDevice {
    pub id: DeviceId,
    /// `station` or `cabinet`.
    pub kind: String,
    pub station_id: StationId,
    pub station_code: String,
    /// Set for the key of a cabinet.
    pub cabinet_id: Option<CabinetId>,
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

/// The last time step whose one-time code each member of staff has used, by e-mail address.
pub fn staff_steps(conn: &mut Conn) -> QueryResult<HashMap<String, i64>> {
    let used = staff::table.filter(staff::totp_step.gt(0));
    let rows = on_backend!(conn, c => used.select((staff::email, staff::totp_step)).load(c))?;
    Ok(rows.into_iter().collect())
}

/// All staff ids, by e-mail address.
pub fn staff_by_email(conn: &mut Conn) -> QueryResult<HashMap<String, StaffId>> {
    let rows = on_backend!(conn, c => staff::table.select((staff::email, staff::id)).load(c))?;
    Ok(rows.into_iter().collect())
}
