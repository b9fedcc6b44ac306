//! Staff: the table of roles, and the records of people and of shifts.

mod record;
pub mod role;

pub use record::{DoctorRecord, MAX_CAPACITY, PharmacistRecord, StaffRecord, check_email};

use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::{
    network::{FileRecord, Record, checks::Findings, import::Cells},
    refusal::FieldProblem,
    time::Timestamp,
    words::Bilingual,
};

crate::text_enum! {
    /// What a link sets.
    pub enum LinkPurpose {
        /// The first password, and one-time codes.
        Invite = "invite",
        /// Another password.
        Reset = "reset",
    }
}

crate::text_enum! {
    /// Why a session ended.
    pub enum SessionEnd {
        SignedOut = "signed_out",
        Revoked = "revoked",
        /// Its refresh token was used twice, so somebody else has it.
        RefreshReused = "refresh_reused",
        /// The account was disabled.
        Disabled = "disabled",
        /// The person belongs to another hospital or employer now.
        Moved = "moved",
        PasswordSet = "password_set",
        AuthenticatorReset = "authenticator_reset",
    }
}

/// Our default.
const MAX_SHIFT_HOURS: i64 = 24;

/// A span in which a doctor or pharmacist is on call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftRecord {
    pub staff_email: String,
    /// First instant on call.
    pub starts_at: Timestamp,
    /// First instant off call again.
    pub ends_at: Timestamp,
    /// The department that it is for, one of the doctor's; none is all of theirs.
    #[serde(default)]
    pub department: Option<String>,
}

impl FileRecord for ShiftRecord {
    const KIND: &'static str = "shifts";
    const COLUMNS: &'static [&'static str] = &["staff_email", "starts_at", "ends_at", "department"];
    const OPTIONAL: &'static [&'static str] = &["department"];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        let (starts_at, ends_at) = (cells.instant("starts_at"), cells.instant("ends_at"));
        // Without a valid start the length cannot be checked: use one that passes.
        let starts_at = if cells.failed("starts_at") { ends_at - TimeDelta::hours(1) } else { starts_at };
        Self {
            staff_email: cells.code("staff_email").to_lowercase(),
            starts_at,
            ends_at,
            department: cells.optional_code("department"),
        }
    }
}

impl Record for ShiftRecord {
    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.email("staff_email", &self.staff_email);
        found.department(self.department.as_deref());
        let length = self.ends_at - self.starts_at;
        if length <= TimeDelta::zero() {
            found.add(
                "ends_at",
                "wrong_order",
                Bilingual::fixed("结束须晚于开始。", "Must be after the start."),
            );
        } else if length > TimeDelta::hours(MAX_SHIFT_HOURS) {
            found.add(
                "ends_at",
                "out_of_range",
                Bilingual::made(
                    format!("班次不能超过 {MAX_SHIFT_HOURS} 小时。"),
                    format!("A shift is {MAX_SHIFT_HOURS} hours at most."),
                ),
            );
        }
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("starts_at", format!("{}/{}", self.staff_email, instant_cell(self.starts_at)))]
    }

    fn to_row(&self) -> Vec<String> {
        vec![
            self.staff_email.clone(),
            instant_cell(self.starts_at),
            instant_cell(self.ends_at),
            self.department.clone().unwrap_or_default(),
        ]
    }
}

/// The message for a shift that overlaps another shift of the same person.
pub fn overlap_message(starts_at: Timestamp, ends_at: Timestamp) -> Bilingual {
    let span = format!("{} - {}", instant_cell(starts_at), instant_cell(ends_at));
    Bilingual::made(
        format!("与该员工的另一班次重叠：{span}。"),
        format!("It meets another shift of this person: {span}."),
    )
}

fn instant_cell(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
