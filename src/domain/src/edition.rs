//! Editions of what people agree on: proposed by one person, approved by another, in force from a time on.
//! The safety rules (`safety`) and the selections of the formulary (`formulary`) have them.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{
    ids::StaffId,
    refusal::{Code, Refusal},
    staff::role::Role,
    time::Timestamp,
    words::Bilingual,
};

crate::text_enum! {
    /// How far an edition has come.
    pub enum EditionState as "RuleEditionState" {
        /// It waits for a second person.
        Proposed = "proposed",
        /// It applies from its time on, until a later edition does.
        Approved = "approved",
        /// It does not apply any more, or never did.
        Withdrawn = "withdrawn",
    }
}

/// The latest that an approved edition may take effect. Our default: what it changes may be
/// outdated by then.
const LATEST_EFFECT: TimeDelta = TimeDelta::days(90);

/// Whether `by` may approve an edition in this state that `proposed_by` proposed, from `effective_at` on. One of
/// the two is a pharmacist (our default: both are a pharmacist's work).
///
/// # Errors
/// `OwnApproval`, `RoleNotAllowed`, `StateMovedOn`; a problem with `effective_at`.
pub fn check_approval(
    state: EditionState,
    proposed_by: (StaffId, Role),
    by: (StaffId, Role),
    effective_at: Timestamp,
    now: Timestamp,
) -> Result<(), Refusal> {
    if state != EditionState::Proposed {
        return Err(Refusal::moved_on(state));
    }
    if proposed_by.0 == by.0 {
        return Err(Refusal::new(Code::OwnApproval));
    }
    if ![proposed_by.1, by.1].contains(&Role::Pharmacist) {
        return Err(Refusal::new(Code::RoleNotAllowed));
    }
    if effective_at < now || effective_at > now + LATEST_EFFECT {
        let message =
            Bilingual::fixed("生效时间须在现在至 90 天之内。", "It takes effect now or within 90 days.");
        return Err(Refusal::field("effective_at", "out_of_range", message));
    }
    Ok(())
}

/// The editions that apply now or later.
#[derive(Debug, Clone)]
pub struct Editions<T> {
    /// What applies before any of `later`.
    first: Arc<T>,
    /// By the time from which they apply.
    later: Vec<(Timestamp, Arc<T>)>,
}

impl<T> Editions<T> {
    /// These approved editions, in the order in which they take effect; `first` before them.
    pub fn new(first: Arc<T>, approved: Vec<(Timestamp, Arc<T>)>) -> Self {
        Self { first, later: approved }
    }

    /// What is in force at `now`.
    pub fn in_force(&self, now: Timestamp) -> &Arc<T> {
        let begun = self.later.iter().rev().find(|(from, _)| *from <= now);
        begun.map_or(&self.first, |(_, edition)| edition)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn at(hour: u32) -> Timestamp {
        chrono::Utc.with_ymd_and_hms(2026, 11, 30, hour, 0, 0).single().expect("a real time")
    }

    #[test]
    fn an_edition_applies_from_its_time_on_until_the_next() {
        let first = Arc::new("shipped");
        let editions = Editions::new(first, vec![(at(8), Arc::new("first")), (at(10), Arc::new("second"))]);
        assert_eq!(**editions.in_force(at(7)), "shipped");
        let in_force = |hour| **editions.in_force(at(hour));
        assert_eq!([8, 9, 10, 23].map(in_force), ["first", "first", "second", "second"]);
    }

    #[test]
    fn another_person_approves_one_of_the_two_being_a_pharmacist() {
        let (one, other) = (StaffId::generate(), StaffId::generate());
        let code = |proposed_by, by, effective_at, state| {
            check_approval(state, proposed_by, by, effective_at, at(8)).err().map(|refusal| refusal.code)
        };
        let (operator, pharmacist) = ((one, Role::Operator), (other, Role::Pharmacist));
        let proposed = EditionState::Proposed;
        assert_eq!(code(operator, pharmacist, at(8), proposed), None);
        assert_eq!(code(pharmacist, operator, at(9), proposed), None);
        assert_eq!(code(pharmacist, pharmacist, at(8), proposed), Some(Code::OwnApproval));
        assert_eq!(code(operator, (other, Role::Operator), at(8), proposed), Some(Code::RoleNotAllowed));
        assert_eq!(code(operator, pharmacist, at(7), proposed), Some(Code::InvalidField));
        let too_late = at(8) + LATEST_EFFECT + TimeDelta::seconds(1);
        assert_eq!(code(operator, pharmacist, too_late, proposed), Some(Code::InvalidField));
        for state in [EditionState::Approved, EditionState::Withdrawn] {
            assert_eq!(code(operator, pharmacist, at(8), state), Some(Code::StateMovedOn));
        }
    }
}
