//! Import records of stations, cabinets, hospitals and employers.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    FileRecord, Record,
    checks::{Findings, NAME_CHARS},
    import::{Cells, join},
};
use crate::{
    prescription::{CabinetLane, EncounterLane},
    refusal::FieldProblem,
};

/// A place with a screen and measuring devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StationRecord {
    /// `a-z 0-9 -`; also used on signs and in letters.
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    /// Code of the district or county.
    pub district: String,
    /// Degrees north, in millionths.
    pub latitude_e6: i32,
    /// Degrees east, in millionths.
    pub longitude_e6: i32,
    /// The lanes that consultations at this station may use.
    pub encounter_lanes: Vec<EncounterLane>,
}

impl FileRecord for StationRecord {
    const KIND: &'static str = "stations";
    const COLUMNS: &'static [&'static str] =
        &["code", "name_zh", "name_en", "district", "latitude_e6", "longitude_e6", "encounter_lanes"];
    const OPTIONAL: &'static [&'static str] = &["encounter_lanes"];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        let lanes = cells.optional_list("encounter_lanes", EncounterLane::ALL, EncounterLane::as_str);
        Self {
            code: cells.code("code"),
            name_zh: cells.text("name_zh"),
            name_en: cells.text("name_en"),
            district: cells.code("district"),
            latitude_e6: cells.degrees_e6("latitude_e6"),
            longitude_e6: cells.degrees_e6("longitude_e6"),
            // Default: the lanes that need no permission.
            encounter_lanes: lanes.unwrap_or_else(|| {
                vec![EncounterLane::FollowUpWithEvidence, EncounterLane::ConsultationOnly]
            }),
        }
    }
}

impl Record for StationRecord {
    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.code("code", &self.code);
        found.text("name_zh", &self.name_zh, NAME_CHARS);
        found.text("name_en", &self.name_en, NAME_CHARS);
        found.code("district", &self.district);
        // The bounds of China; swapped coordinates are outside of them.
        found.range("latitude_e6", self.latitude_e6, 3_000_000..=54_000_000);
        found.range("longitude_e6", self.longitude_e6, 73_000_000..=136_000_000);
        found.list("encounter_lanes", &self.encounter_lanes);
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("code", self.code.clone())]
    }

    fn to_row(&self) -> Vec<String> {
        vec![
            self.code.clone(),
            self.name_zh.clone(),
            self.name_en.clone(),
            self.district.clone(),
            self.latitude_e6.to_string(),
            self.longitude_e6.to_string(),
            join(self.encounter_lanes.iter().map(|lane| lane.as_str())),
        ]
    }
}

/// The dispensing machine at a station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CabinetRecord {
    /// The station; one cabinet per station.
    pub station_code: String,
    pub lane: CabinetLane,
}

impl FileRecord for CabinetRecord {
    const KIND: &'static str = "cabinets";
    const COLUMNS: &'static [&'static str] = &["station_code", "lane"];
    const OPTIONAL: &'static [&'static str] = &["lane"];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        // Default: the narrowest lane; any other must be stated.
        let lane = cells
            .optional_choice("lane", CabinetLane::ALL, CabinetLane::as_str)
            .unwrap_or(CabinetLane::RetailBOnly);
        Self { station_code: cells.code("station_code"), lane }
    }
}

impl Record for CabinetRecord {
    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.code("station_code", &self.station_code);
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("station_code", self.station_code.clone())]
    }

    fn to_row(&self) -> Vec<String> {
        vec![self.station_code.clone(), self.lane.as_str().into()]
    }
}

/// A partner institution that doctors belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HospitalRecord {
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    /// Code of the district or county.
    pub district: String,
    /// Weight in the fairness between hospitals, 1 to 1,000.
    pub weight: i32,
}

impl FileRecord for HospitalRecord {
    const KIND: &'static str = "hospitals";
    const COLUMNS: &'static [&'static str] = &["code", "name_zh", "name_en", "district", "weight"];
    const OPTIONAL: &'static [&'static str] = &[];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self {
            code: cells.code("code"),
            name_zh: cells.text("name_zh"),
            name_en: cells.text("name_en"),
            district: cells.code("district"),
            weight: cells.number("weight"),
        }
    }
}

impl Record for HospitalRecord {
    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.code("code", &self.code);
        found.text("name_zh", &self.name_zh, NAME_CHARS);
        found.text("name_en", &self.name_en, NAME_CHARS);
        found.code("district", &self.district);
        found.range("weight", self.weight, 1..=1_000);
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("code", self.code.clone())]
    }

    fn to_row(&self) -> Vec<String> {
        vec![
            self.code.clone(),
            self.name_zh.clone(),
            self.name_en.clone(),
            self.district.clone(),
            self.weight.to_string(),
        ]
    }
}

/// A company whose staff are workers of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmployerRecord {
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
}

impl FileRecord for EmployerRecord {
    const KIND: &'static str = "employers";
    const COLUMNS: &'static [&'static str] = &["code", "name_zh", "name_en"];
    const OPTIONAL: &'static [&'static str] = &[];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self { code: cells.code("code"), name_zh: cells.text("name_zh"), name_en: cells.text("name_en") }
    }
}

impl Record for EmployerRecord {
    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.code("code", &self.code);
        found.text("name_zh", &self.name_zh, NAME_CHARS);
        found.text("name_en", &self.name_en, NAME_CHARS);
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("code", self.code.clone())]
    }

    fn to_row(&self) -> Vec<String> {
        vec![self.code.clone(), self.name_zh.clone(), self.name_en.clone()]
    }
}
