//! Who is calling, as proven by their token. What a token proves may have
//! ended since: every write checks that in its own transaction, reads of
//! health records too.

use crate::{
    domain::{
        ids::{
            CabinetId, CheckInId, DeviceId, EmployerId, HospitalId, Id, SessionId, StaffId, StationId,
            WorkerId,
        },
        refusal::Code,
        role::Role,
        time::Timestamp,
    },
    service::Failure,
    storage::{Conn, events::AnyId, sessions},
};

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
        let (live, code) = match self {
            Self::System | Self::Anyone => return Ok(()),
            Self::Worker(worker) => (sessions::check_in_is_live(conn, worker.check_in)?, Code::CheckInEnded),
            Self::Staff(staff) => {
                let oldest = now - chrono::TimeDelta::hours(SESSION_HOURS);
                let live = sessions::session_is_live(conn, staff.session, staff.session_version, oldest)?;
                (live, Code::SessionEnded)
            }
            Self::Station(station) => {
                (sessions::device_is_live(conn, station.device, station.epoch)?, Code::DeviceRevoked)
            }
            Self::Cabinet(cabinet) => {
                (sessions::device_is_live(conn, cabinet.device, cabinet.epoch)?, Code::DeviceRevoked)
            }
        };
        if live { Ok(()) } else { Err(code.into()) }
    }

    /// As [`Self::ensure_live`], for a transaction that writes.
    ///
    /// # Errors
    /// As there.
    pub(super) fn hold_live(&self, conn: &mut Conn, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Worker(worker) if sessions::check_in_hold(conn, worker.check_in)? => Ok(()),
            Self::Worker(_) => Err(Code::CheckInEnded.into()),
            _ => self.ensure_live(conn, now),
        }
    }

    /// Notes that the caller is still there, where silence would end something.
    pub(super) fn touch(&self, conn: &mut Conn, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Worker(worker) if worker.acts => sessions::check_in_touch(conn, worker.check_in, now)?,
            Self::Staff(staff) => sessions::session_touch(conn, staff.session, now)?,
            Self::System | Self::Anyone | Self::Station(_) | Self::Worker(_) | Self::Cabinet(_) => {}
        }
        Ok(())
    }
}
