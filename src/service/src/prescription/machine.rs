//! A prescription as a verb loads it, and how a decision about it is written: every state column is
//! written here and nowhere else.

use super::{body::Body, moved_on};
use crate::{AppState, Failure, Recipients, Tx, machine::Machine};
use crypto::digest;
use domain::{
    ids::PrescriptionId,
    prescription::{self, Claim, Command, Event, Prescription, PrescriptionState},
    refusal::Refusal,
    review::ReviewOutcome,
    time::{Timestamp, civil_day},
};
use storage::{
    prescription::{self as store, PrescriptionRow},
    review::RoundRow,
};

/// The order of emergencies in the queue of reviews, and of the others.
pub(super) const RANK_EMERGENCY: i32 = 0;
const RANK_OTHERS: i32 = 1;

/// A prescription in a transaction. Contents, signature and reason may be replaced before a decision
/// is committed; the decision writes them.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub row: PrescriptionRow,
    pub body: Body,
    folded: Prescription,
    now: Timestamp,
}

impl Loaded {
    /// A prescription, with its row locked for update.
    pub(crate) fn lock(tx: &mut Tx<'_>, id: PrescriptionId) -> Result<Option<Self>, Failure> {
        let row = store::prescription_lock(tx.conn, id)?;
        row.map(|row| Self::open(tx.app, row, tx.now)).transpose()
    }

    pub(crate) fn open(app: &AppState, row: PrescriptionRow, now: Timestamp) -> Result<Self, Failure> {
        let body = Body::open(app, &row)?;
        let folded = Prescription {
            state: row.state,
            consultation: row.consultation_id,
            prescriber: row.doctor_id,
            revision: body.revision,
            signed_at: row.signed_at,
            valid_until: row.valid_until,
            issued_on: row.signed_at.map(civil_day),
            digest: body.canonical(&row).map(|bytes| digest::hex(&digest::sha256(&bytes))),
            reviewer: row.reviewed_by,
            emergency: row.review_rank == RANK_EMERGENCY,
            claim: claim_of(&row),
            question: row.question_id,
        };
        Ok(Self { row, body, folded, now })
    }

    /// The digest of the signed document.
    pub(crate) fn digest(&self) -> Option<&str> {
        self.folded.digest.as_deref()
    }

    /// How its wait for a review ended, if it ends with `after`.
    fn round(&self, after: &Self, tx: &Tx<'_>) -> Option<RoundRow> {
        let outcome = match (self.row.state, after.row.state) {
            (PrescriptionState::Signed, PrescriptionState::Approved) => ReviewOutcome::Approved,
            (PrescriptionState::Signed, PrescriptionState::Returned) => ReviewOutcome::Returned,
            (PrescriptionState::Signed, PrescriptionState::Void) => ReviewOutcome::Withdrawn,
            (PrescriptionState::Signed, PrescriptionState::Expired) => ReviewOutcome::Expired,
            _ => return None,
        };
        let decided_by = match outcome {
            ReviewOutcome::Approved | ReviewOutcome::Returned => after.row.reviewed_by,
            ReviewOutcome::Withdrawn | ReviewOutcome::Expired => None,
        };
        let since =
            |then: Timestamp| i32::try_from((self.now - then).num_seconds().max(0)).unwrap_or(i32::MAX);
        let (policy, waited_s) = (&tx.app.policy.review, self.row.signed_at.map_or(0, since));
        let claim = claim_of(&self.row).filter(|claim| Some(claim.by) == decided_by);
        Some(RoundRow {
            prescription_id: self.row.id,
            revision: i32::try_from(self.body.revision).unwrap_or(i32::MAX),
            ended_at: self.now,
            outcome,
            decided_by,
            waited_s,
            in_time: i64::from(waited_s) <= i64::from(policy.target_s),
            review_s: claim.map(|claim| since(claim.at)),
            policy_version: policy.version.to_string(),
        })
    }

    /// Decides on `command`.
    ///
    /// # Errors
    /// The refusals of [`prescription::decide`].
    pub(crate) fn decide(&self, app: &AppState, command: &Command<'_>) -> Result<Vec<Event>, Refusal> {
        prescription::decide(&self.folded, command, self.now, &app.policy.prescribing)
    }

    /// Replaces the contents, to be written with the next decision.
    pub(crate) fn replace_body(&mut self, app: &AppState, body: Body) -> Result<(), Failure> {
        self.row.body_sealed = body.seal(app, self.row.id)?;
        self.body = body;
        Ok(())
    }

    /// Decides as of an earlier moment than now: that of a signature which was made elsewhere.
    pub(crate) fn as_of(&mut self, at: Timestamp) {
        self.now = at;
    }

    /// Sets the reason of the next decision.
    pub(crate) fn give_reason(&mut self, app: &AppState, reason: &str) -> Result<(), Failure> {
        let sealed = app.seal("prescription", "reason_sealed", self.row.id, reason)?;
        self.row.reason_sealed = Some(sealed);
        Ok(())
    }
}

impl Machine for Loaded {
    type Event = Event;

    fn apply(&mut self, event: &Event) {
        self.folded.apply(event);
        let (row, folded) = (&mut self.row, &self.folded);
        row.version += 1;
        row.state = folded.state;
        row.signed_at = folded.signed_at;
        row.valid_until = folded.valid_until;
        row.reviewed_by = folded.reviewer;
        row.claimed_by = folded.claim.map(|claim| claim.by);
        row.claimed_at = folded.claim.map(|claim| claim.at);
        row.claim_until = folded.claim.map(|claim| claim.until);
        row.question_id = folded.question;
        row.review_rank = if folded.emergency { RANK_EMERGENCY } else { RANK_OTHERS };
        match event {
            Event::Drafted { .. }
            | Event::Signed { .. }
            | Event::Claimed { .. }
            | Event::Released { .. }
            | Event::Asked { .. }
            | Event::Answered { .. }
            | Event::SupplyDecided { .. } => {}
            Event::Edited { .. } => {
                row.canonical_sealed = None;
                row.signature = None;
                row.reviewed_at = None;
                row.reason_sealed = None;
            }
            Event::Approved { .. } | Event::Returned { .. } => row.reviewed_at = Some(self.now),
            Event::Voided { .. } | Event::Expired { .. } | Event::Fulfilled { .. } => {
                row.ended_at = Some(self.now);
            }
        }
    }

    fn write(&self, after: &Self, _: &[Event], tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let round = self.round(after, tx);
        Ok(store::prescription_write(tx.conn, &self.row, &after.row, round.as_ref())?)
    }

    fn record(&self, event: &Event, tx: &mut Tx<'_>) -> Result<(), Failure> {
        record(tx, &self.row, event)
    }

    fn moved_on(&self, tx: &mut Tx<'_>) -> Result<Refusal, Failure> {
        moved_on(tx.conn, self.row.id)
    }
}

/// The claim that a row has, expired or not.
pub(crate) fn claim_of(row: &PrescriptionRow) -> Option<Claim> {
    let (by, at, until) = (row.claimed_by?, row.claimed_at?, row.claim_until?);
    Some(Claim { by, at, until })
}

/// Appends an event of a prescription: its worker and its doctor hear of it.
pub(super) fn record(tx: &mut Tx<'_>, row: &PrescriptionRow, event: &Event) -> Result<(), Failure> {
    let recipients = Recipients::both(row.worker_id, Some(row.doctor_id));
    tx.record(row.id, event.clone(), recipients)
}
