//! Imports single shifts and the rules by which shifts repeat.

use std::collections::{BTreeSet, HashMap};

use super::{Existing, Found, ImportError, Lined, Loaded, record};
use crate::{
    Failure, Recipients, Tx,
    network::roster::{
        except, not_theirs_message, off_duty_without_shift,
        rule::{self, By},
    },
};
use coordination::Topic;
use domain::{
    event::staff::StaffEvent,
    ids::{ShiftId, StaffId},
    matching::Department,
    network::{
        import::ImportKind,
        roster::{ShiftRuleRecord, Span, on_leave_message},
    },
    refusal::FieldProblem,
    staff::{ShiftRecord, overlap_message},
    words::Bilingual,
};
use storage::{
    network::roster::{self as store, ShiftRow, leave, rule as rules},
    staff::StaffRow,
};

/// These people, by address. Their rows are locked, so nothing else changes their shifts, rules and leave.
fn people<'a>(
    tx: &mut Tx<'_>,
    emails: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, StaffRow>, ImportError> {
    let unique: Vec<&str> = emails.collect::<BTreeSet<_>>().into_iter().collect();
    let ids: Vec<StaffId> = storage::network::import::staff_known(tx.conn, &unique)?.into_values().collect();
    let locked = storage::staff::staff_lock_all(tx.conn, &ids)?;
    // Who was disabled meanwhile has released the address.
    let enabled = locked.into_iter().filter(|person| person.disabled_at.is_none());
    Ok(enabled.map(|person| (person.email.clone(), person)).collect())
}

/// Loads shifts. An existing shift with the same start may be skipped, or get another end or
/// department.
///
/// # Errors
/// A problem for each unknown member of staff, each shift that meets another or a leave, and each that is
/// over and was another.
pub fn shifts(
    tx: &mut Tx<'_>,
    rows: &[Lined<ShiftRecord>],
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let known = people(tx, rows.iter().map(|(_, row)| row.staff_email.as_str()))?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let mut changed = BTreeSet::new();
    let ids: Vec<StaffId> = known.values().map(|person| person.id).collect();
    let mut serves = HashMap::<StaffId, Vec<Department>>::new();
    for (doctor, department) in store::departments_of(tx.conn, &ids)? {
        serves.entry(doctor).or_default().push(department);
    }
    for (line, row) in rows {
        let Some(person) = known.get(&row.staff_email).map(|person| person.id) else {
            found.unknown(*line, "staff_email");
            continue;
        };
        let span = Span { from: row.starts_at, until: row.ends_at };
        let department = row.department.as_deref().and_then(Department::parse);
        if department.is_some_and(|of| !serves.get(&person).is_some_and(|all| all.contains(&of))) {
            found.note(*line, "department", "unknown", not_theirs_message());
            continue;
        }
        if let Some(leave) = leave::leaves_meeting(tx.conn, person, span)?.first() {
            let leave = Span { from: leave.starts_at, until: leave.ends_at };
            found.note(*line, "starts_at", "on_leave", on_leave_message(leave));
            continue;
        }
        let met = store::shifts_meeting(tx.conn, person, span)?;
        let (same, others): (Vec<ShiftRow>, Vec<ShiftRow>) =
            met.into_iter().partition(|other| other.starts_at == row.starts_at);
        if let Some(other) = others.first() {
            let field = if same.is_empty() { "starts_at" } else { "ends_at" };
            if same.is_empty() || existing == Existing::Update {
                let message = overlap_message(other.starts_at, other.ends_at);
                found.note(*line, field, "overlaps", message);
                continue;
            }
        }
        match same.first() {
            None => {
                let id = ShiftId::generate();
                store::shift_add(tx.conn, id, person, span, department)?;
                let (starts_at, ends_at) = (row.starts_at, row.ends_at);
                let event = StaffEvent::ShiftAdded { shift: id, starts_at, ends_at, department };
                tx.record(person, event, Recipients::staff(person))?;
                loaded.added += 1;
            }
            // The same shift, perhaps with another end or department.
            Some(same) => {
                let is_known = found.known(existing, &mut loaded, *line, "starts_at");
                if !is_known || (same.span(), same.department) == (span, department) {
                    continue;
                }
                if same.ends_at <= tx.now {
                    found.note(*line, "ends_at", "over", over_message());
                    continue;
                }
                change(tx, same, span, department)?;
                changed.insert(person);
            }
        }
    }
    found.done()?;
    for person in changed {
        off_duty_without_shift(tx, person)?;
    }
    tx.wake(Topic::Matching);
    record(tx, ImportKind::Shifts, loaded)?;
    Ok(loaded)
}

/// Gives a shift other hours or another department, as in a form. Its owner's row is locked.
fn change(
    tx: &mut Tx<'_>,
    row: &ShiftRow,
    span: Span,
    department: Option<Department>,
) -> Result<(), Failure> {
    store::shift_write(tx.conn, row.id, row.version, span, department)?;
    except(tx, row)?;
    let (starts_at, ends_at) = (span.from, span.until);
    let event = StaffEvent::ShiftChanged { shift: row.id, starts_at, ends_at, department };
    tx.record(row.staff_id, event, Recipients::staff(row.staff_id))
}

fn over_message() -> Bilingual {
    Bilingual::fixed("班次已结束，不能再改。", "The shift is over and cannot be changed any more.")
}

/// Loads rules and plans their shifts. An existing rule with the same first start and the same RRULE
/// may be skipped, or replaced; what somebody cancelled or moved by hand stays so.
///
/// # Errors
/// A problem for each unknown member of staff, and each rule that is refused as it would be in a form.
pub fn shift_rules(
    tx: &mut Tx<'_>,
    rows: &[Lined<ShiftRuleRecord>],
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let known = people(tx, rows.iter().map(|(_, row)| row.staff_email.as_str()))?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    for (line, row) in rows {
        let Some(person) = known.get(&row.staff_email) else {
            found.unknown(*line, "staff_email");
            continue;
        };
        let same = rules::rules_of(tx.conn, person.id)?.into_iter().find(|other| {
            (other.first_date, &other.start_time, &other.rrule)
                == (row.first_date, &row.start_time, &row.rrule)
        });
        let written = match same {
            None => {
                loaded.added += 1;
                rule::add(tx, person, row, By::File).map(|_| 0)
            }
            Some(same) if found.known(existing, &mut loaded, *line, "first_date") => {
                rule::change(tx, person, (same.id, same.version), row, By::File).map(|(_, kept)| kept)
            }
            Some(_) => continue,
        };
        match written {
            Ok(kept) => loaded.kept_by_hand += kept,
            Err(Failure::Refused(refusal)) if !refusal.fields.is_empty() => {
                for FieldProblem { field, code, message } in refusal.fields {
                    // A file names people by address.
                    let column = if field == "staff_id" { "staff_email" } else { field.as_str() };
                    found.note(*line, column, &code, message);
                }
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    found.done()?;
    record(tx, ImportKind::ShiftRules, loaded)?;
    Ok(loaded)
}
