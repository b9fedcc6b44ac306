//! What follows when the worker leaves, comes back, or does not come.

use chrono::TimeDelta;

use super::{
    decide::{ALREADY_DONE, Answer, moved_on, too_early, withdrawn},
    event::ConsultationEvent as Event,
    state::{CancelReason, Consultation, ConsultationState as State},
};
use crate::{
    ids::{ConsultationId, StaffId, StationId},
    matching::MatchingPolicy,
    time::Timestamp,
};

pub(super) fn worker_left(consultation: &Consultation, station: StationId, now: Timestamp) -> Answer {
    let left = Event::WorkerLeft { at: now, station: Some(station) };
    match consultation.state {
        State::Waiting | State::Offered | State::Active if consultation.left_at.is_some() => ALREADY_DONE,
        // While active, the doctor decides whether to end it (no-show).
        State::Waiting | State::Active => Ok(vec![left]),
        State::Offered => Ok(withdrawn(consultation).into_iter().chain([left]).collect()),
        State::Completed | State::Cancelled | State::Unserved => moved_on(consultation),
    }
}

pub(super) fn worker_back(consultation: &Consultation, now: Timestamp) -> Answer {
    match consultation.state {
        State::Waiting | State::Offered | State::Active if consultation.left_at.is_none() => ALREADY_DONE,
        State::Waiting | State::Offered | State::Active => Ok(vec![Event::WorkerBack { at: now }]),
        State::Completed | State::Cancelled | State::Unserved => moved_on(consultation),
    }
}

pub(super) fn call(consultation: &Consultation, now: Timestamp) -> Answer {
    match consultation.state {
        State::Waiting if consultation.called_at.is_some() => ALREADY_DONE,
        State::Waiting if consultation.left_at.is_some() => Ok(vec![Event::Called { at: now }]),
        State::Waiting
        | State::Offered
        | State::Active
        | State::Completed
        | State::Cancelled
        | State::Unserved => moved_on(consultation),
    }
}

pub(super) fn end_absent(consultation: &Consultation, now: Timestamp, policy: &MatchingPolicy) -> Answer {
    match (consultation.state, consultation.held_until(policy)) {
        (State::Waiting, Some(until)) => {
            if now < until {
                return too_early(consultation, until, now);
            }
            Ok(vec![Event::Cancelled { reason: CancelReason::WorkerLeft, at: now }])
        }
        (State::Cancelled, _) if consultation.cancel_reason == Some(CancelReason::WorkerLeft) => ALREADY_DONE,
        (
            State::Waiting
            | State::Offered
            | State::Active
            | State::Completed
            | State::Cancelled
            | State::Unserved,
            _,
        ) => moved_on(consultation),
    }
}

pub(super) fn no_show(
    consultation: &Consultation,
    doctor: StaffId,
    last_heard: Option<Timestamp>,
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Answer {
    let own = consultation.doctor == Some(doctor);
    match consultation.state {
        State::Active if own => {
            let since = consultation.accepted_at.max(last_heard).unwrap_or(consultation.waiting_since);
            let until = policy.no_show_at(since);
            if now < until {
                return too_early(consultation, until, now);
            }
            Ok(vec![Event::Cancelled { reason: CancelReason::NoShow, at: now }])
        }
        State::Cancelled if own && consultation.cancel_reason == Some(CancelReason::NoShow) => ALREADY_DONE,
        State::Active
        | State::Waiting
        | State::Offered
        | State::Completed
        | State::Cancelled
        | State::Unserved => moved_on(consultation),
    }
}

impl Consultation {
    /// Until when the place of a worker who left is held; `None` while they are checked in, and unless it
    /// waits. Whoever is called has the whole time again. So has one who left while a doctor had the
    /// consultation: until then it was for the doctor to judge the absence. And nobody loses the place
    /// before the limit of the wait, since until then their turn may not have come.
    pub fn held_until(&self, policy: &MatchingPolicy) -> Option<Timestamp> {
        let left_at = self.left_at.filter(|_| self.state == State::Waiting)?;
        let due = policy.overdue_at(self.waiting_since);
        let latest = match self.called_at {
            Some(called_at) => left_at.max(called_at),
            None => left_at.max(due),
        };
        Some(policy.absent_ends_at(self.requeued_at.map_or(latest, |at| latest.max(at))))
    }

    /// When the worker was called last: the call is repeated while their place is held.
    pub fn last_called_at(&self, now: Timestamp, policy: &MatchingPolicy) -> Option<Timestamp> {
        let again = TimeDelta::seconds(i64::from(policy.call_again_s.max(1)));
        let first = self.called_at?;
        let repeated = (now - first).num_seconds().max(0) / again.num_seconds();
        Some(first + again * i32::try_from(repeated).unwrap_or(0))
    }
}

/// The number by which a screen calls the worker of a consultation: three digits. It says nothing about
/// who they are, and few are called at one screen at a time.
pub fn call_number(id: ConsultationId) -> String {
    // The end of the id is random.
    (100 + id.uuid().as_u128() % 900).to_string()
}
