//! Enrolled cabinets, each at a station of its own.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crypto::tokens::{Claims, Role, TokenKeys};
use domain::{
    ids::{CabinetId, DeviceId, StationId},
    prescription::CabinetLane,
};
use service::{Actor, AppState};
use storage::{network as rows, sql_types::At};

/// The lifetime of a token; a benchmark ends before.
pub const LIFE: TimeDelta = TimeDelta::seconds(300);
const EPOCH: i64 = 1;
/// Cabinets that are added in one transaction.
const AT_ONCE: usize = 500;

/// The ids of one cabinet.
#[derive(Debug, Clone, Copy)]
pub struct Cabinet {
    station: StationId,
    cabinet: CabinetId,
    device: DeviceId,
}

impl Cabinet {
    /// A cabinet that is not enrolled yet.
    pub fn fresh() -> Self {
        Self { station: StationId::generate(), cabinet: CabinetId::generate(), device: DeviceId::generate() }
    }

    /// Its token, valid from `now` on.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, keys: &TokenKeys, issuer: &str, now: DateTime<Utc>) -> anyhow::Result<String> {
        let mut claims = Claims::new(issuer, Role::Cabinet, self.cabinet, now, LIFE);
        claims.device = Some(self.device);
        claims.station = Some(self.station);
        claims.epoch = Some(EPOCH);
        Ok(keys.issue(&claims)?)
    }
}

/// Adds `count` cabinets to the network.
///
/// # Errors
/// The database's error.
pub async fn enrol(app: &Arc<AppState>, count: usize) -> anyhow::Result<Vec<Cabinet>> {
    let all: Vec<Cabinet> = (0..count).map(|_| Cabinet::fresh()).collect();
    // In parts: a network grows over years, and the memory of one huge transaction
    // would distort the measurement.
    for part in all.chunks(AT_ONCE) {
        add(app, part.to_vec()).await?;
    }
    Ok(all)
}

async fn add(app: &Arc<AppState>, added: Vec<Cabinet>) -> anyhow::Result<()> {
    app.write(Actor::System, move |tx| {
        let created_at = At(tx.now);
        let stations: Vec<_> = added.iter().map(|one| station_row(one, created_at)).collect();
        rows::stations_add(tx.conn, &stations)?;
        let cabinets: Vec<_> = added.iter().map(|one| cabinet_row(one, created_at)).collect();
        rows::cabinets_add(tx.conn, &cabinets)?;
        let devices: Vec<_> = added.iter().map(|one| device_row(one, created_at)).collect();
        Ok(rows::devices_add(tx.conn, &devices)?)
    })
    .await
    .map_err(|failure| anyhow::anyhow!("the cabinets: {failure}"))
}

fn station_row(one: &Cabinet, created_at: At) -> rows::NewStation {
    rows::NewStation {
        id: one.station,
        code: format!("zhifu-{}", one.station),
        name_zh: "样例驿站".into(),
        name_en: "Sample Station".into(),
        district: "zhifu".into(),
        latitude_e6: 37_540_000,
        longitude_e6: 121_390_000,
        encounter_lanes: "consultation_only".into(),
        created_at,
    }
}

fn cabinet_row(one: &Cabinet, created_at: At) -> rows::NewCabinet {
    rows::NewCabinet {
        id: one.cabinet,
        station_id: one.station,
        lane: CabinetLane::InstitutionDispense,
        epoch: EPOCH,
        acked_seq: 0,
        journal_head: "00".repeat(32),
        door_open: false,
        tampered: false,
        created_at,
    }
}

fn device_row(one: &Cabinet, enrolled_at: At) -> rows::NewDevice {
    rows::NewDevice {
        id: one.device,
        kind: "cabinet".into(),
        station_id: one.station,
        cabinet_id: Some(one.cabinet),
        epoch: EPOCH,
        // It signs nothing in a benchmark.
        public_key: String::new(),
        enrolled_at,
    }
}
