//! What the editions of the safety rules and of the formulary have in common: one person proposes, a second
//! one approves, one of them a pharmacist.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{Failure, Tx, caller::StaffCaller};
use domain::{
    edition::{EditionState, check_approval},
    ids::StaffId,
    spelling,
    time::Timestamp,
};

/// At most this many faults are told at once.
pub(crate) const MOST_FAULTS: usize = 500;

/// The approval of an edition.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = RuleEditionApproval)]
#[serde(deny_unknown_fields)]
pub struct EditionApproval {
    /// From when on it applies; at once if left out, within 90 days.
    pub effective_at: Option<DateTime<Utc>>,
}

/// The end of an edition.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = RuleEditionWithdrawal)]
#[serde(deny_unknown_fields)]
pub struct EditionWithdrawal {
    #[schema(value_type = spelling::Reason)]
    pub reason: String,
}

/// How far an edition has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    pub state: EditionState,
    pub proposed_by: StaffId,
    pub approved_by: Option<StaffId>,
}

/// From when on an edition applies that the caller approves; `None` where they have approved it before.
///
/// # Errors
/// As [`check_approval`].
pub(crate) fn approval(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    so_far: Progress,
    input: &EditionApproval,
) -> Result<Option<Timestamp>, Failure> {
    if so_far.state == EditionState::Approved && so_far.approved_by == Some(caller.staff) {
        return Ok(None);
    }
    let proposer = storage::staff::staff_fetch(tx.conn, so_far.proposed_by)?
        .ok_or_else(|| Failure::inconsistent("an edition was proposed by nobody"))?;
    let effective_at = input.effective_at.unwrap_or(tx.now);
    let (proposed_by, by) = ((so_far.proposed_by, proposer.role), (caller.staff, caller.role));
    check_approval(so_far.state, proposed_by, by, effective_at, tx.now)?;
    Ok(Some(effective_at))
}
