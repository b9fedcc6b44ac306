//! The caller, as proven by their token. What a token proves may have ended since: every read checks
//! the caller's row in the database first, and every write in its last step ([`crate::tx::run`]).
//!
//! On PostgreSQL an operation may wait for a row while another transaction ends the caller's
//! authority. So the last step reads the authority's row and locks it until the commit
//! ([`storage::last_step`]). It does not wait for that row while holding other locks: the transaction
//! that ends the authority may need those. If the row is being changed, the operation is rolled
//! back and run again; after a few retries it waits. Operations that end an authority must
//! therefore change its row (`session`, `check_in`, `device`) in the same transaction as whatever
//! else records the end (`staff.disabled_at`).

use chrono::TimeDelta;

use crate::Failure;
use crypto::tokens::Verified;
use domain::{
    ids::{
        CabinetId, CheckInId, DeviceId, EmployerId, HospitalId, Id, SessionId, StaffId, StationId, WorkerId,
    },
    refusal::Code,
    staff::role::{Kind, Role},
    time::Timestamp,
};
use storage::{
    Conn,
    authority::{Activity, Authority},
    events::AnyId,
    idempotency::{AnswerId, SavedAnswer},
};

/// Evidence that a caller is who it says: only [`Actor::of`] makes it, from a verified token. It
/// keeps any other code from making up a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Proven;

/// A station's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StationCaller {
    _proven: Proven,
    pub device: DeviceId,
    pub station: StationId,
    pub epoch: i64,
}

/// A worker, through a check-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerCaller {
    _proven: Proven,
    pub worker: WorkerId,
    pub check_in: CheckInId,
    pub station: StationId,
    /// Whether the request is an act of the worker. What their screen only reads (polls, streams)
    /// does not show that they are present.
    pub acts: bool,
}

impl WorkerCaller {
    /// Their visit to the station.
    pub(crate) fn visit(self) -> Visit {
        Visit { worker: self.worker, check_in: self.check_in, station: self.station }
    }
}

/// A worker's check-in at a station, whoever acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    pub worker: WorkerId,
    pub check_in: CheckInId,
    pub station: StationId,
}

/// A member of staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaffCaller {
    _proven: Proven,
    pub staff: StaffId,
    /// One of the roles of staff.
    pub role: Role,
    pub session: SessionId,
    /// Its version; older tokens are void.
    pub session_version: i64,
    /// A doctor's or coordinator's hospital.
    pub hospital: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer: Option<EmployerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CabinetCaller {
    _proven: Proven,
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
const SESSION_HOURS: i64 = 12;

/// When a session that was opened then has expired.
pub(crate) fn session_ends_at(opened_at: Timestamp) -> Timestamp {
    opened_at + TimeDelta::hours(SESSION_HOURS)
}

impl Actor {
    /// The caller whose token was verified; `None` when the token lacks what its role needs.
    pub fn of(token: &Verified) -> Option<Self> {
        let _proven = Proven;
        Some(match token.role.kind() {
            Kind::Screen => Self::Station(StationCaller {
                _proven,
                station: token.subject.parse().ok()?,
                device: token.device?,
                epoch: token.epoch?,
            }),
            Kind::CheckIn => Self::Worker(WorkerCaller {
                _proven,
                worker: token.subject.parse().ok()?,
                check_in: token.check_in?,
                station: token.station?,
                acts: false,
            }),
            Kind::Cabinet => Self::Cabinet(CabinetCaller {
                _proven,
                cabinet: token.subject.parse().ok()?,
                device: token.device?,
                station: token.station?,
                epoch: token.epoch?,
                token_at: token.issued_at,
            }),
            Kind::Staff(_) => Self::Staff(StaffCaller {
                _proven,
                staff: token.subject.parse().ok()?,
                role: token.role,
                session: token.session?,
                session_version: token.session_version?,
                hospital: token.hospital,
                employer: token.employer,
            }),
        })
    }

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

    /// What the caller's authority ends by; none for those without a token.
    pub(super) fn authority(&self, now: Timestamp) -> Option<Authority> {
        match self {
            Self::System | Self::Anyone => None,
            Self::Worker(worker) => Some(Authority::CheckIn(worker.check_in)),
            Self::Staff(staff) => Some(Authority::Session {
                id: staff.session,
                version: staff.session_version,
                oldest: oldest_session(now),
            }),
            Self::Station(StationCaller { device, epoch, .. })
            | Self::Cabinet(CabinetCaller { device, epoch, .. }) => {
                Some(Authority::Device { id: *device, epoch: *epoch })
            }
        }
    }

    /// The refusal once the authority has ended.
    pub(super) fn ended(&self) -> Code {
        match self {
            Self::System | Self::Anyone => Code::Unauthenticated,
            Self::Worker(_) => Code::CheckInEnded,
            Self::Staff(_) => Code::SessionEnded,
            Self::Station(_) | Self::Cabinet(_) => Code::DeviceRevoked,
        }
    }

    /// Checks that what the token proved still holds.
    ///
    /// # Errors
    /// [`Self::ended`].
    pub(crate) fn ensure_live(&self, conn: &mut Conn, now: Timestamp) -> Result<(), Failure> {
        match self.authority(now) {
            Some(authority) if !storage::authority::authority_is_live(conn, authority)? => {
                Err(self.ended().into())
            }
            _ => Ok(()),
        }
    }

    /// As [`Self::ensure_live`], for a transaction that writes; it locks a worker's check-in row
    /// and returns the activity times that the caller's row contained before this transaction
    /// changes it, and the answer that is saved under `key`.
    ///
    /// # Errors
    /// As there.
    pub(super) fn open(
        &self,
        conn: &mut Conn,
        now: Timestamp,
        key: Option<AnswerId>,
    ) -> Result<(Activity, Option<SavedAnswer>), Failure> {
        let found = match (self.authority(now), key) {
            (None, None) => return Ok((Activity::default(), None)),
            (None, Some(key)) => {
                let saved = storage::idempotency::answer_fetch(conn, key)?;
                return Ok((Activity::default(), saved));
            }
            (Some(authority), None) => {
                storage::authority::authority_lock(conn, authority)?.map(|activity| (activity, None))
            }
            (Some(authority), Some(key)) => {
                storage::authority::authority_lock_with_answer(conn, authority, key)?
            }
        };
        found.ok_or_else(|| self.ended().into())
    }
}

/// A session that was opened before this has expired.
pub(crate) fn oldest_session(now: Timestamp) -> Timestamp {
    now - TimeDelta::hours(SESSION_HOURS)
}
