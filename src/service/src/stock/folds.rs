//! Invariant 10: state columns equal the fold of their events, by the same `apply` that the verbs
//! use.

use std::{collections::HashMap, fmt::Debug};

use crate::{Failure, order::write::domain_order, vend::domain_attempt};
use domain::{
    check_in::CheckIn,
    consultation::{Consultation, ConsultationEvent, Medium, OfferState},
    event::{Event, Stream},
    ids::{ConsultationId, Id, OrderId, StaffId},
    matching::Department,
    order::{Order, OrderEvent, OrderState, UnitState},
    prescription::{Event as PrescriptionEvent, Prescription},
    time::Timestamp,
    triage::TriageLevel,
    vend::{Attempt, AttemptEvent},
};
use storage::{
    Conn,
    order::{OrderRow, UnitRow},
    stock::check as store,
    vend::attempt::AttemptRow,
};

/// Folds the streams of one kind of entity. `step` gets the state so far, none before the first
/// event. Events in the same streams that are no `E` change nothing; those that no version writes
/// are added to `found`.
fn fold<K: 'static, E: TryFrom<Event>, S>(
    conn: &mut Conn,
    stream: Stream,
    found: &mut Vec<String>,
    step: impl Fn(Option<S>, Id<K>, &E, Timestamp) -> Option<S>,
) -> Result<HashMap<Id<K>, S>, Failure> {
    let mut folded = HashMap::new();
    for logged in store::events_of_stream(conn, stream)? {
        let event = match logged.parse().map(E::try_from) {
            Ok(Ok(event)) => event,
            Ok(Err(_another)) => continue,
            Err(why) => {
                found.push(format!("10: event {}: {why}", logged.position));
                continue;
            }
        };
        let id = Id::from_uuid(logged.stream_id.uuid());
        if let Some(state) = step(folded.remove(&id), id, &event, logged.at) {
            folded.insert(id, state);
        }
    }
    Ok(folded)
}

/// Adds to `found` when what is stored differs.
fn compare<S: PartialEq + Debug>(
    (what, id): (&str, impl Debug),
    stored: S,
    folded: Option<S>,
    found: &mut Vec<String>,
) {
    if folded.as_ref() != Some(&stored) {
        found.push(format!("10: {what} {id:?} is {stored:?} but its events say {folded:?}"));
    }
}

pub(super) fn attempts(conn: &mut Conn, rows: &[AttemptRow], found: &mut Vec<String>) -> Result<(), Failure> {
    let folded = fold(conn, Stream::Attempt, found, |attempt: Option<Attempt>, id, event, at| match event {
        AttemptEvent::Issued { order_unit, cabinet, epoch, slot, expires_at } => {
            Some(Attempt::issued(id, *order_unit, (*cabinet, *epoch, *slot), *expires_at))
        }
        event => attempt.map(|attempt| attempt.after(event, at)),
    })?;
    for row in rows {
        compare(("attempt", row.id), domain_attempt(row)?, folded.get(&row.id).copied(), found);
    }
    Ok(())
}

pub(super) fn orders(
    conn: &mut Conn,
    (orders, units): (&[OrderRow], &[UnitRow]),
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut units_of: HashMap<OrderId, Vec<UnitRow>> = HashMap::new();
    for unit in units {
        units_of.entry(unit.order_id).or_default().push(unit.clone());
    }
    let stored: HashMap<OrderId, Order> = orders
        .iter()
        .map(|row| Ok((row.id, domain_order(row, units_of.get(&row.id).map_or(&[], Vec::as_slice))?)))
        .collect::<Result<_, Failure>>()?;
    // The event of the reservation does not contain the prices: they are those of the row.
    let reserved = |id: OrderId| {
        let mut order = stored.get(&id)?.clone();
        order.state = OrderState::Reserved;
        order.units.iter_mut().for_each(|unit| unit.state = UnitState::Reserved);
        Some(order)
    };
    let mut folded = fold(conn, Stream::Order, found, |order: Option<Order>, id, event, _| match event {
        OrderEvent::Reserved { .. } => reserved(id),
        event => order.map(|mut order| {
            order.apply(event);
            order
        }),
    })?;
    for (id, order) in stored {
        compare(("order", id), order, folded.remove(&id), found);
    }
    Ok(())
}

pub(super) fn prescriptions(conn: &mut Conn, found: &mut Vec<String>) -> Result<(), Failure> {
    let folded =
        fold(conn, Stream::Prescription, found, |so_far: Option<Prescription>, _, event, _| match event {
            PrescriptionEvent::Drafted { consultation, prescriber, .. } => {
                Some(Prescription::draft(*consultation, *prescriber))
            }
            event => so_far.map(|mut prescription| {
                prescription.apply(event);
                prescription
            }),
        })?;
    for row in store::backing_all(conn)? {
        // No signature is half done: the row has one exactly if the log says that its doctor signed.
        let said = folded
            .get(&row.id)
            .map(|said| (said.state, said.signed_at.is_some(), said.valid_until, said.reviewer));
        let stored = (row.state, row.signature.is_some(), row.valid_until, row.reviewed_by);
        compare(("prescription", row.id), stored, said, found);
    }
    Ok(())
}

pub(super) fn consultations(conn: &mut Conn, found: &mut Vec<String>) -> Result<(), Failure> {
    let stored = storage::consultation::snapshots_all(conn)?;
    let rows: HashMap<ConsultationId, (TriageLevel, Department)> =
        stored.iter().map(|row| (row.id, (row.triage, row.department))).collect();
    let mut folded =
        fold(conn, Stream::Consultation, found, |so_far: Option<Consultation>, id, event, _| match so_far {
            None => Consultation::begin(event).map(|mut begun| {
                // Version 0.1.0 did not log the level of a request, and none before 0.3.0 its department.
                if let ConsultationEvent::Requested { triage, department, .. } = event
                    && let Some((level, of)) = rows.get(&id)
                {
                    begun.triage = triage.unwrap_or(*level);
                    begun.department = department.unwrap_or(*of);
                }
                begun
            }),
            Some(mut consultation) => {
                consultation.apply(event);
                Some(consultation)
            }
        })?;
    places(conn, &stored, found)?;
    for stored in stored {
        // A merge of two records moves their consultations without an event of theirs.
        let said = folded.remove(&stored.id).map(|said| Consultation { worker: stored.worker, ..said });
        compare(("consultation", stored.id), stored, said, found);
    }
    Ok(())
}

/// 7. No doctor has more live consultations and open offers by one medium than places for it.
fn places(conn: &mut Conn, stored: &[Consultation], found: &mut Vec<String>) -> Result<(), Failure> {
    let mut held: HashMap<(StaffId, Medium), i32> = HashMap::new();
    for one in stored.iter().filter(|one| one.state.is_live()) {
        let asked = one.offer.as_ref().filter(|offer| offer.state == OfferState::Open);
        if let Some(doctor) = one.doctor.or(asked.map(|offer| offer.doctor)) {
            *held.entry((doctor, one.medium)).or_default() += 1;
        }
    }
    for doctor in storage::matching::doctor::places_all(conn)? {
        let places = [(Medium::Text, doctor.capacity), (Medium::Video, doctor.video_capacity)];
        for (medium, places) in places {
            let held = held.get(&(doctor.staff_id, medium)).copied().unwrap_or(0);
            if held > places {
                found.push(format!("7: doctor {} has {held} by {medium}, of {places}", doctor.staff_id));
            }
        }
    }
    Ok(())
}

pub(super) fn check_ins(conn: &mut Conn, found: &mut Vec<String>) -> Result<(), Failure> {
    let folded = fold(conn, Stream::CheckIn, found, |so_far: Option<CheckIn>, id, event, _| match so_far {
        None => CheckIn::begin(id, event),
        Some(mut check_in) => {
            check_in.apply(event);
            Some(check_in)
        }
    })?;
    for (id, reason) in store::check_ins_all(conn)? {
        compare(("check-in", id), reason, folded.get(&id).map(|check_in| check_in.ended), found);
    }
    Ok(())
}
