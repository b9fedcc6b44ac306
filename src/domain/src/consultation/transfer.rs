//! A doctor hands the consultation on: to a department, or to a doctor who can take it now.

use super::{
    decide::{ALREADY_DONE, Answer, moved_on, put_offer},
    event::ConsultationEvent as Event,
    state::{Consultation, ConsultationState as State, Offer, OfferState},
};
use crate::{
    ids::{HospitalId, OfferId, StaffId},
    matching::Department,
    refusal::{Code, Refusal},
    time::Timestamp,
    words::Bilingual,
};

/// Where a consultation is transferred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To wait there, with its original waiting time.
    Department(Department),
    /// By an offer that is made at once. It keeps its department.
    Doctor {
        offer: OfferId,
        doctor: StaffId,
        hospital: HospitalId,
        /// Must be in the future; see [`MatchingPolicy::offer_expires_at`](crate::matching::MatchingPolicy::offer_expires_at).
        expires_at: Timestamp,
    },
}

crate::text_enum! {
    /// Why a doctor cannot take a consultation now.
    pub enum Obstacle {
        /// Off duty, or away.
        OffDuty = "off_duty",
        NotOnShift = "not_on_shift",
        /// Not verified, or lapsed.
        Licence = "licence",
        /// Nobody heard from them lately.
        Silent = "silent",
        /// They do not speak the worker's language.
        Language = "language",
        /// No place for its medium is free.
        Full = "full",
        /// They write their notes on another consultation.
        WrapUp = "wrap_up",
    }
}

pub(super) fn transfer(
    consultation: &Consultation,
    doctor: StaffId,
    to: Destination,
    now: Timestamp,
) -> Answer {
    match consultation.state {
        State::Active if consultation.doctor == Some(doctor) => hand_on(consultation, doctor, to, now),
        State::Waiting | State::Offered if is_done(consultation, doctor, to) => ALREADY_DONE,
        State::Active
        | State::Waiting
        | State::Offered
        | State::Completed
        | State::Cancelled
        | State::Unserved => moved_on(consultation),
    }
}

/// Whether this transfer was the last thing that happened.
fn is_done(consultation: &Consultation, doctor: StaffId, to: Destination) -> bool {
    let Some(last) = &consultation.offer else { return false };
    match to {
        Destination::Department(department) => {
            consultation.transferred_at.is_some()
                && consultation.department == department
                && (last.doctor, last.state) == (doctor, OfferState::Declined)
        }
        Destination::Doctor { offer, .. } => last.id == offer && last.state == OfferState::Open,
    }
}

fn hand_on(consultation: &Consultation, doctor: StaffId, to: Destination, now: Timestamp) -> Answer {
    match to {
        Destination::Department(department) => {
            Ok(vec![Event::Transferred { doctor, to_department: Some(department), to_doctor: None, at: now }])
        }
        Destination::Doctor { doctor: other, .. } if other == doctor => Err(Refusal::field(
            "doctor",
            "not_allowed",
            Bilingual::fixed("不能转给自己。", "You cannot transfer it to yourself."),
        )),
        // Nobody is offered a worker who is not there.
        Destination::Doctor { .. } if consultation.left_at.is_some() => {
            Err(Refusal::new(Code::WorkerAbsent).in_state(consultation.state))
        }
        Destination::Doctor { offer, doctor: other, hospital, expires_at } => {
            let handed_on =
                Event::Transferred { doctor, to_department: None, to_doctor: Some(other), at: now };
            let mut waiting = consultation.clone();
            waiting.apply(&handed_on);
            let fence = waiting.fence.saturating_add(1);
            let state = OfferState::Open;
            let wanted = Offer { id: offer, doctor: other, hospital, fence, expires_at, state };
            let offered = put_offer(&waiting, &wanted, now)?;
            Ok(std::iter::once(handed_on).chain(offered).collect())
        }
    }
}
