//! Editions of the formulary: the network's selection from the catalogue, and a station's own selection from
//! that. One person proposes, another approves (`crate::edition`); every instance caches those that apply
//! with the catalogue (`formulary::edition`), so no check, signature or order asks the database.

mod views;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    AppState, Failure, Recipients, Tx,
    caller::StaffCaller,
    edition::{EditionApproval, EditionWithdrawal, MOST_FAULTS, Progress, approval},
    formulary::{edition, product_view},
    page::Rows,
    staff::already_exists,
};
use domain::{
    event::network::FormularyEditionEvent,
    formulary::{
        Formulary, Product, ProductCode,
        selection::{
            Approved, InForce, Selection, SelectionFault, SelectionScope, Selections, check_table, table_of,
        },
    },
    ids::{FormularyEditionId, StationId},
    prescription::CabinetLane,
    refusal::{Code, FieldProblem, Refusal},
    safety::RowChangeKind,
    time::Timestamp,
    words::Bilingual,
};
use storage::{
    Conn, Live,
    formulary::{
        removal,
        selection::{self as store, FormularyEditionRow, NewFormularyEdition},
    },
};
pub use views::{
    FormularyChangeView, FormularyChanges, FormularyEditionDetail, FormularyEditionInput,
    FormularyEditionPage, FormularyEditionReport, FormularyEditionTrial, FormularyEditionView,
    FormularyFaultView, FormularyPage,
};
use views::{change_view, fault_view, view};

/// At most so many changes are shown one by one.
const MOST_CHANGES: usize = 500;

/// The selections that apply now or later.
///
/// # Errors
/// Faults of the storage; a stored list that cannot be read.
pub(crate) fn read(conn: &mut Conn, now: Timestamp) -> Result<Selections, Failure> {
    let mut lists: HashMap<String, Arc<HashSet<ProductCode>>> = HashMap::new();
    let (mut network, mut stations) = (Vec::new(), HashMap::<StationId, Vec<Approved>>::new());
    for (station, from, version, stored) in store::editions_effective(conn, now)? {
        let Some(from) = from else { continue };
        let products = match lists.get(&stored) {
            Some(known) => Arc::clone(known),
            None => {
                let list = Arc::new(serde_json::from_str(&stored)?);
                lists.insert(stored, Arc::clone(&list));
                list
            }
        };
        let of = station.map_or(&mut network, |station| stations.entry(station).or_default());
        of.push((from, Selection { version, products }));
    }
    Ok(Selections::new(network, stations))
}

impl AppState {
    /// What the formulary of a station, or of the network, has now; the returned value stays that edition.
    pub fn selection(&self, station: Option<StationId>) -> InForce {
        self.selection_at(station, self.now())
    }

    fn selection_at(&self, station: Option<StationId>, at: Timestamp) -> InForce {
        self.edition.selections().in_force(station, at)
    }
}

/// Compares a table with the formulary in force; stores nothing.
///
/// # Errors
/// A problem of `station_id` for a station that there is not.
pub fn try_out(
    conn: &mut Conn,
    app: &AppState,
    input: &FormularyEditionTrial,
) -> Result<FormularyEditionReport, Failure> {
    let lane = lane_of(conn, input.station_id)?;
    let checked = check(app, (input.station_id, lane), &input.products, app.now());
    let (faults, changes) = match checked {
        Ok(products) => (Vec::new(), changes(conn, app, input.station_id, &products)?),
        Err(faults) => (faults, FormularyChanges::default()),
    };
    let faults = faults.into_iter().take(MOST_FAULTS).map(fault_view).collect();
    Ok(FormularyEditionReport { faults, changes })
}

/// Proposes an edition.
///
/// # Errors
/// One problem for each fault, by line and column; `AlreadyExists` for a name that was used.
pub fn propose(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    input: &FormularyEditionInput,
) -> Result<FormularyEditionView, Failure> {
    let lane = lane_of(tx.conn, input.station_id)?;
    let products = check(tx.app, (input.station_id, lane), &input.products, tx.now).map_err(refused)?;
    let mut codes: Vec<&ProductCode> = products.iter().collect();
    codes.sort_unstable();
    let (id, stored) = (FormularyEditionId::generate(), serde_json::to_string(&codes)?);
    let (version, note, station) = (input.edition.as_str(), &input.note, input.station_id);
    let new = NewFormularyEdition { id, version, station, products: &stored, note, by: caller.staff };
    if !store::edition_add(tx.conn, &new, tx.now)? {
        return Err(already_exists("edition").into());
    }
    record(
        tx,
        id,
        FormularyEditionEvent::Proposed { version: version.to_owned(), station, by: caller.staff },
    )?;
    after(tx, id)
}

/// Approves a proposed edition: it applies from its time on. Its products are checked again, as the catalogue
/// and the network's formulary will be by then.
///
/// # Errors
/// As [`approval`]; `NotFound`; one problem for each product that has become impossible since.
pub fn approve(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: FormularyEditionId,
    input: &EditionApproval,
) -> Result<FormularyEditionView, Failure> {
    let row = store::edition_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    let so_far = Progress { state: row.state, proposed_by: row.proposed_by, approved_by: row.approved_by };
    let Some(effective_at) = approval(tx, caller, so_far, input)? else { return after(tx, id) };
    let stored = store::edition_fetch(tx.conn, Live::of(None), id)?.map(|(_, products)| products);
    let codes: Vec<ProductCode> = serde_json::from_str(&stored.unwrap_or_default())?;
    let lane = lane_of(tx.conn, row.station_id)?;
    check(tx.app, (row.station_id, lane), &bare_table(&codes), effective_at).map_err(refused)?;
    if !store::edition_approve(tx.conn, id, caller.staff, effective_at, tx.now)? {
        return Err(Refusal::moved_on(row.state).into());
    }
    let (version, station, by) = (row.version, row.station_id, caller.staff);
    record(tx, id, FormularyEditionEvent::Approved { version, station, by, effective_at })?;
    edition::changed(tx)?;
    after(tx, id)
}

/// Withdraws an edition; of one in force, what applied before it applies again.
///
/// # Errors
/// `NotFound`.
pub fn withdraw(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: FormularyEditionId,
    input: &EditionWithdrawal,
) -> Result<FormularyEditionView, Failure> {
    let row = store::edition_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if store::edition_withdraw(tx.conn, id, Some(caller.staff), &input.reason, tx.now)? {
        let (version, station, by) = (row.version, row.station_id, caller.staff);
        record(tx, id, FormularyEditionEvent::Withdrawn { version, station, by })?;
        edition::changed(tx)?;
    }
    after(tx, id)
}

/// One edition, with what it changes; none once an authority has ended.
///
/// # Errors
/// Faults of the storage.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    id: FormularyEditionId,
) -> Result<Option<FormularyEditionDetail>, Failure> {
    let Some((row, stored)) = store::edition_fetch(conn, live, id)? else { return Ok(None) };
    let products: HashSet<ProductCode> = serde_json::from_str(&stored)?;
    let formulary = app.formulary();
    let changes = changes(conn, app, row.station_id, &products)?;
    let in_force = !store::editions_in_force(conn, &[id], app.now())?.is_empty();
    let table = table_of(formulary.iter().filter(|product| products.contains(&product.code)));
    Ok(Some(FormularyEditionDetail { edition: view(row, in_force), changes, products: table }))
}

/// The editions before `before`, the newest first.
///
/// # Errors
/// Faults of the storage.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    before: Option<FormularyEditionId>,
    limit: u32,
) -> Result<FormularyEditionPage, Failure> {
    let page = Rows::read(limit, |most| store::editions_list(conn, before, most), |row| row.id)?;
    let shown = page.show(|rows| {
        let ids: Vec<FormularyEditionId> = rows.iter().map(|row| row.id).collect();
        let in_force = store::editions_in_force(conn, &ids, app.now())?;
        Ok(rows
            .into_iter()
            .map(|row| (in_force.contains(&row.id), row))
            .map(|(is, row)| view(row, is))
            .collect())
    })?;
    Ok(shown.into())
}

/// The formulary in force at a station, or in the network, by code, after `after`.
///
/// # Errors
/// `NotFound` for a station that there is not.
pub fn current(
    conn: &mut Conn,
    app: &AppState,
    station: Option<StationId>,
    after: Option<&str>,
    limit: u32,
) -> Result<FormularyPage, Failure> {
    if let Some(station) = station {
        store::station_lane(conn, station)?.ok_or(Code::NotFound)?;
    }
    let (in_force, formulary) = (app.selection(station), app.formulary());
    let mut products: Vec<&Product> = formulary
        .iter()
        .filter(|product| after.is_none_or(|after| product.code.as_str() > after) && in_force.has(product))
        .collect();
    products.sort_unstable_by_key(|product| &product.code);
    let shown = products.iter().take(limit as usize);
    let next_after = products.get(limit as usize).and_then(|_| shown.clone().next_back());
    Ok(FormularyPage {
        network_edition: in_force.network_version().map(str::to_owned),
        station_edition: in_force.station_version().map(str::to_owned),
        next_after: next_after.map(|product| product.code.to_string()),
        items: shown.map(|product| product_view(product, &formulary)).collect(),
    })
}

/// The lane of the cabinet of a station, which must exist.
fn lane_of(conn: &mut Conn, station: Option<StationId>) -> Result<Option<CabinetLane>, Failure> {
    let Some(station) = station else { return Ok(None) };
    let words = Bilingual::fixed("没有这个站点", "there is no such station");
    let unknown = || Refusal::field("station_id", "unknown", words);
    Ok(store::station_lane(conn, station)?.ok_or_else(unknown)?)
}

fn check(
    app: &AppState,
    (station, lane): (Option<StationId>, Option<CabinetLane>),
    table: &str,
    at: Timestamp,
) -> Result<HashSet<ProductCode>, Vec<SelectionFault>> {
    let network = app.selection_at(None, at);
    let scope = match station {
        Some(_) => SelectionScope::Station { lane, network: &network },
        None => SelectionScope::Network,
    };
    check_table(table, &app.formulary(), scope)
}

/// A table of codes alone: names may have changed since they were compared.
fn bare_table(codes: &[ProductCode]) -> String {
    let lines: Vec<&str> = std::iter::once("code").chain(codes.iter().map(ProductCode::as_str)).collect();
    lines.join("\n")
}

fn refused(faults: Vec<SelectionFault>) -> Refusal {
    let problem = |fault: SelectionFault| FieldProblem {
        field: format!("products:{}.{}", fault.line, fault.field),
        code: fault.code.to_string(),
        message: fault.message,
    };
    Refusal::fields(faults.into_iter().take(MOST_FAULTS).map(problem).collect())
}

/// What a list changes of what is in force.
fn changes(
    conn: &mut Conn,
    app: &AppState,
    station: Option<StationId>,
    products: &HashSet<ProductCode>,
) -> Result<FormularyChanges, Failure> {
    let (in_force, formulary) = (app.selection(station), app.formulary());
    let has = |product: &&Product| in_force.has(product) && is_prescribable(&formulary, product);
    let removed: Vec<&Product> =
        formulary.iter().filter(has).filter(|product| !products.contains(&product.code)).collect();
    let added: Vec<&Product> =
        formulary.iter().filter(|product| products.contains(&product.code) && !has(product)).collect();
    let gone: Vec<&str> = removed.iter().take(MOST_CHANGES).map(|product| product.code.as_str()).collect();
    let (mut standing, mut drafts) = (HashMap::new(), HashMap::new());
    if !gone.is_empty() {
        standing = removal::standing_stock(conn, station, &gone)?;
        drafts = removal::drafts_with(conn, station, &gone)?;
    }
    let going = removed.iter().map(|product| {
        let mut view = change_view(product, RowChangeKind::Removed);
        let stock = standing.get(product.code.as_str()).copied().unwrap_or_default();
        (view.places, view.packs) = (stock.places, stock.packs);
        view.open_drafts = drafts.get(product.code.as_str()).copied().unwrap_or_default();
        view
    });
    let coming = added.iter().map(|product| change_view(product, RowChangeKind::Added));
    let compared_with = match station {
        Some(_) => in_force.station_version(),
        None => in_force.network_version(),
    };
    Ok(FormularyChanges {
        compared_with: compared_with.map(str::to_owned),
        added: added.len(),
        removed: removed.len(),
        changes: going.chain(coming).take(MOST_CHANGES).collect(),
    })
}

/// Whether a product may be prescribed, as far as its row decides; found once per edition of the catalogue.
pub(crate) fn is_prescribable(formulary: &Formulary, product: &Product) -> bool {
    let standing = formulary.standing(&product.code);
    product.in_formulary
        && standing
            .is_some_and(|known| known.never.is_none() && known.implausible.is_empty() && known.sourced)
}

/// An edition as this transaction leaves it.
fn after(tx: &mut Tx<'_>, id: FormularyEditionId) -> Result<FormularyEditionView, Failure> {
    let row: FormularyEditionRow = store::edition_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    Ok(view(row, !store::editions_in_force(tx.conn, &[id], tx.now)?.is_empty()))
}

fn record(tx: &mut Tx<'_>, id: FormularyEditionId, event: FormularyEditionEvent) -> Result<(), Failure> {
    tx.record(id, event, Recipients::nobody())
}
