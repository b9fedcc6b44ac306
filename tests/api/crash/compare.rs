//! Compares what was acknowledged to workers, and what cabinets really did, with
//! the database. Pure functions, so that their tests can pass false data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::{
    ids::{AttemptId, OrderUnitId},
    vend::AttemptState,
};
use simulation::acknowledged::Acknowledgement;

/// The states that a row is in or has been in, by kind and id.
pub type Stored = HashMap<(String, String), BTreeSet<String>>;

/// An attempt as stored in the database.
#[derive(Clone, Copy)]
pub struct Attempt {
    pub id: AttemptId,
    pub unit: OrderUnitId,
    pub state: AttemptState,
}

/// Both copies of one cabinet's journal: hash by seq. `own` is the cabinet's, `stored` the server's.
#[derive(Default)]
pub struct Journals {
    pub station: String,
    pub own: BTreeMap<i64, String>,
    pub stored: BTreeMap<i64, String>,
}

/// Whether the cabinets have had the time to report everything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Killed,
    Settled,
}

/// Reports what was acknowledged and is missing, or only in an earlier state.
pub fn lost(acknowledged: &[Acknowledgement], stored: &Stored) -> Vec<String> {
    acknowledged
        .iter()
        .filter_map(|one| match stored.get(&(one.kind.clone(), one.id.clone())) {
            None => Some(format!("{} {} was {} and is lost", one.kind, one.id, one.state)),
            Some(states) if !states.contains(&one.state) => {
                Some(format!("{} {} was {} and is now {states:?}", one.kind, one.id, one.state))
            }
            Some(_) => None,
        })
        .collect()
}

/// Compares packs that dropped with attempts. `sensed` are the attempts whose drop
/// is in a cabinet's own journal.
pub fn drops(
    fallen: &[AttemptId],
    sensed: &HashSet<AttemptId>,
    attempts: &[Attempt],
    moment: Moment,
) -> Vec<String> {
    let mut found = Vec::new();
    let by_id: HashMap<AttemptId, Attempt> = attempts.iter().map(|one| (one.id, *one)).collect();
    let (mut of_attempt, mut of_unit) = (HashMap::new(), HashMap::new());
    for id in fallen {
        *of_attempt.entry(*id).or_insert(0) += 1;
        let Some(attempt) = by_id.get(id) else {
            found.push(format!("a pack fell for attempt {id}, which nobody knows"));
            continue;
        };
        *of_unit.entry(attempt.unit).or_insert(0) += 1;
        let known = match attempt.state {
            AttemptState::Dispensed => true,
            AttemptState::InDoubt => moment == Moment::Killed || !sensed.contains(id),
            AttemptState::Started => moment == Moment::Killed,
            AttemptState::Issued | AttemptState::Voided | AttemptState::NotDispensed => false,
        };
        if !known {
            found.push(format!("a pack fell for attempt {id}, which is {}", attempt.state));
        }
    }
    found.extend(
        of_attempt.iter().filter(|(_, n)| **n > 1).map(|(id, n)| format!("attempt {id} fell {n} times")),
    );
    found.extend(of_unit.iter().filter(|(_, n)| **n > 1).map(|(id, n)| format!("unit {id} fell {n} times")));
    for attempt in attempts.iter().filter(|one| one.state == AttemptState::Dispensed) {
        if !of_attempt.contains_key(&attempt.id) {
            found.push(format!("attempt {} is dispensed, and nothing fell", attempt.id));
        }
    }
    found
}

/// Checks that the server's copy of a journal is a prefix of the cabinet's own.
pub fn journals(all: &[Journals], moment: Moment) -> Vec<String> {
    let mut found = Vec::new();
    for one in all {
        for (place, (seq, hash)) in (1_i64..).zip(&one.stored) {
            if place != *seq {
                found.push(format!("{}: the server's journal has a gap before {seq}", one.station));
                break;
            }
            if one.own.get(seq) != Some(hash) {
                found.push(format!("{}: entry {seq} differs from the cabinet's own", one.station));
            }
        }
        if moment == Moment::Settled && one.own.len() != one.stored.len() {
            let (own, stored) = (one.own.len(), one.stored.len());
            found.push(format!("{}: {own} entries written, {stored} handed in", one.station));
        }
    }
    found
}

mod tests {
    use super::*;

    fn acknowledged(kind: &str, id: &str, state: &str) -> Acknowledgement {
        Acknowledgement { kind: kind.into(), id: id.into(), state: state.into() }
    }

    fn attempt(state: AttemptState) -> Attempt {
        Attempt { id: AttemptId::generate(), unit: OrderUnitId::generate(), state }
    }

    #[test]
    fn a_lost_order_and_one_in_an_earlier_state_are_reported() {
        let states = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        let mut stored = Stored::new();
        stored.insert(("order".into(), "o1".into()), states(&["reserved", "paid", "completed"]));
        stored.insert(("order".into(), "o2".into()), states(&["reserved"]));
        assert!(
            lost(&[acknowledged("order", "o1", "paid"), acknowledged("order", "o2", "reserved")], &stored)
                .is_empty()
        );
        assert_eq!(lost(&[acknowledged("order", "o2", "paid")], &stored).len(), 1, "it went back");
        assert_eq!(lost(&[acknowledged("order", "o3", "reserved")], &stored).len(), 1, "it is gone");
        assert_eq!(lost(&[acknowledged("unit", "o1", "paid")], &stored).len(), 1, "of another kind");
    }

    #[test]
    fn a_second_drop_is_reported_for_one_attempt_and_for_two_of_one_unit() {
        let one = attempt(AttemptState::Dispensed);
        let none = HashSet::new();
        assert!(drops(&[one.id], &none, &[one], Moment::Settled).is_empty());
        let twice = drops(&[one.id, one.id], &none, &[one], Moment::Settled);
        assert!(twice.iter().any(|fault| fault.contains("fell 2 times")), "{twice:?}");
        let again = Attempt { unit: one.unit, ..attempt(AttemptState::InDoubt) };
        let both = drops(&[one.id, again.id], &none, &[one, again], Moment::Settled);
        assert_eq!(both, [format!("unit {} fell 2 times", one.unit)]);
    }

    #[test]
    fn a_dispensed_attempt_without_a_drop_and_an_unknown_drop_are_reported() {
        let none = HashSet::new();
        let paper = attempt(AttemptState::Dispensed);
        assert_eq!(drops(&[], &none, &[paper], Moment::Killed).len(), 1);
        assert_eq!(drops(&[AttemptId::generate()], &none, &[], Moment::Killed).len(), 1);
        for state in [AttemptState::Issued, AttemptState::Voided, AttemptState::NotDispensed] {
            let closed = attempt(state);
            assert_eq!(drops(&[closed.id], &none, &[closed], Moment::Killed).len(), 1, "{state}");
        }
    }

    #[test]
    fn once_settled_a_sensed_drop_is_dispensed_and_no_drop_is_merely_started() {
        let started = attempt(AttemptState::Started);
        let none = HashSet::new();
        assert!(drops(&[started.id], &none, &[started], Moment::Killed).is_empty());
        assert_eq!(drops(&[started.id], &none, &[started], Moment::Settled).len(), 1);
        let doubt = attempt(AttemptState::InDoubt);
        assert!(drops(&[doubt.id], &none, &[doubt], Moment::Settled).is_empty());
        assert_eq!(drops(&[doubt.id], &HashSet::from([doubt.id]), &[doubt], Moment::Settled).len(), 1);
    }

    #[test]
    fn a_forked_incomplete_or_unreported_journal_is_reported() {
        let chain =
            |seqs: &[i64]| seqs.iter().map(|seq| (*seq, format!("h{seq}"))).collect::<BTreeMap<_, _>>();
        let pair = |own: &[i64], stored: &[i64]| Journals {
            station: "s".into(),
            own: chain(own),
            stored: chain(stored),
        };
        assert!(journals(&[pair(&[1, 2, 3], &[1, 2])], Moment::Killed).is_empty());
        assert_eq!(journals(&[pair(&[1, 2, 3], &[1, 2])], Moment::Settled).len(), 1, "not handed in");
        assert_eq!(journals(&[pair(&[1, 2, 3], &[1, 3])], Moment::Killed).len(), 1, "a gap");
        assert_eq!(journals(&[pair(&[1], &[1, 2])], Moment::Killed).len(), 1, "the cabinet forgot");
        let mut forked = pair(&[1, 2], &[1, 2]);
        forked.own.insert(2, "other".into());
        assert_eq!(journals(&[forked], Moment::Killed).len(), 1, "a fork");
    }
}
