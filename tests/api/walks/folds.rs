//! Every state column equals the fold of its events. The events also show which
//! transitions were taken.

use std::{collections::BTreeMap, fmt::Display};

use diesel::prelude::*;
use uuid::Uuid;

use super::transitions::Taken;
use crate::{harness::start_of_test, support::TestApp};
use domain::{
    check_in::{CheckIn, CheckInEvent, EndReason},
    consultation::{Consultation, ConsultationEvent},
    event::{Event, cabinet::CabinetEvent, letter::LetterEvent, network::DeviceEvent},
    ids::{CabinetId, DeviceId, Id, OrderUnitId, PrescriptionId, ReviewQuestionId, StaffId},
    letter::LetterState,
    money::Fen,
    order::{Order, OrderEvent, OrderState, OrderUnit, UnitState},
    prescription::{Event as PrescriptionEvent, Prescription, PrescriptionState},
    stock::{SlotClosedReason, SlotNo},
    time::Timestamp,
    vend::{
        Attempt, AttemptEvent,
        reconcile::{BootVerdict, DiscrepancyKind},
    },
};
use service::{Actor, Failure};
use storage::{
    Conn,
    check_in::CheckInRow,
    events::LoggedEvent,
    on_backend,
    schema::{check_in, device, event, prescription, slot},
};

/// A slot that takes attempts.
pub const OPEN: &str = "open";

/// The state of everything, from its events.
#[derive(Default)]
struct Folded {
    attempts: BTreeMap<Uuid, Attempt>,
    orders: BTreeMap<Uuid, Order>,
    prescriptions: BTreeMap<Uuid, Prescription>,
    consultations: BTreeMap<Uuid, Consultation>,
    check_ins: BTreeMap<Uuid, CheckIn>,
    letters: BTreeMap<Uuid, LetterState>,
    slots: BTreeMap<(CabinetId, i32), &'static str>,
    doors: BTreeMap<Uuid, &'static str>,
    alarms: BTreeMap<Uuid, &'static str>,
    devices: BTreeMap<Uuid, &'static str>,
    /// Whether cabinet and server differ, by cabinet, slot and kind.
    differs: BTreeMap<(Uuid, i32, DiscrepancyKind), bool>,
}

/// Everything that is stored otherwise than its events fold to. The transitions of the
/// events are added to `taken`.
pub async fn wrong(app: &TestApp, taken: &mut Taken) -> Vec<String> {
    let (found, more) = app
        .state
        .read(Actor::System, |conn, _| -> Result<_, Failure> {
            let mut taken = Taken::default();
            let folded = fold(conn, &mut taken)?;
            Ok((compare(conn, &folded)?, taken))
        })
        .await
        .expect("read");
    taken.absorb(more);
    found
}

/// Whether an event of an attempt leads to a state.
pub fn moves(event: &AttemptEvent) -> bool {
    match event {
        AttemptEvent::Issued { .. }
        | AttemptEvent::Started { .. }
        | AttemptEvent::Voided { .. }
        | AttemptEvent::Doubted { .. }
        | AttemptEvent::Dispensed { .. }
        | AttemptEvent::NotDispensed { .. } => true,
        AttemptEvent::IncidentOpened { .. } | AttemptEvent::SlotClosed { .. } => false,
    }
}

/// Calls `moved` with each change of state of a consultation and of its last offer.
pub fn consultation_moved(
    before: &Consultation,
    after: &Consultation,
    moved: &mut dyn FnMut(&'static str, String, String),
) {
    if before.state != after.state {
        moved("consultation", before.state.to_string(), after.state.to_string());
    }
    if let (Some(was), Some(is)) = (&before.offer, &after.offer)
        && was.id == is.id
        && was.state != is.state
    {
        moved("offer", was.state.to_string(), is.state.to_string());
    }
}

/// The name of a verdict among the transitions.
pub fn verdict_name(verdict: BootVerdict) -> &'static str {
    match verdict {
        BootVerdict::Present => "present",
        BootVerdict::Fresh => "fresh",
        BootVerdict::Restarted => "restarted",
        BootVerdict::Reinstated => "takes back",
        BootVerdict::Late => "late",
    }
}

fn fold(conn: &mut Conn, taken: &mut Taken) -> Result<Folded, Failure> {
    let events: Vec<LoggedEvent> =
        on_backend!(conn, c => event::table.order(event::position).select(LoggedEvent::as_select()).load(c))?;
    let cabinet_of: BTreeMap<Uuid, CabinetId> = storage::vend::attempt::attempts_all(conn)?
        .into_iter()
        .map(|row| (row.id.uuid(), row.cabinet_id))
        .collect();
    let mut at = Folded::default();
    for event in &events {
        let id = event.stream_id.uuid();
        match event.parse()? {
            Event::Attempt(AttemptEvent::SlotClosed { slot, reason }) => {
                if let Some(cabinet) = cabinet_of.get(&id) {
                    at.slot_closed(taken, *cabinet, slot, reason);
                }
            }
            Event::Attempt(change) => at.attempt(taken, id, &change, event.at),
            Event::Order(change) => at.order(taken, id, &change),
            Event::Prescription(change) => at.prescription(taken, id, &change),
            Event::Consultation(change) => at.consultation(taken, id, &change),
            Event::CheckIn(change) => at.check_in(id, &change),
            Event::Letter(change) => at.letter(taken, id, &change),
            Event::Cabinet(change) => at.cabinet(taken, id, &change),
            Event::Device(change) => at.device(taken, id, &change),
            Event::AttemptNote(_)
            | Event::ConsultationNote(_)
            | Event::Alert(_)
            | Event::CheckInFact(_)
            | Event::Department(_)
            | Event::RuleEdition(_)
            | Event::FormularyEdition(_)
            | Event::QueueAlert(_)
            | Event::ReviewAlert(_)
            | Event::Employer(_)
            | Event::HealthProfile(_)
            | Event::Hospital(_)
            | Event::Import(_)
            | Event::Incident(_)
            | Event::Key(_)
            | Event::Lot(_)
            | Event::PhoneCode(_)
            | Event::Record(_)
            | Event::Session(_)
            | Event::SignIn(_)
            | Event::Staff(_)
            | Event::Station(_)
            | Event::TextMessage(_)
            | Event::Transfer(_)
            | Event::Worker(_)
            | Event::WorkerChange(_) => {}
        }
    }
    Ok(at)
}

impl Folded {
    fn attempt(&mut self, taken: &mut Taken, id: Uuid, event: &AttemptEvent, now: Timestamp) {
        if let AttemptEvent::Issued { order_unit, cabinet, epoch, slot, expires_at } = *event {
            let issued = Attempt::issued(Id::from_uuid(id), order_unit, (cabinet, epoch, slot), expires_at);
            self.attempts.insert(id, issued);
        } else if let Some(at) = self.attempts.get_mut(&id) {
            let from = at.state;
            *at = at.after(event, now);
            if moves(event) {
                taken.note("attempt", from, at.state);
            }
        }
    }

    fn order(&mut self, taken: &mut Taken, id: Uuid, event: &OrderEvent) {
        let at = match event {
            OrderEvent::Reserved { units, .. } => {
                let (state, slot) = (UnitState::Reserved, SlotNo::new(1).expect("a slot"));
                let unit = |id: &OrderUnitId| OrderUnit { id: *id, state, price: Fen::ZERO, slot };
                let units = units.iter().map(unit).collect();
                let order = Order { state: OrderState::Reserved, expires_at: start_of_test(), units };
                self.orders.insert(id, order);
                return;
            }
            OrderEvent::UnitRelocated { .. } => {
                taken.note("pack", "of one slot", "of another");
                return;
            }
            _ => self.orders.get_mut(&id).expect("a reserved order"),
        };
        let before = at.clone();
        at.apply(event);
        if before.state != at.state {
            taken.note("order", before.state, at.state);
        }
        for (was, is) in before.units.iter().zip(&at.units).filter(|(was, is)| was.state != is.state) {
            taken.note("unit", was.state, is.state);
        }
    }

    fn prescription(&mut self, taken: &mut Taken, id: Uuid, event: &PrescriptionEvent) {
        if let Some(first) = Prescription::fold(std::slice::from_ref(event)) {
            self.prescriptions.insert(id, first);
            return;
        }
        let at = self.prescriptions.get_mut(&id).expect("a drafted prescription");
        let from = at.state;
        at.apply(event);
        taken.note("prescription", from, at.state);
    }

    fn consultation(&mut self, taken: &mut Taken, id: Uuid, event: &ConsultationEvent) {
        match self.consultations.get_mut(&id) {
            Some(at) => {
                let before = at.clone();
                at.apply(event);
                consultation_moved(&before, at, &mut |machine, from, to| taken.note(machine, from, to));
            }
            None => {
                let first = Consultation::begin(event);
                if let Some(first) = first {
                    self.consultations.insert(id, first);
                }
            }
        }
    }

    fn check_in(&mut self, id: Uuid, event: &CheckInEvent) {
        match self.check_ins.get_mut(&id) {
            Some(at) => at.apply(event),
            None => self.check_ins.extend(CheckIn::begin(Id::from_uuid(id), event).map(|first| (id, first))),
        }
    }

    fn letter(&mut self, taken: &mut Taken, id: Uuid, event: &LetterEvent) {
        let to = match event {
            LetterEvent::Written { .. } => {
                self.letters.insert(id, LetterState::Waiting);
                return;
            }
            LetterEvent::Sent {} => LetterState::Sent,
            LetterEvent::GivenUp { .. } => LetterState::Dead,
            LetterEvent::Superseded {} => LetterState::Superseded,
            LetterEvent::Resent {} => LetterState::Waiting,
        };
        taken.step("letter", self.letters.entry(id).or_insert(LetterState::Waiting), to);
    }

    fn cabinet(&mut self, taken: &mut Taken, id: Uuid, event: &CabinetEvent) {
        let cabinet: CabinetId = Id::from_uuid(id);
        match *event {
            CabinetEvent::SlotClosed { slot, reason } => self.slot_closed(taken, cabinet, slot, reason),
            CabinetEvent::SlotReclosed { slot, reason, .. } => {
                self.slot(taken, cabinet, slot, reason.as_str());
            }
            CabinetEvent::SlotOpened { slot, .. } => self.slot(taken, cabinet, slot, OPEN),
            CabinetEvent::DoorOpened { .. } => step(taken, "door", &mut self.doors, id, ("shut", "open")),
            CabinetEvent::DoorClosed { .. } => step(taken, "door", &mut self.doors, id, ("shut", "shut")),
            CabinetEvent::Tampered { .. } => step(taken, "alarm", &mut self.alarms, id, ("silent", "raised")),
            CabinetEvent::TamperCleared {} => {
                step(taken, "alarm", &mut self.alarms, id, ("silent", "silent"))
            }
            CabinetEvent::Differs { kind, slot } => {
                self.differs.insert((id, slot, kind), true);
                taken.note("agreement", "agree", kind.as_str());
            }
            CabinetEvent::Reconciled { kind, slot } => {
                self.differs.insert((id, slot, kind), false);
                taken.note("agreement", kind.as_str(), "agree");
            }
            CabinetEvent::Booted { same_boot_id, .. } => {
                let verdict = if same_boot_id { BootVerdict::Restarted } else { BootVerdict::Fresh };
                taken.note("boot", "heard", verdict_name(verdict));
            }
            CabinetEvent::BootLives { .. } => {
                taken.note("boot", "heard", verdict_name(BootVerdict::Reinstated));
            }
            CabinetEvent::EpochReplaced { .. } => taken.note("cabinet key", "live", "replaced"),
            CabinetEvent::Counted { .. }
            | CabinetEvent::Restocked { .. }
            | CabinetEvent::CodesTriedOften { .. } => {}
        }
    }

    /// A closed slot keeps its first reason.
    fn slot_closed(&mut self, taken: &mut Taken, cabinet: CabinetId, slot: SlotNo, reason: SlotClosedReason) {
        if self.slots.get(&(cabinet, slot.get())).is_none_or(|at| *at == OPEN) {
            self.slot(taken, cabinet, slot, reason.as_str());
        }
    }

    fn slot(&mut self, taken: &mut Taken, cabinet: CabinetId, slot: SlotNo, to: &'static str) {
        taken.step("slot", self.slots.entry((cabinet, slot.get())).or_insert(OPEN), to);
    }

    fn device(&mut self, taken: &mut Taken, id: Uuid, event: &DeviceEvent) {
        match event {
            DeviceEvent::Enrolled { .. } => drop(self.devices.insert(id, "enrolled")),
            DeviceEvent::Revoked { .. } => {
                step(taken, "device", &mut self.devices, id, ("enrolled", "revoked"));
            }
        }
    }
}

/// Moves something that begins at `from` to `to`, unless it is there already.
fn step(
    taken: &mut Taken,
    machine: &'static str,
    of: &mut BTreeMap<Uuid, &'static str>,
    id: Uuid,
    (from, to): (&'static str, &'static str),
) {
    let at = of.entry(id).or_insert(from);
    if *at != to {
        taken.step(machine, at, to);
    }
}

/// Where columns and folds differ.
struct Differences {
    found: Vec<String>,
}

impl Differences {
    fn compare<S: Display + PartialEq>(
        &mut self,
        what: &str,
        id: impl Display,
        stored: S,
        folded: Option<S>,
    ) {
        if folded.as_ref() != Some(&stored) {
            let folded = folded.map_or_else(|| "nothing".to_owned(), |state| state.to_string());
            self.found.push(format!("{what} {id} is {stored}, and its events give {folded}"));
        }
    }
}

fn compare(conn: &mut Conn, at: &Folded) -> Result<Vec<String>, Failure> {
    let mut all = Differences { found: Vec::new() };
    for row in storage::vend::attempt::attempts_all(conn)? {
        all.compare("attempt", row.id, row.state, at.attempts.get(&row.id.uuid()).map(|folded| folded.state));
    }
    for row in storage::order::orders_all(conn)? {
        all.compare("order", row.id, row.state, at.orders.get(&row.id.uuid()).map(|folded| folded.state));
    }
    for row in storage::order::units_all(conn)? {
        let order = at.orders.get(&row.order_id.uuid());
        let folded = order.and_then(|order| order.unit(row.id)).map(|unit| unit.state);
        all.compare("unit", row.id, row.state, folded);
    }
    for row in storage::letter::letters_list(conn, None, None, 100_000)? {
        all.compare("letter", row.id, row.state, at.letters.get(&row.id.uuid()).copied());
    }
    check_ins(conn, at, &mut all)?;
    prescriptions(conn, at, &mut all)?;
    cabinets(conn, at, &mut all)?;
    Ok(all.found)
}

fn check_ins(conn: &mut Conn, at: &Folded, all: &mut Differences) -> Result<(), Failure> {
    let rows: Vec<CheckInRow> =
        on_backend!(conn, c => check_in::table.select(CheckInRow::as_select()).load(c))?;
    for row in rows {
        // One that a test has inserted is open from the start.
        let folded = at.check_ins.get(&row.id.uuid()).and_then(|folded| folded.ended);
        all.compare("check-in", row.id, end_of(row.end_reason), Some(end_of(folded)));
    }
    Ok(())
}

/// Why a check-in ended; or that it is open.
fn end_of(ended: Option<EndReason>) -> &'static str {
    ended.map_or(OPEN, EndReason::as_str)
}

fn prescriptions(conn: &mut Conn, at: &Folded, all: &mut Differences) -> Result<(), Failure> {
    type Held = (Option<StaffId>, Option<Timestamp>, Option<ReviewQuestionId>, i32);
    type Row = (PrescriptionId, PrescriptionState, (Option<Timestamp>, Option<StaffId>), Held);
    let rows: Vec<Row> = on_backend!(conn, c => prescription::table
        .select((
            prescription::id,
            prescription::state,
            (prescription::valid_until, prescription::reviewed_by),
            (
                prescription::claimed_by,
                prescription::claim_until,
                prescription::question_id,
                prescription::review_rank,
            ),
        ))
        .load(c))?;
    for (id, state, reviewed, held) in rows {
        let Some(folded) = at.prescriptions.get(&id.uuid()) else {
            all.compare("prescription", id, state, None);
            continue;
        };
        all.compare("prescription", id, state, Some(folded.state));
        let claim = folded.claim;
        let (by, until) = (claim.map(|claim| claim.by), claim.map(|claim| claim.until));
        let of_events = (by, until, folded.question, i32::from(!folded.emergency));
        if ((folded.valid_until, folded.reviewer), of_events) != (reviewed, held) {
            all.found
                .push(format!("prescription {id} is {reviewed:?}, {held:?}; its events give {folded:?}"));
        }
    }
    Ok(())
}

fn cabinets(conn: &mut Conn, at: &Folded, all: &mut Differences) -> Result<(), Failure> {
    let slots: Vec<(CabinetId, i32, Option<SlotClosedReason>)> = on_backend!(conn, c => slot::table.select((slot::cabinet_id, slot::slot_no, slot::closed_reason)).load(c))?;
    for (cabinet, number, closed) in slots {
        let stored = closed.map_or(OPEN, SlotClosedReason::as_str);
        let folded = at.slots.get(&(cabinet, number)).copied().unwrap_or(OPEN);
        all.compare("slot", format!("{number} of {cabinet}"), stored, Some(folded));
    }
    for row in storage::vend::journal::cabinets_after(conn, None, 100)? {
        let id = row.id.uuid();
        let door = at.doors.get(&id).copied().unwrap_or("shut");
        all.compare("the door of", row.id, if row.door_open { "open" } else { "shut" }, Some(door));
        let alarm = at.alarms.get(&id).copied().unwrap_or("silent");
        all.compare("the alarm of", row.id, if row.tampered { "raised" } else { "silent" }, Some(alarm));
        let mut stored: Vec<(i32, DiscrepancyKind)> =
            storage::vend::reconcile::discrepancies_of(conn, row.id)?
                .iter()
                .map(|found| (found.slot_no, found.kind))
                .collect();
        let mut folded: Vec<(i32, DiscrepancyKind)> = at
            .differs
            .iter()
            .filter(|((cabinet, ..), differs)| *cabinet == id && **differs)
            .map(|((_, slot, kind), _)| (*slot, *kind))
            .collect();
        stored.sort_unstable();
        folded.sort_unstable();
        if stored != folded {
            all.found
                .push(format!("cabinet {} differs in {stored:?}, and its events give {folded:?}", row.id));
        }
    }
    let devices: Vec<(DeviceId, Option<Timestamp>)> =
        on_backend!(conn, c => device::table.select((device::id, device::revoked_at)).load(c))?;
    for (id, revoked_at) in devices {
        let folded = at.devices.get(&id.uuid()).copied().unwrap_or("enrolled");
        let stored = if revoked_at.is_some() { "revoked" } else { "enrolled" };
        all.compare("device", id, stored, Some(folded));
    }
    Ok(())
}
