//! What a command does to a consultation, if anything.

use super::{
    attendance::{call, end_absent, no_show, worker_back, worker_left},
    event::ConsultationEvent as Event,
    state::{CancelReason, Consultation, ConsultationState as State, Offer, OfferState},
    transfer::{Destination, transfer},
};
use crate::{
    ids::{HospitalId, OfferId, StaffId, StationId},
    matching::MatchingPolicy,
    refusal::{Code, Refusal},
    time::Timestamp,
    triage::TriageLevel,
    words::Bilingual,
};

/// A command on a consultation. The service checks who may issue it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Offer the consultation to one doctor.
    Offer {
        offer: OfferId,
        doctor: StaffId,
        hospital: HospitalId,
        /// The snapshot's fence + 1.
        fence: i64,
        /// Must be in the future; see [`MatchingPolicy::offer_expires_at`].
        expires_at: Timestamp,
    },
    /// The doctor accepts the offer.
    Accept {
        offer: OfferId,
        doctor: StaffId,
        /// The fence of the offer that the doctor answers.
        fence: i64,
    },
    /// The doctor declines the offer.
    Decline {
        offer: OfferId,
        doctor: StaffId,
        /// The fence of the offer that the doctor answers.
        fence: i64,
    },
    /// The offer has expired.
    ExpireOffer { offer: OfferId },
    /// The doctor has been disconnected for longer than the reconnect grace.
    Requeue {
        doctor: StaffId,
        /// When the doctor was last heard from. If that is unknown, do not issue this command.
        lost_since: Timestamp,
    },
    /// The doctor signed out, or may not act any more: the open offer or the active
    /// consultation goes back to the queue at once.
    Release { doctor: StaffId },
    /// The doctor who has it hands it on.
    Transfer { doctor: StaffId, to: Destination },
    /// The worker is no longer checked in at any station.
    WorkerLeft {
        /// The station whose screen they left last.
        station: StationId,
    },
    /// The worker is away and their turn has come: call them at the screen that they left.
    Call,
    /// The worker is checked in again, at any station.
    WorkerBack,
    /// The worker left and did not come back in time: end the consultation.
    EndAbsent,
    /// The doctor ends it because the worker did not appear.
    NoShow {
        doctor: StaffId,
        /// The worker's last activity.
        last_heard: Option<Timestamp>,
    },
    /// The request for care is withdrawn.
    Cancel { reason: CancelReason },
    /// The doctor completes it.
    Complete { doctor: StaffId },
    /// Raise the triage level to what is known now. It never falls: a later normal
    /// reading does not move the worker back in the queue.
    Triage { level: TriageLevel },
    /// No doctor was found within the limit: end as unserved.
    GiveUp,
    /// The worker rates it.
    Rate {
        /// 1 to 5.
        rating: u8,
    },
}

impl Consultation {
    /// The events that result from `command` at `now`. An empty list means that it was already done.
    ///
    /// # Errors
    /// - `offer_gone` when the offer is not, or no longer, open for this doctor,
    /// - `state_moved_on` with the current state for any other command that is too late;
    ///   with `retry_after_s` if it is too early,
    /// - `worker_absent` for a transfer to a doctor while the worker is checked in nowhere,
    /// - `invalid_field` for a rating outside 1 to 5, an offer that expires in the past, or a transfer to
    ///   the doctor who has it.
    pub fn decide(&self, command: &Command, now: Timestamp, policy: &MatchingPolicy) -> Answer {
        match *command {
            Command::Offer { offer, doctor, hospital, fence, expires_at } => {
                let offer = Offer { id: offer, doctor, hospital, fence, expires_at, state: OfferState::Open };
                put_offer(self, &offer, now)
            }
            Command::Accept { offer, doctor, fence } => accept(self, (offer, doctor, fence), now),
            Command::Decline { offer, doctor, fence } => decline(self, (offer, doctor, fence)),
            Command::ExpireOffer { offer } => expire(self, offer, now),
            Command::Requeue { doctor, lost_since } => requeue(self, doctor, lost_since, now, policy),
            Command::Release { doctor } => release(self, doctor, now),
            Command::Transfer { doctor, to } => transfer(self, doctor, to, now),
            Command::WorkerLeft { station } => worker_left(self, station, now),
            Command::Call => call(self, now),
            Command::WorkerBack => worker_back(self, now),
            Command::EndAbsent => end_absent(self, now, policy),
            Command::NoShow { doctor, last_heard } => no_show(self, doctor, last_heard, now, policy),
            Command::Cancel { reason } => cancel(self, reason, now),
            Command::Complete { doctor } => complete(self, doctor, now),
            Command::Triage { level } => triage(self, level, now),
            Command::GiveUp => give_up(self, now, policy),
            Command::Rate { rating } => rate(self, rating),
        }
    }
}

/// The events, or the refusal.
pub(super) type Answer = Result<Vec<Event>, Refusal>;

/// A repeated command succeeds without events.
pub(super) const ALREADY_DONE: Answer = Ok(Vec::new());

pub(super) fn moved_on(consultation: &Consultation) -> Answer {
    Err(Refusal::moved_on(consultation.state))
}

pub(super) fn too_early(consultation: &Consultation, until: Timestamp, now: Timestamp) -> Answer {
    let seconds = (until.signed_duration_since(now).num_milliseconds() + 999) / 1000;
    Err(Refusal::moved_on(consultation.state).retry_after(u32::try_from(seconds).unwrap_or(u32::MAX)))
}

fn offer_gone(consultation: &Consultation) -> Answer {
    Err(Refusal::new(Code::OfferNotYours).in_state(consultation.state))
}

pub(super) fn put_offer(consultation: &Consultation, wanted: &Offer, now: Timestamp) -> Answer {
    match consultation.state {
        State::Waiting if wanted.fence != consultation.fence.saturating_add(1) => moved_on(consultation),
        // The worker is not checked in.
        State::Waiting if consultation.left_at.is_some() => moved_on(consultation),
        State::Waiting if wanted.expires_at <= now => Err(Refusal::field(
            "expires_at",
            "in_the_past",
            Bilingual::fixed("派单的到期时间须在将来。", "An offer must expire in the future."),
        )),
        State::Waiting => Ok(vec![Event::Offered {
            offer: wanted.id,
            doctor: wanted.doctor,
            hospital: wanted.hospital,
            fence: wanted.fence,
            expires_at: wanted.expires_at,
        }]),
        State::Offered if consultation.offer.as_ref() == Some(wanted) => ALREADY_DONE,
        State::Offered | State::Active | State::Completed | State::Cancelled | State::Unserved => {
            moved_on(consultation)
        }
    }
}

/// The last offer, if id, doctor and fence match the doctor's answer.
fn matching_offer(
    consultation: &Consultation,
    (offer, doctor, fence): (OfferId, StaffId, i64),
) -> Option<&Offer> {
    consultation
        .offer
        .as_ref()
        .filter(|last| last.id == offer && last.doctor == doctor && last.fence == fence)
}

fn accept(consultation: &Consultation, answer: (OfferId, StaffId, i64), now: Timestamp) -> Answer {
    let Some(offer) = matching_offer(consultation, answer) else { return offer_gone(consultation) };
    match consultation.state {
        // An expired offer cannot be accepted, even before the sweep has marked it.
        State::Offered if now < offer.expires_at => Ok(vec![Event::Accepted {
            offer: offer.id,
            doctor: offer.doctor,
            hospital: offer.hospital,
            fence: offer.fence,
            at: now,
        }]),
        State::Active => ALREADY_DONE,
        State::Offered | State::Waiting => offer_gone(consultation),
        State::Completed | State::Cancelled | State::Unserved => moved_on(consultation),
    }
}

fn decline(consultation: &Consultation, answer: (OfferId, StaffId, i64)) -> Answer {
    let Some(offer) = matching_offer(consultation, answer) else { return offer_gone(consultation) };
    match offer.state {
        OfferState::Open => Ok(vec![Event::Declined { offer: offer.id, doctor: offer.doctor }]),
        OfferState::Declined => ALREADY_DONE,
        OfferState::Accepted | OfferState::Expired | OfferState::Withdrawn => offer_gone(consultation),
    }
}

fn expire(consultation: &Consultation, offer: OfferId, now: Timestamp) -> Answer {
    let Some(offer) = consultation.offer.as_ref().filter(|last| last.id == offer) else {
        return offer_gone(consultation);
    };
    match offer.state {
        OfferState::Open if now < offer.expires_at => too_early(consultation, offer.expires_at, now),
        OfferState::Open => Ok(vec![Event::OfferExpired { offer: offer.id, doctor: offer.doctor }]),
        OfferState::Expired => ALREADY_DONE,
        OfferState::Accepted | OfferState::Declined | OfferState::Withdrawn => offer_gone(consultation),
    }
}

fn requeue(
    consultation: &Consultation,
    doctor: StaffId,
    lost_since: Timestamp,
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Answer {
    match consultation.state {
        State::Active if consultation.doctor == Some(doctor) => {
            // An accept counts as a sign of life.
            let last_heard = consultation.accepted_at.map_or(lost_since, |at| at.max(lost_since));
            let until = policy.grace_ends_at(last_heard);
            if now < until {
                return too_early(consultation, until, now);
            }
            Ok(vec![Event::Requeued { doctor, at: now, released: false }])
        }
        State::Waiting if was_lost(consultation, doctor) => ALREADY_DONE,
        State::Active
        | State::Waiting
        | State::Offered
        | State::Completed
        | State::Cancelled
        | State::Unserved => moved_on(consultation),
    }
}

/// While waiting, a withdrawn last offer means that this doctor was lost or that the
/// worker left during the offer: in both cases the doctor no longer has the consultation.
fn was_lost(consultation: &Consultation, doctor: StaffId) -> bool {
    let last = consultation.offer.as_ref();
    last.is_some_and(|offer| offer.doctor == doctor && offer.state == OfferState::Withdrawn)
}

pub(super) fn withdrawn(consultation: &Consultation) -> Option<Event> {
    let offer = consultation.offer.as_ref();
    offer.map(|offer| Event::OfferWithdrawn { offer: offer.id, doctor: offer.doctor })
}

fn release(consultation: &Consultation, doctor: StaffId, now: Timestamp) -> Answer {
    match consultation.state {
        State::Active if consultation.doctor == Some(doctor) => {
            Ok(vec![Event::Requeued { doctor, at: now, released: true }])
        }
        State::Offered if consultation.offer.as_ref().is_some_and(|offer| offer.doctor == doctor) => {
            Ok(withdrawn(consultation).into_iter().collect())
        }
        State::Waiting if was_lost(consultation, doctor) => ALREADY_DONE,
        State::Active
        | State::Waiting
        | State::Offered
        | State::Completed
        | State::Cancelled
        | State::Unserved => moved_on(consultation),
    }
}

fn cancel(consultation: &Consultation, reason: CancelReason, now: Timestamp) -> Answer {
    let cancelled = Event::Cancelled { reason, at: now };
    match consultation.state {
        State::Waiting => Ok(vec![cancelled]),
        State::Offered => Ok(withdrawn(consultation).into_iter().chain([cancelled]).collect()),
        State::Cancelled => ALREADY_DONE,
        State::Active | State::Completed | State::Unserved => moved_on(consultation),
    }
}

fn complete(consultation: &Consultation, doctor: StaffId, now: Timestamp) -> Answer {
    let own = consultation.doctor == Some(doctor);
    match consultation.state {
        State::Active if own => Ok(vec![Event::Completed { doctor, at: now }]),
        State::Completed if own => ALREADY_DONE,
        State::Active
        | State::Completed
        | State::Waiting
        | State::Offered
        | State::Cancelled
        | State::Unserved => moved_on(consultation),
    }
}

fn triage(consultation: &Consultation, level: TriageLevel, now: Timestamp) -> Answer {
    match consultation.state {
        _ if level >= consultation.triage => ALREADY_DONE,
        State::Waiting | State::Offered | State::Active => {
            Ok(vec![Event::Triaged { triage: level, at: now }])
        }
        State::Completed | State::Cancelled | State::Unserved => moved_on(consultation),
    }
}

fn give_up(consultation: &Consultation, now: Timestamp, policy: &MatchingPolicy) -> Answer {
    match consultation.state {
        State::Waiting => {
            let until = policy.unserved_at(consultation.requeued_at.unwrap_or(consultation.waiting_since));
            if now < until {
                return too_early(consultation, until, now);
            }
            Ok(vec![Event::Unserved { at: now }])
        }
        State::Unserved => ALREADY_DONE,
        State::Offered | State::Active | State::Completed | State::Cancelled => moved_on(consultation),
    }
}

fn rate(consultation: &Consultation, rating: u8) -> Answer {
    if !(1..=5).contains(&rating) {
        return Err(Refusal::field(
            "rating",
            "out_of_range",
            Bilingual::fixed("评分须为 1 到 5。", "The rating must be 1 to 5."),
        ));
    }
    match (consultation.state, consultation.rating) {
        (State::Completed, None) => Ok(vec![Event::Rated { rating }]),
        (State::Completed, Some(given)) if given == rating => ALREADY_DONE,
        (State::Completed, Some(_)) => Err(Refusal::new(Code::AlreadyExists).in_state(consultation.state)),
        (State::Waiting | State::Offered | State::Active | State::Cancelled | State::Unserved, _) => {
            moved_on(consultation)
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
