//! What follows when the worker leaves, comes back, or does not come.

use super::{
    decide::{ALREADY_DONE, Answer, moved_on, too_early, withdrawn},
    event::ConsultationEvent as Event,
    state::{CancelReason, Consultation, ConsultationState as State},
};
use crate::{ids::StaffId, matching::MatchingPolicy, time::Timestamp};

pub(super) fn worker_left(consultation: &Consultation, now: Timestamp) -> Answer {
    let left = Event::WorkerLeft { at: now };
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

pub(super) fn end_absent(consultation: &Consultation, now: Timestamp, policy: &MatchingPolicy) -> Answer {
    match (consultation.state, consultation.left_at) {
        (State::Waiting, Some(left_at)) => {
            let until = policy.absent_ends_at(consultation.absent_since(left_at));
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
    /// From when the time counts in which a worker who left at `left_at` may come back. While a doctor had
    /// the consultation, it was for the doctor to judge the absence.
    fn absent_since(&self, left_at: Timestamp) -> Timestamp {
        self.requeued_at.map_or(left_at, |at| at.max(left_at))
    }
}
