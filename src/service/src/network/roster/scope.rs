//! Whose roster and records a caller keeps. What is another hospital's does not exist for a coordinator.

use crate::{Failure, caller::StaffCaller};
use domain::{
    ids::{HospitalId, StaffId},
    refusal::{Code, Refusal},
    staff::role::Role,
    words::Bilingual,
};
use storage::{Conn, network::roster::ROSTERED, staff::StaffRow};

/// Whose roster a caller keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everybody's.
    Network,
    /// That of the doctors and pharmacists of one hospital.
    Hospital(HospitalId),
}

impl Scope {
    /// What this caller keeps.
    ///
    /// # Errors
    /// `RoleNotAllowed` for anybody but an operator, and a coordinator of a hospital.
    pub fn of(caller: StaffCaller) -> Result<Self, Failure> {
        if caller.role == Role::Operator {
            return Ok(Self::Network);
        }
        let hospital = caller.hospital.filter(|_| caller.role == Role::Coordinator);
        hospital.map(Self::Hospital).ok_or_else(|| Code::RoleNotAllowed.into())
    }

    /// The one hospital, for queries.
    pub fn hospital(self) -> Option<HospitalId> {
        match self {
            Self::Network => None,
            Self::Hospital(hospital) => Some(hospital),
        }
    }

    /// Locks the row of somebody whose roster the caller keeps.
    ///
    /// # Errors
    /// `NotFound`, also for somebody of another hospital.
    pub fn lock(self, conn: &mut Conn, id: StaffId) -> Result<StaffRow, Failure> {
        let row = storage::staff::staff_lock(conn, id)?.filter(|row| self.includes(row));
        Ok(row.ok_or(Code::NotFound)?)
    }

    /// As [`Self::lock`], for somebody who is to get shifts.
    ///
    /// # Errors
    /// As there; `StateMovedOn` for somebody who is disabled.
    pub fn lock_enabled(self, conn: &mut Conn, id: StaffId) -> Result<StaffRow, Failure> {
        let row = self.lock(conn, id)?;
        if row.disabled_at.is_some() {
            return Err(Refusal::moved_on("disabled").into());
        }
        Ok(row)
    }

    /// Whether the caller keeps this record: a coordinator those of the doctors of their hospital.
    pub fn keeps_record(self, row: &StaffRow) -> bool {
        match self {
            Self::Network => true,
            Self::Hospital(_) => row.role == Role::Doctor && self.includes(row),
        }
    }

    /// Checks that the caller keeps the roster of `id`.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn ensure_includes(self, conn: &mut Conn, id: StaffId) -> Result<(), Failure> {
        match self {
            Self::Network => Ok(()),
            Self::Hospital(_) => {
                let row = storage::staff::staff_fetch(conn, id)?.filter(|row| self.includes(row));
                row.map(drop).ok_or_else(|| Code::NotFound.into())
            }
        }
    }

    fn includes(self, row: &StaffRow) -> bool {
        match self {
            Self::Network => true,
            Self::Hospital(hospital) => row.hospital_id == Some(hospital) && ROSTERED.contains(&row.role),
        }
    }
}

/// Only doctors and pharmacists have rules and leave.
///
/// # Errors
/// `InvalidField`.
pub(crate) fn ensure_rostered(row: &StaffRow) -> Result<(), Failure> {
    if ROSTERED.contains(&row.role) {
        return Ok(());
    }
    let message = Bilingual::fixed("只为医生和药师排班。", "Only doctors and pharmacists are on the roster.");
    Err(Refusal::field("staff_id", "not_rostered", message).into())
}
