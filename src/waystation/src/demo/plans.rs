//! Who takes part in the demonstration: the guests that scripts can sign in as, and
//! the plans for simulated cabinets and journeys.

use anyhow::Context;

use crypto::device::DeviceKey;
use domain::{matching::Department, stock::SlotNo, time::Timestamp, vend::messages::SlotReport};
use service::AppState;
use simulation::{
    cabinets::CabinetPlan,
    complaints,
    journeys::{Card, StationPlan},
    ready::{CabinetCredentials, Credentials, Ready, StationCredentials, WorkerCredentials, private_key},
    running::on_shift,
    sample::{SampleNetwork, departments},
};
use storage::network::places::EnrolledDevice;

/// E-mail addresses of the doctor and the pharmacist that scripts can sign in as: those on shift
/// when the network was planned, so that they stay the same on every run.
pub(crate) fn guests(network: &SampleNetwork, planned_at: Timestamp) -> anyhow::Result<(String, String)> {
    let ends = on_shift(network, planned_at);
    let doctor = network
        .doctors
        .iter()
        .find(|one| {
            departments(one).first() == Some(&Department::GENERAL_PRACTICE) && ends.contains_key(&one.email)
        })
        .context("the sample has no general practitioner on shift")?;
    let pharmacist = network.pharmacists.iter().find(|one| ends.contains_key(&one.email));
    let pharmacist = pharmacist.context("the sample has no pharmacist on shift")?;
    Ok((doctor.email.clone(), pharmacist.email.clone()))
}

pub(crate) fn ready(
    network: &SampleNetwork,
    devices: &[EnrolledDevice],
    base: &str,
    planned_at: Timestamp,
) -> anyhow::Result<Ready> {
    let (doctor, pharmacist) = guests(network, planned_at)?;
    let code = &network.stations.first().context("the sample has no station")?.code;
    let find = |kind: &str| {
        let found = devices.iter().find(|one| one.kind == kind && one.station_code == *code);
        found.with_context(|| format!("the {kind} {code} is not enrolled"))
    };
    let (station, cabinet) = (find("station")?, find("cabinet")?);
    let worker = network.worker(0);
    let staff = |email: Option<&String>| -> anyhow::Result<Credentials> {
        Ok(Credentials::sample(network, email.context("the sample lacks a role")?))
    };
    Ok(Ready {
        base_url: base.to_owned(),
        hatch_url: None,
        operator: staff(network.operators.first().map(|one| &one.email))?,
        doctor: staff(Some(&doctor))?,
        pharmacist: staff(Some(&pharmacist))?,
        restocker: staff(network.restockers.first().map(|one| &one.email))?,
        employer: staff(network.safety_officers.first().map(|one| &one.email))?,
        station: StationCredentials {
            device_id: station.id,
            private_key: private_key(&DeviceKey::from_seed(&network.station_device_seed(code))?),
            station_id: station.station_id,
            station_code: code.clone(),
        },
        cabinet: CabinetCredentials {
            device_id: cabinet.id,
            private_key: private_key(&DeviceKey::from_seed(&network.cabinet_device_seed(code))?),
            cabinet_id: cabinet.cabinet_id.context("a cabinet's key belongs to no cabinet")?,
            station_id: cabinet.station_id,
        },
        worker: WorkerCredentials {
            card_number: worker.card_number.clone(),
            pin: worker.pin.expose().to_owned(),
        },
    })
}

/// Devices that still have the key from the plan, except those at the guests' station. A device
/// that was enrolled again belongs to whoever enrolled it.
pub(crate) fn own_keys<'d>(
    network: &SampleNetwork,
    devices: &'d [EnrolledDevice],
    kind: &str,
    guest: &str,
) -> anyhow::Result<Vec<(&'d EnrolledDevice, DeviceKey)>> {
    let mut own = Vec::new();
    for device in devices.iter().filter(|one| one.kind == kind && one.station_code != guest) {
        let code = &device.station_code;
        let seed = match kind {
            "station" => network.station_device_seed(code),
            _cabinet => network.cabinet_device_seed(code),
        };
        let key = DeviceKey::from_seed(&seed)?;
        if key.public_key().to_string() == device.public_key {
            own.push((device, key));
        }
    }
    Ok(own)
}

pub(crate) fn station_plans(
    network: &SampleNetwork,
    devices: &[EnrolledDevice],
    guest: &str,
) -> anyhow::Result<Vec<StationPlan>> {
    let own = own_keys(network, devices, "station", guest)?.into_iter();
    Ok(own.map(|(one, key)| StationPlan { code: one.station_code.clone(), device: one.id, key }).collect())
}

pub(crate) fn cabinet_plans(
    network: &SampleNetwork,
    devices: &[EnrolledDevice],
    codes: &[String],
    guest: &str,
) -> anyhow::Result<Vec<CabinetPlan>> {
    let mut slots = std::collections::HashMap::<String, Vec<SlotReport>>::new();
    for one in network.stock(codes) {
        let slot = SlotNo::new(one.slot_no).context("a slot number below 1")?;
        slots.entry(one.station_code).or_default().push(SlotReport {
            slot,
            product_code: Some(one.product_code),
            lot_no: Some(one.lot_no),
            expires_on: Some(one.expires_on),
            count: u32::try_from(one.quantity).unwrap_or(0),
        });
    }
    let own = own_keys(network, devices, "cabinet", guest)?.into_iter();
    Ok(own
        .map(|(one, key)| CabinetPlan {
            slots: slots.remove(&one.station_code).unwrap_or_default(),
            station_code: one.station_code.clone(),
            device: one.id,
            key,
            epoch: one.epoch,
            door_open: false,
            // Not needed: a demonstration is short, and cabinets may run empty.
            restocker: None,
        })
        .collect())
}

/// The cards of the next workers. Each worker makes only one journey, so that the safety check
/// of one journey does not find drugs vended in another.
pub(crate) fn cards(network: &SampleNetwork, next_worker: &mut usize, count: usize) -> Vec<Card> {
    let end = (*next_worker + count).min(network.worker_count());
    let indexes = *next_worker..end;
    *next_worker = end;
    indexes
        .map(|index| network.worker(index))
        .map(|worker| Card { number: worker.card_number.clone(), pin: worker.pin.expose().to_owned() })
        .collect()
}

/// Product codes to stock in cabinets, with the drugs of the simulated treatments first.
pub(crate) fn stocked_codes(app: &AppState) -> anyhow::Result<Vec<String>> {
    let formulary = app.formulary();
    let mut codes: Vec<String> = complaints::product_codes()
        .into_iter()
        .filter(|code| formulary.find(code).is_some())
        .map(str::to_owned)
        .collect();
    let rest: Vec<String> = formulary
        .iter()
        .filter(|product| product.prescribable())
        .map(|product| product.code.as_str().to_owned())
        .filter(|code| !codes.contains(code))
        .collect();
    codes.extend(rest);
    Ok(codes)
}
