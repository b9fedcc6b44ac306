//! What a doctor sees of the formulary first: what the cabinet of the consultation's station can vend now,
//! then where else it is. And which stations have all lines of a prescription, the nearest first.
//!
//! Packs on open drafts of others are held softly (`domain::stock::held_before`): they follow from the drafts
//! themselves, are in no book of their own, and refuse no order. Only a bounded number of stations around the
//! consultation is read, whatever the size of the network.

mod views;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::TimeDelta;

use crate::{
    Actor, AppState, Failure,
    caller::StaffCaller,
    consultation::in_care,
    formulary::{product_view, selection::is_prescribable},
    vend::{issue::candidate, silent::silent},
};
use domain::{
    formulary::{Product, SaleClass},
    ids::{CabinetId, ConsultationId, PrescriptionId, StationId},
    prescription::may_vend,
    refusal::Code,
    stock::{DraftedPacks, SlotCandidate, held_before, packs_free},
    time::civil_day,
};
use storage::{
    Conn,
    stock::{
        near::{self as store, StationRow},
        slots_stocked,
    },
    vend::journal::CabinetRow,
};
use views::station_view;
pub use views::{
    CabinetReadiness, FormularyChoice, FormularyChoices, NearestPacks, StationNearby, SupplyStation,
    SupplyStations,
};

/// How far is looked, in metres, and at how many stations at most: first around the corner, then as far as
/// somebody would go.
type Rings = [(u32, i64); 2];
const OF_PRODUCTS: Rings = [(5_000, 40), (50_000, 80)];
const OF_ALL_LINES: Rings = [(5_000, 60), (50_000, 200)];

/// At most so many stations are named.
const MOST_STATIONS: usize = 10;

/// The packs of one cabinet, by product.
#[derive(Debug, Default)]
struct Stock {
    slots: HashMap<String, Vec<SlotCandidate>>,
    drafts: Vec<DraftedPacks>,
}

impl Stock {
    /// The packs that an order could get now, and how many of them earlier drafts of others hold.
    fn packs(&self, app: &AppState, own: ConsultationId, product: &str) -> (u32, u32) {
        let slots = self.slots.get(product).map_or(&[][..], Vec::as_slice);
        let free = packs_free(slots, civil_day(app.now()));
        let held = held_before(&self.drafts, Some(own), product).min(free);
        (free - held, held)
    }
}

/// A station with a cabinet that can vend, and what is in it.
struct Near {
    station: StationRow,
    cabinet: CabinetRow,
    stock: Stock,
}

impl Near {
    /// Packs that this cabinet can vend on prescription now and earlier drafts leave.
    fn packs(&self, app: &AppState, own: ConsultationId, (product, class): (&str, SaleClass)) -> u32 {
        if may_vend(self.cabinet.lane, class) { self.stock.packs(app, own, product).0 } else { 0 }
    }
}

/// The consultation's station, as the database knows it.
struct Here {
    station: StationRow,
    cabinet: Option<(CabinetRow, bool)>,
    stock: Stock,
}

/// The products of the formulary in force at the station of the caller's consultation that `search` finds:
/// those that its cabinet can vend now first, then the others with the nearest station that has them.
///
/// # Errors
/// `NotFound` for a consultation that is not in the caller's care.
pub async fn choices(
    app: &Arc<AppState>,
    caller: StaffCaller,
    consultation: ConsultationId,
    search: &str,
    limit: u32,
) -> Result<FormularyChoices, Failure> {
    let here = app
        .read_snapshot(Actor::Staff(caller), move |conn, app| here(conn, app, caller, consultation))
        .await?;
    let readiness = match &here.cabinet {
        None => CabinetReadiness::None,
        Some((_, false)) => CabinetReadiness::OutOfOrder,
        Some((row, true)) if silent(app, &[row]).await.contains(&row.id) => CabinetReadiness::Silent,
        Some((_, true)) => CabinetReadiness::Ready,
    };
    let lane =
        here.cabinet.as_ref().filter(|_| readiness == CabinetReadiness::Ready).map(|(row, _)| row.lane);
    let (formulary, in_force) = (app.formulary(), app.selection(Some(here.station.id)));
    let of_formulary = |product: &&Product| in_force.has(product) && is_prescribable(&formulary, product);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let found = match search.trim() {
        "" => formulary.listed("", formulary.len()).0,
        text => formulary.search(text, None, formulary.len()).products,
    };
    for product in found.into_iter().filter(of_formulary) {
        let vendable = lane.is_some_and(|lane| may_vend(lane, product.class));
        let (packs, held) =
            if vendable { here.stock.packs(app, consultation, product.code.as_str()) } else { (0, 0) };
        let of = if packs > 0 { &mut first } else { &mut rest };
        of.push((product, packs, held));
        // Of those without a pack here no more are shown than a page, and one more tells that there are.
        if first.len() > limit as usize {
            break;
        }
        rest.truncate(limit as usize + 1);
    }
    let more = first.len() + rest.len() > limit as usize;
    first.truncate(limit as usize);
    rest.truncate(limit as usize - first.len());
    let wanted: Vec<(String, SaleClass)> =
        rest.iter().map(|(product, ..)| (product.code.to_string(), product.class)).collect();
    let found = nearest(app, caller, &here.station, consultation, wanted).await?;
    let shown = first.into_iter().chain(rest).map(|(product, packs_here, packs_held)| FormularyChoice {
        product: product_view(product, &formulary),
        packs_here,
        packs_held,
        nearest: found.get(product.code.as_str()).cloned(),
    });
    Ok(FormularyChoices {
        station_id: here.station.id,
        cabinet: readiness,
        network_edition: in_force.network_version().map(str::to_owned),
        station_edition: in_force.station_version().map(str::to_owned),
        items: shown.collect(),
        more,
        within_metres: OF_PRODUCTS[1].0,
    })
}

/// The stations near the one of a prescription's consultation that have all of its lines now, the nearest
/// first; that station itself is one of them where it has.
///
/// # Errors
/// `NotFound` for another doctor's prescription.
pub async fn stations_with_all(
    app: &Arc<AppState>,
    caller: StaffCaller,
    id: PrescriptionId,
) -> Result<SupplyStations, Failure> {
    let (station, consultation, lines) = app
        .read_snapshot(Actor::Staff(caller), move |conn, _| {
            let (row, lines) =
                storage::prescription::prescription_with_lines(conn, id)?.ok_or(Code::NotFound)?;
            if row.doctor_id != caller.staff {
                return Err(Code::NotFound.into());
            }
            let facts = storage::prescription::consultation_facts(conn, row.consultation_id)?
                .ok_or(Code::NotFound)?;
            let (station, _) = store::station_with_cabinet(conn, facts.station_id)?.ok_or(Code::NotFound)?;
            Ok((station, row.consultation_id, lines))
        })
        .await?;
    let formulary = app.formulary();
    let mut wanted: Vec<((String, SaleClass), u32)> = Vec::new();
    for line in lines {
        let class = formulary.find(&line.product_code).map_or(SaleClass::Rx, |product| product.class);
        let packs = u32::try_from(line.packs).unwrap_or(u32::MAX);
        match wanted.iter_mut().find(|((code, _), _)| *code == line.product_code) {
            Some((_, all)) => *all = all.saturating_add(packs),
            None => wanted.push(((line.product_code, class), packs)),
        }
    }
    let products: Vec<String> = wanted.iter().map(|((code, _), _)| code.clone()).collect();
    let mut looked_at = 0;
    for ring in OF_ALL_LINES {
        let near = around(app, caller, &station, ring, products.clone()).await?;
        looked_at = near.len();
        let has_all = |near: &&Near| {
            wanted.iter().all(|((code, class), packs)| {
                near.packs(app, consultation, (code.as_str(), *class)) >= *packs
            })
        };
        let items: Vec<SupplyStation> = near
            .iter()
            .filter(has_all)
            .take(MOST_STATIONS)
            .map(|found| SupplyStation {
                here: found.station.id == station.id,
                station: station_view(&found.station, station.place()),
            })
            .collect();
        if !items.is_empty() {
            return Ok(SupplyStations { items, looked_at, within_metres: ring.0 });
        }
    }
    Ok(SupplyStations { items: Vec::new(), looked_at, within_metres: OF_ALL_LINES[1].0 })
}

/// The consultation's station with its cabinet.
fn here(
    conn: &mut Conn,
    app: &AppState,
    caller: StaffCaller,
    consultation: ConsultationId,
) -> Result<Here, Failure> {
    let facts = storage::prescription::consultation_facts(conn, consultation)?.ok_or(Code::NotFound)?;
    if facts.doctor_id != Some(caller.staff)
        || !in_care(conn, app, facts.doctor_id, consultation, facts.state, facts.ended_at)?
    {
        return Err(Code::NotFound.into());
    }
    let (station, cabinet) = store::station_with_cabinet(conn, facts.station_id)?.ok_or(Code::NotFound)?;
    let Some(cabinet) = cabinet else { return Ok(Here { station, cabinet: None, stock: Stock::default() }) };
    let in_order = store::cabinet_in_order(conn, cabinet.id)?;
    let mut slots: HashMap<String, Vec<SlotCandidate>> = HashMap::new();
    for slot in slots_stocked(conn, &[cabinet.id])? {
        if let (Some(lot), Some(candidate)) = (&slot.lot, candidate(&slot)?) {
            slots.entry(lot.product_code.clone()).or_default().push(candidate);
        }
    }
    let drafted = store::packs_drafted(conn, &[station.id], app.now() - hold(app))?;
    let drafts = drafted.into_iter().map(|(_, draft)| draft).collect();
    Ok(Here { station, cabinet: Some((cabinet, in_order)), stock: Stock { slots, drafts } })
}

fn hold(app: &AppState) -> TimeDelta {
    TimeDelta::minutes(i64::from(app.policy.vending.draft_hold_minutes))
}

/// Of each product the nearest other station that can vend it now.
async fn nearest(
    app: &Arc<AppState>,
    caller: StaffCaller,
    from: &StationRow,
    own: ConsultationId,
    wanted: Vec<(String, SaleClass)>,
) -> Result<HashMap<String, NearestPacks>, Failure> {
    let (mut found, mut missing) = (HashMap::new(), wanted);
    for ring in OF_PRODUCTS {
        if missing.is_empty() {
            break;
        }
        let products: Vec<String> = missing.iter().map(|(code, _)| code.clone()).collect();
        let near = around(app, caller, from, ring, products).await?;
        missing.retain(|(code, class)| {
            let others = near.iter().filter(|near| near.station.id != from.id);
            let mut with_packs = others.map(|near| (near, near.packs(app, own, (code.as_str(), *class))));
            let Some((near, packs)) = with_packs.find(|(_, packs)| *packs > 0) else { return true };
            let station = station_view(&near.station, from.place());
            found.insert(code.clone(), NearestPacks { station, packs });
            false
        });
    }
    Ok(found)
}

/// The stations of a ring whose cabinets can vend and were heard from, the nearest first.
async fn around(
    app: &Arc<AppState>,
    caller: StaffCaller,
    from: &StationRow,
    (metres, most): (u32, i64),
    products: Vec<String>,
) -> Result<Vec<Near>, Failure> {
    let place = from.place();
    let read = app.read_snapshot(Actor::Staff(caller), move |conn, app| {
        let stations = store::stations_near(conn, place, place.reach_e6(metres), most)?;
        let ids: Vec<StationId> = stations.iter().map(|(station, _)| station.id).collect();
        let cabinets: Vec<CabinetId> = stations.iter().map(|(_, cabinet)| cabinet.id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let codes: Vec<&str> = products.iter().map(String::as_str).collect();
        let mut stocks: HashMap<CabinetId, Stock> = HashMap::new();
        for slot in store::slots_of_cabinets(conn, &cabinets, &codes)? {
            if let (Some(lot), Some(candidate)) = (&slot.lot, candidate(&slot)?) {
                let stock = stocks.entry(slot.row.cabinet_id).or_default();
                stock.slots.entry(lot.product_code.clone()).or_default().push(candidate);
            }
        }
        let mut drafts: HashMap<StationId, Vec<DraftedPacks>> = HashMap::new();
        for (station, draft) in store::packs_drafted(conn, &ids, app.now() - hold(app))? {
            drafts.entry(station).or_default().push(draft);
        }
        let near = stations.into_iter().map(|(station, cabinet)| {
            let mut stock = stocks.remove(&cabinet.id).unwrap_or_default();
            stock.drafts = drafts.remove(&station.id).unwrap_or_default();
            Near { station, cabinet, stock }
        });
        Ok(near.collect::<Vec<Near>>())
    });
    let mut near = read.await?;
    let rows: Vec<&CabinetRow> = near.iter().map(|near| &near.cabinet).collect();
    let unheard: HashSet<CabinetId> = silent(app, &rows).await;
    near.retain(|near| !unheard.contains(&near.cabinet.id));
    Ok(near)
}
