//! Stations with their cabinets, hospitals and employers.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    checked,
    import::{self, Existing},
    one_row,
};
use crate::{
    Failure, Recipients, Tx,
    page::{Page, Rows},
};
use domain::{
    event::network::{EmployerEvent, HospitalEvent, StationEvent},
    ids::{CabinetId, EmployerId, HospitalId, StationId},
    network::{CabinetRecord, EmployerRecord, HospitalRecord, StationRecord},
    prescription::{CabinetLane, EncounterLane},
    refusal::Code,
    spelling,
};
use storage::{Conn, network::listing as store};

/// A new station.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StationInput {
    /// Its code on signs and in letters: `a-z 0-9 -`.
    #[schema(value_type = spelling::PlaceCode)]
    pub code: String,
    /// Name in Chinese.
    #[schema(value_type = spelling::Name)]
    pub name_zh: String,
    /// Name in English.
    #[schema(value_type = spelling::Name)]
    pub name_en: String,
    /// District or county, as a code.
    #[schema(value_type = spelling::PlaceCode)]
    pub district: String,
    /// Degrees north, in millionths.
    #[schema(minimum = 3000000, maximum = 54000000)]
    pub latitude_e6: i32,
    /// Degrees east, in millionths.
    #[schema(minimum = 73000000, maximum = 136000000)]
    pub longitude_e6: i32,
    /// The lanes that consultations here may use; the network's default if left out.
    #[schema(value_type = Option<std::collections::HashSet<EncounterLane>>, min_items = 1, max_items = 8)]
    pub encounter_lanes: Option<Vec<EncounterLane>>,
    /// Whether the station has a cabinet; yes if left out.
    pub cabinet: Option<bool>,
    /// The cabinet's lane; the network's default if left out.
    pub cabinet_lane: Option<CabinetLane>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StationView {
    pub id: StationId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub district: String,
    pub latitude_e6: i32,
    pub longitude_e6: i32,
    pub encounter_lanes: Vec<String>,
    /// The station's cabinet.
    pub cabinet_id: Option<CabinetId>,
    pub created_at: DateTime<Utc>,
}

/// A new hospital.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HospitalInput {
    #[schema(value_type = spelling::PlaceCode)]
    pub code: String,
    #[schema(value_type = spelling::Name)]
    pub name_zh: String,
    #[schema(value_type = spelling::Name)]
    pub name_en: String,
    #[schema(value_type = spelling::PlaceCode)]
    pub district: String,
    /// Its weight in fair distribution.
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: i32,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HospitalView {
    pub id: HospitalId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub district: String,
    pub weight: i32,
    pub created_at: DateTime<Utc>,
}

/// A new employer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmployerInput {
    #[schema(value_type = spelling::PlaceCode)]
    pub code: String,
    #[schema(value_type = spelling::Name)]
    pub name_zh: String,
    #[schema(value_type = spelling::Name)]
    pub name_en: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EmployerView {
    pub id: EmployerId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub created_at: DateTime<Utc>,
}

/// Adds a station, with a cabinet unless `input.cabinet` is false.
///
/// # Errors
/// One problem per bad field; `AlreadyExists` for a code that is taken.
pub fn station_add(tx: &mut Tx<'_>, input: StationInput) -> Result<StationView, Failure> {
    let record = StationRecord {
        code: input.code,
        name_zh: input.name_zh,
        name_en: input.name_en,
        district: input.district,
        latitude_e6: input.latitude_e6,
        longitude_e6: input.longitude_e6,
        encounter_lanes: input.encounter_lanes.unwrap_or_else(|| tx.app.policy.encounter_lanes.clone()),
    };
    checked(tx, &record)?;
    let code = record.code.clone();
    let lane = input.cabinet_lane.unwrap_or(tx.app.policy.cabinet_lane);
    import::stations(tx, &[(1, record)], false, Existing::Refuse).map_err(one_row)?;
    if input.cabinet.unwrap_or(true) {
        let cabinet = CabinetRecord { station_code: code.clone(), lane };
        import::cabinets(tx, &[(1, cabinet)], Existing::Refuse).map_err(one_row)?;
    }
    let id = storage::network::import::station_codes(tx.conn)?.get(&code).copied().ok_or(Code::NotFound)?;
    tx.record(id, StationEvent::Added { code }, Recipients::nobody())?;
    station_fetch(tx.conn, id)
}

pub fn station_fetch(conn: &mut Conn, id: StationId) -> Result<StationView, Failure> {
    let row = store::station_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let cabinet = store::cabinets_of(conn, &[id])?.first().map(|(_, cabinet)| *cabinet);
    Ok(station_view(row, cabinet))
}

/// Stations by id.
pub fn station_list(
    conn: &mut Conn,
    after: Option<StationId>,
    limit: u32,
) -> Result<Page<StationView>, Failure> {
    let page = Rows::read(limit, |most| store::station_list(conn, after, most), |row| row.id)?;
    let page = page.show(|rows| {
        let ids: Vec<StationId> = rows.iter().map(|row| row.id).collect();
        let cabinets: HashMap<StationId, CabinetId> = store::cabinets_of(conn, &ids)?.into_iter().collect();
        let view = |row: store::StationRow| {
            let cabinet = cabinets.get(&row.id).copied();
            station_view(row, cabinet)
        };
        Ok(rows.into_iter().map(view).collect())
    })?;
    Ok(page.into())
}

fn station_view(row: store::StationRow, cabinet_id: Option<CabinetId>) -> StationView {
    StationView {
        id: row.id,
        code: row.code,
        name_zh: row.name_zh,
        name_en: row.name_en,
        district: row.district,
        latitude_e6: row.latitude_e6,
        longitude_e6: row.longitude_e6,
        encounter_lanes: row.encounter_lanes.split(';').map(str::to_owned).collect(),
        cabinet_id,
        created_at: row.created_at,
    }
}

/// Adds a hospital.
///
/// # Errors
/// One problem per bad field; `AlreadyExists`.
pub fn hospital_add(tx: &mut Tx<'_>, input: HospitalInput) -> Result<HospitalView, Failure> {
    let HospitalInput { code, name_zh, name_en, district, weight } = input;
    let record = HospitalRecord { code, name_zh, name_en, district, weight };
    checked(tx, &record)?;
    import::hospitals(tx, &[(1, record.clone())], Existing::Refuse).map_err(one_row)?;
    let id = storage::network::import::hospital_codes(tx.conn)?
        .get(&record.code)
        .copied()
        .ok_or(Code::NotFound)?;
    tx.record(id, HospitalEvent::Added { code: record.code.clone() }, Recipients::nobody())?;
    let HospitalRecord { code, name_zh, name_en, district, weight } = record;
    Ok(HospitalView { id, code, name_zh, name_en, district, weight, created_at: tx.now })
}

/// Hospitals by id.
pub fn hospital_list(
    conn: &mut Conn,
    after: Option<HospitalId>,
    limit: u32,
) -> Result<Page<HospitalView>, Failure> {
    let page = Rows::read(limit, |most| store::hospital_list(conn, after, most), |row| row.id)?;
    let page = page.map(|row| HospitalView {
        id: row.id,
        code: row.code,
        name_zh: row.name_zh,
        name_en: row.name_en,
        district: row.district,
        weight: row.weight,
        created_at: row.created_at,
    });
    Ok(page.into())
}

/// Adds an employer.
///
/// # Errors
/// One problem per bad field; `AlreadyExists`.
pub fn employer_add(tx: &mut Tx<'_>, input: EmployerInput) -> Result<EmployerView, Failure> {
    let EmployerInput { code, name_zh, name_en } = input;
    let record = EmployerRecord { code, name_zh, name_en };
    checked(tx, &record)?;
    import::employers(tx, &[(1, record.clone())], Existing::Refuse).map_err(one_row)?;
    let id = storage::network::import::employer_codes(tx.conn)?
        .get(&record.code)
        .copied()
        .ok_or(Code::NotFound)?;
    tx.record(id, EmployerEvent::Added { code: record.code.clone() }, Recipients::nobody())?;
    let EmployerRecord { code, name_zh, name_en } = record;
    Ok(EmployerView { id, code, name_zh, name_en, created_at: tx.now })
}

/// Employers by id.
pub fn employer_list(
    conn: &mut Conn,
    after: Option<EmployerId>,
    limit: u32,
) -> Result<Page<EmployerView>, Failure> {
    let page = Rows::read(limit, |most| store::employer_list(conn, after, most), |row| row.id)?;
    let page = page.map(|row| EmployerView {
        id: row.id,
        code: row.code,
        name_zh: row.name_zh,
        name_en: row.name_en,
        created_at: row.created_at,
    });
    Ok(page.into())
}
