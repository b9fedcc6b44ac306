//! A doctor goes on duty and off duty.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Failure, Recipients, Tx,
    caller::{StaffCaller, session_ends_at},
    consultation::attendance::{GivesBack, off_duty},
};
use coordination::Topic;
use domain::{
    event::staff::{OffDutyReason, StaffEvent},
    ids::StaffId,
    matching::presence::{AwayReason, DutyStatus, Presence},
    refusal::{Code, Refusal},
    time::{Timestamp, civil_day},
    words::Bilingual,
};
use storage::{
    Conn, Live,
    matching::doctor::{self as store, DoctorRow, DutyRow},
};

/// The presence that a doctor sets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DutyInput {
    /// `available` or `off`; the service sets `away` itself after an unanswered offer.
    #[schema(value_type = WantedPresence)]
    pub presence: Presence,
}

/// The values that a doctor may set; only for the API document.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is read")]
enum WantedPresence {
    Available,
    Off,
}

/// A doctor's duty.
#[derive(Debug, Serialize, ToSchema)]
pub struct DutyView {
    /// Off, available or away.
    pub presence: Presence,
    /// What the doctor can do now: `busy` and `wrap_up` are states of one who is available; `off` is also
    /// whoever is on no shift, or may not practise.
    pub status: DutyStatus,
    /// What keeps them off duty whatever they set: `no_shift` or `licence`.
    pub off_because: Option<OffDutyReason>,
    /// When the wrap-up of the last consultation ends; only while `wrap_up`.
    pub wrap_up_until: Option<DateTime<Utc>>,
    /// Why they were made away; only while away. Setting `available` brings them back.
    pub away_because: Option<AwayReason>,
    /// Since when; only while away.
    pub away_since: Option<DateTime<Utc>>,
    /// When the present shift ends; none when on no shift.
    pub on_shift_until: Option<DateTime<Utc>>,
    /// The department that the present shift is for; none is all of the doctor's.
    pub on_shift_for: Option<String>,
    /// When the doctor's newest session ends. Whoever signs in again before, or within the grace of a lost
    /// line after it, goes on with what they have; then it goes back to the queue.
    pub session_ends_at: Option<DateTime<Utc>>,
    /// Live consultations by text now, offers included.
    pub live: i32,
    /// Consultations by text at once, at most.
    pub capacity: i32,
    /// Live consultations by video now, offers included.
    pub live_video: i32,
    /// Consultations by video at once, at most.
    pub video_capacity: i32,
}

fn off_because(row: &DoctorRow, is_on_shift: bool, now: Timestamp) -> Option<OffDutyReason> {
    if row.licence_verified_at.is_none() || row.licence_valid_until < civil_day(now) {
        Some(OffDutyReason::Licence)
    } else {
        (!is_on_shift).then_some(OffDutyReason::NoShift)
    }
}

/// `busy` outranks `wrap_up`: the end of a wrap-up alone brings nothing then.
fn status(row: &DoctorRow, off_because: Option<OffDutyReason>, now: Timestamp) -> DutyStatus {
    match row.presence {
        Presence::Available | Presence::Away if off_because.is_some() => DutyStatus::Off,
        Presence::Off => DutyStatus::Off,
        Presence::Away => DutyStatus::Away,
        Presence::Available if row.live >= row.capacity && row.live_video >= row.video_capacity => {
            DutyStatus::Busy
        }
        Presence::Available if row.wrap_up_until.is_some_and(|until| now < until) => DutyStatus::WrapUp,
        Presence::Available => DutyStatus::Available,
    }
}

/// A doctor's duty; none once an authority has ended.
pub fn fetch(
    conn: &mut Conn,
    live: Live,
    caller: StaffCaller,
    now: Timestamp,
) -> Result<Option<DutyView>, Failure> {
    let found = store::doctor_on_shift(conn, live, caller.staff, now)?;
    Ok(found.map(|DutyRow { doctor: row, on_shift_until, on_shift_for, signed_in_at }| {
        let off_because = off_because(&row, on_shift_until.is_some(), now);
        let status = status(&row, off_because, now);
        DutyView {
            presence: row.presence,
            status,
            off_because,
            wrap_up_until: row.wrap_up_until.filter(|_| status == DutyStatus::WrapUp),
            away_because: row.away_because,
            away_since: row.away_since,
            on_shift_until,
            on_shift_for: on_shift_for.map(|department| department.as_str().to_owned()),
            session_ends_at: signed_in_at.map(session_ends_at),
            live: row.live,
            capacity: row.capacity,
            live_video: row.live_video,
            video_capacity: row.video_capacity,
        }
    }))
}

/// Sets the caller's duty. A doctor who goes off keeps active consultations and gets no more; what is
/// offered to them goes back to the queue at once.
///
/// # Errors
/// `NotOnShift`; `DoctorNotEligible` without a verified, valid licence.
pub fn set(tx: &mut Tx<'_>, caller: StaffCaller, input: &DutyInput) -> Result<DutyView, Failure> {
    let row = store::doctor_fetch(tx.conn, caller.staff)?.ok_or(Code::NotFound)?;
    match input.presence {
        Presence::Available => {
            ensure_may_serve(tx, &row)?;
            go_on_duty(tx, caller.staff)?;
        }
        Presence::Off => drop(off_duty(tx, caller.staff, GivesBack::Offers, None)?),
        Presence::Away => {
            let message = Bilingual::fixed("只能设为 available 或 off", "set `available` or `off`");
            return Err(Refusal::field("presence", "not_allowed", message).into());
        }
    }
    fetch(tx.conn, Live::always(), caller, tx.now)?.ok_or_else(|| Code::NotFound.into())
}

fn go_on_duty(tx: &mut Tx<'_>, doctor: StaffId) -> Result<(), Failure> {
    let presence = Presence::Available;
    if store::presence_set(tx.conn, doctor, presence, tx.now)? {
        let event = StaffEvent::DutyChanged { presence, reason: None, by: None, away_because: None };
        tx.record(doctor, event, Recipients::staff(doctor))?;
        tx.wake(Topic::Matching);
    }
    Ok(())
}

/// Sets an available doctor to away, and tells them so.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn make_away(tx: &mut Tx<'_>, doctor: StaffId, because: AwayReason) -> Result<(), Failure> {
    if store::presence_set_away(tx.conn, doctor, because, tx.now)? {
        let (presence, away_because) = (Presence::Away, Some(because));
        let event = StaffEvent::DutyChanged { presence, reason: None, by: None, away_because };
        tx.record(doctor, event, Recipients::staff(doctor))?;
    }
    Ok(())
}

fn ensure_may_serve(tx: &mut Tx<'_>, row: &DoctorRow) -> Result<(), Failure> {
    let today = civil_day(tx.now);
    if row.licence_verified_at.is_none() || row.licence_valid_until < today {
        return Err(Code::DoctorNotEligible.into());
    }
    if store::on_shift_until(tx.conn, row.staff_id, tx.now)?.is_none() {
        return Err(Code::NotOnShift.into());
    }
    Ok(())
}
