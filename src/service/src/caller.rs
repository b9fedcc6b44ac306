//! The caller, as proven by their token. What a token proves may have ended since: every read and
//! every write checks the caller's row in the database first, and a write checks it again in its
//! last step.
//!
//! On PostgreSQL an operation may wait for a row while another transaction ends the caller's
//! authority. So the last step reads the authority's row again and locks it until the commit
//! ([`Actor::confirm`]). It does not wait for that row while holding other locks: the transaction
//! that ends the authority may need those. If the row is being changed, the operation is rolled
//! back and run again; after a few retries it waits. Operations that end an authority must
//! therefore change its row (`session`, `check_in`, `device`) in the same transaction as whatever
//! else records the end (`staff.disabled_at`).

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
use storage::{Conn, StoreError, authority::Recheck, events::AnyId};

/// A station's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StationCaller {
    pub device: DeviceId,
    pub station: StationId,
    pub epoch: i64,
}

/// A worker, through a check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerCaller {
    pub worker: WorkerId,
    pub check_in: CheckInId,
    pub station: StationId,
    /// Whether the request is an act of the worker. What their screen only reads (polls, streams)
    /// does not show that they are present.
    pub acts: bool,
}

/// A member of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaffCaller {
    pub staff: StaffId,
    /// Doctor, pharmacist, operator, restocker or employer.
    pub role: Role,
    pub session: SessionId,
    /// Its version; older tokens are void.
    pub session_version: i64,
    /// A doctor's hospital.
    pub hospital: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer: Option<EmployerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CabinetCaller {
    pub device: DeviceId,
    pub cabinet: CabinetId,
    pub station: StationId,
    /// The epoch of the key.
    pub epoch: i64,
    /// When the token was made: of two boots the later one has the later token.
    pub token_at: Timestamp,
}

/// Any caller, or the service itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A background job of the service.
    System,
    /// Somebody without a token.
    Anyone,
    /// A station's screen.
    Station(StationCaller),
    Worker(WorkerCaller),
    /// A member of staff.
    Staff(StaffCaller),
    Cabinet(CabinetCaller),
}

/// A session older than this must sign in again, in hours.
pub(super) const SESSION_HOURS: i64 = 12;

impl Actor {
    /// The role as recorded with events.
    pub(crate) fn role_name(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Anyone => "anyone",
            Self::Station(_) => Role::Station.as_str(),
            Self::Worker(_) => Role::Worker.as_str(),
            Self::Staff(staff) => staff.role.as_str(),
            Self::Cabinet(_) => Role::Cabinet.as_str(),
        }
    }

    /// The id as recorded with events.
    pub(crate) fn any_id(&self) -> Option<AnyId> {
        let uuid = match self {
            Self::System | Self::Anyone => return None,
            Self::Station(station) => station.station.uuid(),
            Self::Worker(worker) => worker.worker.uuid(),
            Self::Staff(staff) => staff.staff.uuid(),
            Self::Cabinet(cabinet) => cabinet.cabinet.uuid(),
        };
        Some(Id::from_uuid(uuid))
    }

    /// One text per caller: the owner of idempotency keys.
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
    pub(crate) fn ensure_live(&self, conn: &mut Conn, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Worker(worker) if storage::authority::check_in_is_live(conn, worker.check_in)? => Ok(()),
            Self::Worker(_) => Err(Code::CheckInEnded.into()),
            _ => self.lock_live(conn, now).map(drop),
        }
    }

    /// As [`Self::ensure_live`], for a transaction that writes; it locks a worker's check-in row
    /// and returns the activity times that the caller's row contained before this transaction
    /// changes it.
    ///
    /// # Errors
    /// As there.
    pub(super) fn lock_live(&self, conn: &mut Conn, now: Timestamp) -> Result<Standing, Failure> {
        Ok(match self {
            Self::System | Self::Anyone => Standing::default(),
            Self::Worker(worker) => {
                let active_at = storage::authority::check_in_lock_for_key_share(conn, worker.check_in)?
                    .ok_or(Code::CheckInEnded)?;
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

    /// The last step of a write: stores that the caller was active, and checks that what the token
    /// proved still holds and will hold until the commit.
    ///
    /// # Errors
    /// As [`Self::ensure_live`]; `Contended` while another transaction changes the row, unless
    /// `wait` is set.
    pub(super) fn confirm(
        &self,
        conn: &mut Conn,
        now: Timestamp,
        seen: Seen,
        wait: bool,
    ) -> Result<(), Failure> {
        let (status, code) = match self {
            Self::System | Self::Anyone => return Ok(()),
            Self::Worker(worker) => {
                if worker.acts
                    && seen.standing.active_at.is_none_or(|at| now - at > storage::authority::TOUCH_EVERY)
                    && storage::authority::check_in_try_lock(conn, worker.check_in)?
                {
                    storage::authority::check_in_touch(conn, worker.check_in, now)?;
                    return Ok(());
                }
                (storage::authority::check_in_recheck(conn, worker.check_in, wait)?, Code::CheckInEnded)
            }
            Self::Staff(staff) => {
                let oldest = oldest_session(now);
                let (id, version) = (staff.session, staff.session_version);
                if let Some(touch) = seen.touch(now)
                    && storage::authority::session_try_lock(conn, id, version, oldest)?
                {
                    match touch {
                        Touch::Attend => storage::authority::session_attend(conn, id, now)?,
                        Touch::Hear => storage::authority::session_touch(conn, id, now)?,
                    }
                    return Ok(());
                }
                (storage::authority::session_recheck(conn, id, version, oldest, wait)?, Code::SessionEnded)
            }
            Self::Station(StationCaller { device, epoch, .. })
            | Self::Cabinet(CabinetCaller { device, epoch, .. }) => {
                (storage::authority::device_recheck(conn, *device, *epoch, wait)?, Code::DeviceRevoked)
            }
        };
        match status {
            Recheck::Holds => Ok(()),
            Recheck::Ended => Err(code.into()),
            Recheck::Contended => Err(StoreError::Contended.into()),
        }
    }
}

/// A session that was opened before this has expired.
fn oldest_session(now: Timestamp) -> Timestamp {
    now - TimeDelta::hours(SESSION_HOURS)
}

/// After this much inactivity, accepting an offer requires the PIN. Source: security check 20.
const QUIET: TimeDelta = TimeDelta::minutes(15);

/// The activity times in the caller's row before a transaction changed it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// When the caller last acted; none for callers whose authority does not end by inactivity.
    pub active_at: Option<Timestamp>,
    /// When a member of staff was last certainly present: at sign-in, at each write that followed
    /// another within [`QUIET`], and at each PIN. Reads, long polls, streams and renewed tokens
    /// come from their program and do not count; and a write after a quiet span may come from
    /// anybody at the screen.
    pub attended_at: Option<Timestamp>,
}

impl Standing {
    /// Whether a member of staff was inactive for so long that only their PIN shows who is present.
    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        self.attended_at.is_some_and(|at| now - at > QUIET)
    }
}

/// What a transaction saw of its caller.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// Read before the transaction changed anything.
    pub standing: Standing,
    /// Whether the caller proved their presence by their PIN.
    pub proven: bool,
}

enum Touch {
    Attend,
    Hear,
}

impl Seen {
    /// The update that is worth a write; a second one within seconds of the last is not.
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
