//! Changes of staff: accounts, shifts, duty and sessions.

use chrono::{DateTime, Utc};

use super::{events, is_false};
use crate::{
    ids::{DoctorKeyId, LeaveId, ShiftId, ShiftRuleId, StaffId},
    keys::{KeyEnd, SigningAlgorithm},
    matching::{
        Department,
        presence::{AwayReason, Presence},
    },
    staff::{LinkPurpose, SessionEnd, role::Role},
};

crate::text_enum! {
    /// Why a doctor was set off duty.
    pub enum OffDutyReason {
        NoShift = "no_shift",
        Licence = "licence",
    }
}

crate::text_enum! {
    /// What set a doctor off duty.
    pub enum OffDutyBy {
        SignedOut = "signed_out",
    }
}

events! {
    /// A change of a member of staff.
    pub enum StaffEvent, kinds StaffEventKind {
        Invited = "staff.invited" to() {
            role: Role,
            #[serde(default, skip_serializing_if = "is_false")]
            again: bool,
        },
        /// Without an invitation.
        Added = "staff.added" to() { role: Role },
        Changed = "staff.changed" to(staff) { fields: Vec<String> },
        Disabled = "staff.disabled" to(staff) { sessions_ended: usize },
        Enabled = "staff.enabled" to(staff) {},
        EmailChangeAsked = "staff.email_change_asked" to(staff) {},
        EmailChanged = "staff.email_changed" to(staff) {
            /// Whether the new address was confirmed by a link.
            confirmed: bool,
        },
        PasswordSet = "staff.password_set" to(staff) { by: LinkPurpose, sessions_ended: usize },
        AuthenticatorResetAsked = "staff.authenticator_reset_asked" to(staff) {
            /// The length of the reason, which may name people.
            reason_chars: usize,
        },
        AuthenticatorReset = "staff.authenticator_reset" to(staff) { asked_by: StaffId, sessions_ended: usize },
        AuthenticatorResetWithdrawn = "staff.authenticator_reset_withdrawn" to(staff) {},
        ShiftAdded = "staff.shift_added" to(staff) {
            shift: ShiftId,
            starts_at: DateTime<Utc>,
            ends_at: DateTime<Utc>,
            /// Only of a shift that is for one department. Missing in logs written before 2026-12-01.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            department: Option<Department>,
        },
        ShiftChanged = "staff.shift_changed" to(staff) {
            shift: ShiftId,
            starts_at: DateTime<Utc>,
            ends_at: DateTime<Utc>,
            /// Only of a shift that is for one department. Missing in logs written before 2026-12-01.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            department: Option<Department>,
        },
        ShiftCancelled = "staff.shift_cancelled" to(staff) {
            shift: ShiftId,
            starts_at: DateTime<Utc>,
            ends_at: DateTime<Utc>,
        },
        /// What is given up of the rule's shifts, and what is planned, follows in `ShiftsPlanned`.
        ShiftRuleAdded = "staff.shift_rule_added" to(staff) { rule: ShiftRuleId },
        ShiftRuleChanged = "staff.shift_rule_changed" to(staff) { rule: ShiftRuleId, version: i64 },
        ShiftRuleEnded = "staff.shift_rule_ended" to(staff) { rule: ShiftRuleId },
        /// Shifts of a rule were added or removed.
        ShiftsPlanned = "staff.shifts_planned" to(staff) { rule: ShiftRuleId, added: usize, removed: usize },
        LeaveAdded = "staff.leave_added" to(staff) {
            leave: LeaveId,
            starts_at: DateTime<Utc>,
            ends_at: DateTime<Utc>,
            /// How many shifts it removed or cut.
            shifts_cut: usize,
        },
        LeaveEnded = "staff.leave_ended" to(staff) { leave: LeaveId, ends_at: DateTime<Utc> },
        /// A key with which the doctor signs was made, or came from the signing service.
        SigningKeyAdded = "staff.signing_key_added" to(staff) {
            key: DoctorKeyId,
            algorithm: SigningAlgorithm,
            /// The end of its certificate.
            valid_until: DateTime<Utc>,
        },
        SigningKeyEnded = "staff.signing_key_ended" to(staff) { key: DoctorKeyId, reason: KeyEnd },
        DutyChanged = "duty.changed" to(staff) {
            presence: Presence,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<OffDutyReason>,
            #[serde(skip_serializing_if = "Option::is_none")]
            by: Option<OffDutyBy>,
            /// Only of one who was made away. Missing in logs written before 2026-11-30.
            #[serde(skip_serializing_if = "Option::is_none")]
            away_because: Option<AwayReason>,
        },
    }
}

events! {
    /// A change of a session.
    pub enum SessionEvent, kinds SessionEventKind {
        Opened = "session.opened" to(staff) { staff: StaffId, role: Role },
        /// The signing PIN suffices until this time.
        SigningOpened = "session.signing_opened" to(staff) { until: DateTime<Utc> },
        Ended = "session.ended" to(staff) { reason: SessionEnd },
    }
}

events! {
    /// A sign-in that did not succeed.
    pub enum SignInEvent, kinds SignInEventKind {
        FailedOften = "sign_in.failed_often" to(staff) {
            /// A keyed digest of the address that was entered.
            account: String,
            /// Who has this address.
            staff: Option<StaffId>,
        },
    }
}
