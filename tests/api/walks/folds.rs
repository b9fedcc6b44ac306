//! Every state column equals the fold of its events. The events also show which
//! transitions were taken.

use std::{collections::BTreeMap, fmt::Display};

use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::transitions::Taken;
use crate::support::TestApp;
use domain::{
    consultation::{self, Consultation, ConsultationEvent},
    ids::{CabinetId, DeviceId, Id, PrescriptionId, StaffId},
    letter::LetterState,
    order::{OrderState, UnitState},
    prescription::{Event, Prescription, PrescriptionState},
    stock::SlotClosedReason,
    time::Timestamp,
    vend::{
        AttemptState,
        reconcile::{BootVerdict, DiscrepancyKind},
    },
};
use service::{Actor, Failure};
use storage::{
    Conn,
    events::LoggedEvent,
    on_backend,
    schema::{device, event, prescription, slot},
};

/// A slot that takes attempts.
pub const OPEN: &str = "open";

/// The state of everything, from its events.
#[derive(Default)]
struct Folded {
    attempts: BTreeMap<Uuid, AttemptState>,
    orders: BTreeMap<Uuid, OrderState>,
    units: BTreeMap<Uuid, UnitState>,
    prescriptions: BTreeMap<Uuid, Prescription>,
    consultations: BTreeMap<Uuid, Consultation>,
    letters: BTreeMap<Uuid, LetterState>,
    slots: BTreeMap<(CabinetId, i64), &'static str>,
    doors: BTreeMap<Uuid, &'static str>,
    alarms: BTreeMap<Uuid, &'static str>,
    devices: BTreeMap<Uuid, &'static str>,
    /// Whether cabinet and server differ, by cabinet, slot and kind.
    differs: BTreeMap<(Uuid, i64, DiscrepancyKind), bool>,
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

/// The state that an event of an attempt leads to.
pub fn attempt_state(kind: &str) -> Option<AttemptState> {
    AttemptState::parse(kind.strip_prefix("attempt.")?)
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
        let payload: Value = serde_json::from_str(&event.payload)?;
        let id = event.stream_id.uuid();
        match event.stream.as_str() {
            "attempt" => {
                at.attempt(taken, id, &event.kind);
                if event.kind == "attempt.slot_closed"
                    && let Some(cabinet) = cabinet_of.get(&id)
                {
                    at.slot_closed(taken, *cabinet, &payload);
                }
            }
            "order" => at.order(taken, id, &event.kind, &payload),
            "prescription" => at.prescription(taken, id, &event.kind, payload),
            "consultation" => at.consultation(taken, id, &event.kind, payload),
            "letter" => at.letter(taken, id, &event.kind),
            "cabinet" => at.cabinet(taken, id, &event.kind, &payload),
            "device" => at.device(taken, id, &event.kind),
            _ => {}
        }
    }
    Ok(at)
}

impl Folded {
    fn attempt(&mut self, taken: &mut Taken, id: Uuid, kind: &str) {
        let Some(to) = attempt_state(kind) else { return };
        match self.attempts.get_mut(&id) {
            Some(at) => taken.step("attempt", at, to),
            None => drop(self.attempts.insert(id, to)),
        }
    }

    fn order(&mut self, taken: &mut Taken, id: Uuid, kind: &str, payload: &Value) {
        let Some(what) = kind.strip_prefix("order.") else { return };
        if what == "unit_relocated" {
            taken.note("pack", "of one slot", "of another");
        }
        if let Some(to) = OrderState::parse(what) {
            match self.orders.get_mut(&id) {
                Some(at) => taken.step("order", at, to),
                None => drop(self.orders.insert(id, to)),
            }
        }
        let to = match what {
            "unit_freed" => Some(UnitState::Reserved),
            other => other.strip_prefix("unit_").and_then(UnitState::parse),
        };
        if let (Some(to), Some(unit)) = (to, uuid_of(&payload["unit"])) {
            taken.step("unit", self.units.entry(unit).or_insert(UnitState::Reserved), to);
        }
    }

    fn prescription(&mut self, taken: &mut Taken, id: Uuid, kind: &str, payload: Value) {
        let event = Event::read(kind, payload).expect("an event of a prescription");
        if let Some(first) = Prescription::fold(std::slice::from_ref(&event)) {
            self.prescriptions.insert(id, first);
            return;
        }
        // One that a test has inserted is approved from the start.
        let at = self.prescriptions.entry(id).or_insert_with(|| Prescription {
            state: PrescriptionState::Approved,
            ..Prescription::draft(Id::from_uuid(Uuid::nil()), Id::from_uuid(Uuid::nil()))
        });
        let from = at.state;
        at.apply(&event);
        taken.note("prescription", from, at.state);
    }

    fn consultation(&mut self, taken: &mut Taken, id: Uuid, kind: &str, payload: Value) {
        // Messages and alerts are in the same log.
        let Ok(event) = ConsultationEvent::read(kind, payload) else { return };
        match self.consultations.get_mut(&id) {
            Some(at) => {
                let before = at.clone();
                consultation::apply(at, &event);
                consultation_moved(&before, at, &mut |machine, from, to| taken.note(machine, from, to));
            }
            None => drop(consultation::fold(&[event]).map(|first| self.consultations.insert(id, first))),
        }
    }

    fn letter(&mut self, taken: &mut Taken, id: Uuid, kind: &str) {
        let to = match kind {
            "letter.written" => {
                self.letters.insert(id, LetterState::Waiting);
                return;
            }
            "letter.sent" => LetterState::Sent,
            "letter.given_up" => LetterState::Dead,
            "letter.superseded" => LetterState::Superseded,
            "letter.resent" => LetterState::Waiting,
            other => panic!("an unknown event of a letter: {other}"),
        };
        taken.step("letter", self.letters.entry(id).or_insert(LetterState::Waiting), to);
    }

    fn cabinet(&mut self, taken: &mut Taken, id: Uuid, kind: &str, payload: &Value) {
        let cabinet: CabinetId = Id::from_uuid(id);
        match kind {
            "cabinet.slot_closed" => self.slot_closed(taken, cabinet, payload),
            "cabinet.slot_reclosed" => {
                let to = reason(payload).as_str();
                self.slot(taken, cabinet, payload, to);
            }
            "cabinet.slot_opened" => self.slot(taken, cabinet, payload, OPEN),
            "cabinet.door_opened" => step(taken, "door", &mut self.doors, id, ("shut", "open")),
            "cabinet.door_closed" => step(taken, "door", &mut self.doors, id, ("shut", "shut")),
            "cabinet.tampered" => step(taken, "alarm", &mut self.alarms, id, ("silent", "raised")),
            "cabinet.tamper_cleared" => step(taken, "alarm", &mut self.alarms, id, ("silent", "silent")),
            "cabinet.differs" | "cabinet.reconciled" => {
                let differs = kind == "cabinet.differs";
                let kind = payload["kind"].as_str().and_then(DiscrepancyKind::parse).expect("a kind");
                let slot = payload["slot"].as_i64().expect("a slot");
                self.differs.insert((id, slot, kind), differs);
                let (from, to) = if differs { ("agree", kind.as_str()) } else { (kind.as_str(), "agree") };
                taken.note("agreement", from, to);
            }
            "cabinet.booted" => {
                let again = payload["same_boot_id"] == true;
                let verdict = if again { BootVerdict::Restarted } else { BootVerdict::Fresh };
                taken.note("boot", "heard", verdict_name(verdict));
            }
            "cabinet.boot_lives" => taken.note("boot", "heard", verdict_name(BootVerdict::Reinstated)),
            "cabinet.epoch_replaced" => taken.note("cabinet key", "live", "replaced"),
            _ => {}
        }
    }

    /// A closed slot keeps its first reason.
    fn slot_closed(&mut self, taken: &mut Taken, cabinet: CabinetId, payload: &Value) {
        let number = payload["slot"].as_i64().expect("a slot");
        if self.slots.get(&(cabinet, number)).is_none_or(|at| *at == OPEN) {
            self.slot(taken, cabinet, payload, reason(payload).as_str());
        }
    }

    fn slot(&mut self, taken: &mut Taken, cabinet: CabinetId, payload: &Value, to: &'static str) {
        let number = payload["slot"].as_i64().expect("a slot");
        taken.step("slot", self.slots.entry((cabinet, number)).or_insert(OPEN), to);
    }

    fn device(&mut self, taken: &mut Taken, id: Uuid, kind: &str) {
        match kind {
            "device.enrolled" => drop(self.devices.insert(id, "enrolled")),
            "device.revoked" => step(taken, "device", &mut self.devices, id, ("enrolled", "revoked")),
            _ => {}
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

fn reason(payload: &Value) -> SlotClosedReason {
    payload["reason"].as_str().and_then(SlotClosedReason::parse).expect("a reason")
}

fn uuid_of(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
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
        all.compare("attempt", row.id, row.state, at.attempts.get(&row.id.uuid()).copied());
    }
    for row in storage::order::orders_all(conn)? {
        all.compare("order", row.id, row.state, at.orders.get(&row.id.uuid()).copied());
    }
    for row in storage::order::units_all(conn)? {
        let folded = at.units.get(&row.id.uuid()).copied().unwrap_or(UnitState::Reserved);
        all.compare("unit", row.id, row.state, Some(folded));
    }
    for row in storage::letter::letters_list(conn, None, None, 100_000)? {
        all.compare("letter", row.id, row.state, at.letters.get(&row.id.uuid()).copied());
    }
    prescriptions(conn, at, &mut all)?;
    cabinets(conn, at, &mut all)?;
    Ok(all.found)
}

fn prescriptions(conn: &mut Conn, at: &Folded, all: &mut Differences) -> Result<(), Failure> {
    type Row = (PrescriptionId, PrescriptionState, Option<Timestamp>, Option<StaffId>);
    let rows: Vec<Row> = on_backend!(conn, c => prescription::table
        .select((
            prescription::id,
            prescription::state,
            prescription::valid_until,
            prescription::reviewed_by,
        ))
        .load(c))?;
    for (id, state, valid_until, reviewed_by) in rows {
        let Some(folded) = at.prescriptions.get(&id.uuid()) else {
            // Inserted by a test, and nothing has happened to it.
            all.compare("prescription", id, state, Some(PrescriptionState::Approved));
            continue;
        };
        all.compare("prescription", id, state, Some(folded.state));
        if !folded.prescriber.uuid().is_nil()
            && (folded.valid_until, folded.reviewer) != (valid_until, reviewed_by)
        {
            all.found.push(format!(
                "prescription {id} is valid until {valid_until:?}, reviewed by {reviewed_by:?}, and its events give {folded:?}"
            ));
        }
    }
    Ok(())
}

fn cabinets(conn: &mut Conn, at: &Folded, all: &mut Differences) -> Result<(), Failure> {
    let slots: Vec<(CabinetId, i32, Option<SlotClosedReason>)> = on_backend!(conn, c => slot::table.select((slot::cabinet_id, slot::slot_no, slot::closed_reason)).load(c))?;
    for (cabinet, number, closed) in slots {
        let stored = closed.map_or(OPEN, SlotClosedReason::as_str);
        let folded = at.slots.get(&(cabinet, number.into())).copied().unwrap_or(OPEN);
        all.compare("slot", format!("{number} of {cabinet}"), stored, Some(folded));
    }
    for row in storage::vend::journal::cabinets_after(conn, None, 100)? {
        let id = row.id.uuid();
        let door = at.doors.get(&id).copied().unwrap_or("shut");
        all.compare("the door of", row.id, if row.door_open { "open" } else { "shut" }, Some(door));
        let alarm = at.alarms.get(&id).copied().unwrap_or("silent");
        all.compare("the alarm of", row.id, if row.tampered { "raised" } else { "silent" }, Some(alarm));
        let mut stored: Vec<(i64, DiscrepancyKind)> =
            storage::vend::reconcile::discrepancies_of(conn, row.id)?
                .iter()
                .map(|found| (i64::from(found.slot_no), found.kind))
                .collect();
        let mut folded: Vec<(i64, DiscrepancyKind)> = at
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
