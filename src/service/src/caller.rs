//! Who is calling, as proven by their token. What a token proves may have
//! ended since: every read and every write looks at the caller's row in the
//! database first, and a write looks once more in its last step.
//!
//! On PostgreSQL a verb may wait for a row while another transaction ends the
//! caller's authority. So the last step reads the authority's row again and keeps
//! it unchanged until the commit ([`Actor::confirm`]). It does not wait for that
//! row while holding others: whoever ends an authority may need those. Where the
//! row is being changed, the verb is undone and run again; after a few such turns
//! it waits. The rule for verbs that end an authority follows: change its row
//! (`session`, `check_in`, `device`) in the same transaction as whatever else
//! says so (`staff.disabled_at`).

use chrono::TimeDelta;

use crate::Failure;
use domain::{
    ids::{
        CabinetId, CheckInId, DeviceId, EmployerId, HospitalId, Id, SessionId, StaffId, StationId, WorkerId,
    },
    refusal::Code,
    staff::role::Role,
    time::Timestamp,
};
use storage::{Conn, StoreError, authority::Still, events::AnyId};

/// A station's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StationCaller {
    /// The enrolled key.
    pub device: DeviceId,
    /// The place it stands at.
    pub station: StationId,
    /// The device's epoch.
    pub epoch: i64,
}

/// A worker, through a check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerCaller {
    /// The person.
    pub worker: WorkerId,
    /// Their check-in.
    pub check_in: CheckInId,
    /// Where.
    pub station: StationId,
    /// They do something. What their screen only reads (polls, streams) is no
    /// sign that they are there.
    pub acts: bool,
}

/// A member of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaffCaller {
    /// The person.
    pub staff: StaffId,
    /// Doctor, pharmacist, operator, restocker or employer.
    pub role: Role,
    /// The signed-in span.
    pub session: SessionId,
    /// Its version; older tokens are void.
    pub session_version: i64,
    /// A doctor's hospital.
    pub hospital: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer: Option<EmployerId>,
}

/// A cabinet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CabinetCaller {
    /// The enrolled key.
    pub device: DeviceId,
    /// The machine.
    pub cabinet: CabinetId,
    /// Where it stands.
    pub station: StationId,
    /// The epoch of the key.
    pub epoch: i64,
    /// When the token was made: of two boots the later one has the later token.
    pub token_at: Timestamp,
}

/// Any caller, or the house itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A job of the house.
    System,
    /// Somebody without a token.
    Anyone,
    /// A station's screen.
    Station(StationCaller),
    /// A worker.
    Worker(WorkerCaller),
    /// A member of staff.
    Staff(StaffCaller),
    /// A cabinet.
    Cabinet(CabinetCaller),
}

/// A session older than this must be signed in anew.
pub(super) const SESSION_HOURS: i64 = 12;

impl Actor {
    /// The role as written beside events.
    pub fn role_name(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Anyone => "anyone",
            Self::Station(_) => Role::Station.as_str(),
            Self::Worker(_) => Role::Worker.as_str(),
            Self::Staff(staff) => staff.role.as_str(),
            Self::Cabinet(_) => Role::Cabinet.as_str(),
        }
    }

    /// The id as written beside events.
    pub fn any_id(&self) -> Option<AnyId> {
        let uuid = match self {
            Self::System | Self::Anyone => return None,
            Self::Station(station) => station.station.uuid(),
            Self::Worker(worker) => worker.worker.uuid(),
            Self::Staff(staff) => staff.staff.uuid(),
            Self::Cabinet(cabinet) => cabinet.cabinet.uuid(),
        };
        Some(Id::from_uuid(uuid))
    }

    /// One spelling per caller: the owner of idempotency keys.
    pub fn principal(&self) -> String {
        match self.any_id() {
            Some(id) => format!("{}:{id}", self.role_name()),
            None => self.role_name().to_owned(),
        }
    }

    /// Checks that what the token proved still holds.
    ///
    /// # Errors
    /// `CheckInEnded`, `SessionEnded` or `DeviceRevoked`.
    pub fn ensure_live(&self, conn: &mut Conn, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Worker(worker) if storage::authority::check_in_is_live(conn, worker.check_in)? => Ok(()),
            Self::Worker(_) => Err(Code::CheckInEnded.into()),
            _ => self.hold_live(conn, now).map(drop),
        }
    }

    /// As [`Self::ensure_live`], for a transaction that writes; tells what stood
    /// in the caller's row before this transaction touches it.
    ///
    /// # Errors
    /// As there.
    pub(super) fn hold_live(&self, conn: &mut Conn, now: Timestamp) -> Result<Standing, Failure> {
        Ok(match self {
            Self::System | Self::Anyone => Standing::default(),
            Self::Worker(worker) => {
                let active_at =
                    storage::authority::check_in_hold(conn, worker.check_in)?.ok_or(Code::CheckInEnded)?;
                Standing { active_at: Some(active_at), attended_at: None }
            }
            Self::Staff(staff) => {
                let row = storage::authority::session_live(
                    conn,
                    staff.session,
                    staff.session_version,
                    oldest_session(now),
                )?
                .ok_or(Code::SessionEnded)?;
                let attended_at = Some(row.attended_at.unwrap_or(row.active_at));
                Standing { active_at: Some(row.active_at), attended_at }
            }
            Self::Station(StationCaller { device, epoch, .. })
            | Self::Cabinet(CabinetCaller { device, epoch, .. }) => {
                if !storage::authority::device_is_live(conn, *device, *epoch)? {
                    return Err(Code::DeviceRevoked.into());
                }
                Standing::default()
            }
        })
    }

    /// The last step of a write: notes that the caller was there, and checks that
    /// what the token proved still holds and will until the commit.
    ///
    /// # Errors
    /// As [`Self::ensure_live`]; `Contended` while the row is being changed,
    /// unless `patient`.
    pub(super) fn confirm(
        &self,
        conn: &mut Conn,
        now: Timestamp,
        seen: Seen,
        patient: bool,
    ) -> Result<(), Failure> {
        let (still, code) = match self {
            Self::System | Self::Anyone => return Ok(()),
            Self::Worker(worker) => {
                if worker.acts
                    && seen.standing.active_at.is_none_or(|at| now - at > storage::authority::TOUCH_EVERY)
                    && storage::authority::check_in_take(conn, worker.check_in)?
                {
                    storage::authority::check_in_touch(conn, worker.check_in, now)?;
                    return Ok(());
                }
                (storage::authority::check_in_still(conn, worker.check_in, patient)?, Code::CheckInEnded)
            }
            Self::Staff(staff) => {
                let oldest = oldest_session(now);
                let (id, version) = (staff.session, staff.session_version);
                if let Some(touch) = seen.touch(now)
                    && storage::authority::session_take(conn, id, version, oldest)?
                {
                    match touch {
                        Touch::Attend => storage::authority::session_attend(conn, id, now)?,
                        Touch::Hear => storage::authority::session_touch(conn, id, now)?,
                    }
                    return Ok(());
                }
                (storage::authority::session_still(conn, id, version, oldest, patient)?, Code::SessionEnded)
            }
            Self::Station(StationCaller { device, epoch, .. })
            | Self::Cabinet(CabinetCaller { device, epoch, .. }) => {
                (storage::authority::device_still(conn, *device, *epoch, patient)?, Code::DeviceRevoked)
            }
        };
        match still {
            Still::Holds => Ok(()),
            Still::Ended => Err(code.into()),
            Still::Contended => Err(StoreError::Contended.into()),
        }
    }
}

/// No session that was opened before this is live.
fn oldest_session(now: Timestamp) -> Timestamp {
    now - TimeDelta::hours(SESSION_HOURS)
}

/// After this much quiet, accepting an offer takes the PIN.
/// Source: security check 20.
const QUIET: TimeDelta = TimeDelta::minutes(15);

/// What the caller's row said before a transaction touched it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// When the caller last did something; none where nothing ends by silence.
    pub active_at: Option<Timestamp>,
    /// When a member of staff was last there without doubt: at sign-in, at each
    /// write that followed another within [`QUIET`], and by their PIN. Reads,
    /// held polls, streams and renewed tokens are their program's, not theirs;
    /// and a write after a quiet span is anybody's who sits at the screen.
    pub attended_at: Option<Timestamp>,
}

impl Standing {
    /// Whether a member of staff was quiet for so long that only their PIN shows
    /// who is there.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.attended_at.is_some_and(|at| now - at > QUIET)
    }
}

/// What a transaction saw of its caller.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// Before it touched anything.
    pub standing: Standing,
    /// Whether the caller proved to be there, by their PIN.
    pub proven: bool,
}

enum Touch {
    Attend,
    Hear,
}

impl Seen {
    /// What is worth a write; a touch within seconds of the last is not.
    fn touch(&self, now: Timestamp) -> Option<Touch> {
        let due = |at: Option<Timestamp>| at.is_none_or(|at| now - at > storage::authority::TOUCH_EVERY);
        if self.proven || !self.standing.is_quiet(now) && due(self.standing.attended_at) {
            Some(Touch::Attend)
        } else if due(self.standing.active_at) {
            Some(Touch::Hear)
        } else {
            None
        }
    }
}
