//! Imports single shifts and the rules by which shifts repeat.

use std::collections::{BTreeSet, HashMap};

use super::{Existing, Found, ImportError, Lined, Loaded, record};
use crate::{
    Failure, Recipients, Tx,
    network::roster::{except, rule},
};
use coordination::Topic;
use domain::{
    event::staff::StaffEvent,
    ids::{ShiftId, StaffId},
    network::{
        import::ImportKind,
        roster::{ShiftRuleRecord, Span, on_leave_message},
    },
    refusal::FieldProblem,
    staff::{ShiftRecord, overlap_message},
};
use storage::network::roster::{self as store, ShiftRow, leave, rule as rules};

/// The ids of these people, by address.
fn people<'a>(
    tx: &mut Tx<'_>,
    emails: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, StaffId>, ImportError> {
    let unique: Vec<&str> = emails.collect::<BTreeSet<_>>().into_iter().collect();
    Ok(storage::network::import::staff_known(tx.conn, &unique)?)
}

/// Loads shifts. An existing shift with the same start may be skipped, or get another end.
///
/// # Errors
/// A problem for each unknown member of staff, and each shift that meets another or a leave.
pub fn shifts(
    tx: &mut Tx<'_>,
    rows: &[Lined<ShiftRecord>],
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let known = people(tx, rows.iter().map(|(_, row)| row.staff_email.as_str()))?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    for (line, row) in rows {
        let Some(person) = known.get(&row.staff_email).copied() else {
            found.unknown(*line, "staff_email");
            continue;
        };
        let span = Span { from: row.starts_at, until: row.ends_at };
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
                store::shift_add(tx.conn, id, person, span)?;
                let (starts_at, ends_at) = (row.starts_at, row.ends_at);
                let event = StaffEvent::ShiftAdded { shift: id, starts_at, ends_at };
                tx.record(person, event, Recipients::staff(person))?;
                loaded.added += 1;
            }
            // The same shift, perhaps with another end.
            Some(same) => {
                if found.known(existing, &mut loaded, *line, "starts_at") && same.span() != span {
                    store::shift_write(tx.conn, same.id, same.version, span)?;
                    except(tx, same)?;
                }
            }
        }
    }
    found.done()?;
    tx.wake(Topic::Matching);
    record(tx, ImportKind::Shifts, loaded)?;
    Ok(loaded)
}

/// Loads rules and plans their shifts. An existing rule with the same first start and the same RRULE
/// may be skipped, or replaced.
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
        let person = match known.get(&row.staff_email) {
            Some(id) => storage::staff::staff_lock(tx.conn, *id)?,
            None => None,
        };
        let Some(person) = person.filter(|person| person.disabled_at.is_none()) else {
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
                rule::add(tx, &person, row)
            }
            Some(same) if found.known(existing, &mut loaded, *line, "first_date") => {
                rule::change(tx, &person, same.id, same.version, row)
            }
            Some(_) => continue,
        };
        match written {
            Ok(_) => {}
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
