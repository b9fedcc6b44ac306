//! A doctor lists, accepts or declines offers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AppState, Failure, HealthAccess, Part, Tx,
    caller::StaffCaller,
    consultation::{
        Loaded,
        attendance::{WorkerPresence, presence},
        view::{ConsultationView, view},
    },
    staff::signing,
};
use domain::{
    consultation::{Command, Medium},
    ids::{ConsultationId, OfferId},
    matching::Department,
    refusal::Code,
    spelling,
    triage::TriageLevel,
};
use storage::{Conn, Live, consultation as store};

/// Accepting an offer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptInput {
    /// The fence that came with the offer.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    pub fence: i64,
    /// The signing PIN; required after 15 minutes without activity.
    #[schema(value_type = Option<spelling::SigningPin>)]
    pub pin: Option<String>,
}

/// Declining an offer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclineInput {
    /// The fence that came with the offer.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    pub fence: i64,
}

/// An open offer.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferView {
    pub id: OfferId,
    /// Of which consultation.
    pub consultation_id: ConsultationId,
    /// To be sent back with the answer.
    pub fence: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// The requested department.
    pub department: Department,
    /// How the worker wants to talk.
    pub medium: Medium,
    /// How soon a doctor must see the worker.
    pub triage: TriageLevel,
    /// In the worker's own words; empty once they withdrew the consent to care.
    pub complaint: String,
    /// Whether the worker is present.
    pub worker: WorkerPresence,
}

/// A doctor's open offers.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct OffersView {
    /// Oldest first.
    pub items: Vec<OfferView>,
}

/// The caller's open offers; none once an authority has ended.
pub fn open_of(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    live: Live,
    caller: StaffCaller,
) -> Result<Option<OffersView>, Failure> {
    let mut items = Vec::new();
    for known in store::full::full_offered_to(conn, live, caller.staff)?.into_iter().map(Loaded::from) {
        let (full, row) = (&known.full, &known.full.row);
        let Some(offer) = &full.offer else { continue };
        shown.note(row.worker_id, Part::Offer, row.id);
        items.push(OfferView {
            id: offer.id,
            consultation_id: offer.consultation_id,
            fence: offer.fence,
            created_at: offer.created_at,
            expires_at: offer.expires_at,
            department: row.department,
            medium: row.medium,
            triage: row.triage,
            complaint: if full.consents {
                app.open("consultation", "complaint_sealed", row.id, &row.complaint_sealed)?
            } else {
                String::new()
            },
            worker: presence(app, &known),
        });
    }
    Ok((!items.is_empty()).then_some(OffersView { items }))
}

/// Accepts an offer: the consultation becomes active.
///
/// # Errors
/// `OfferNotYours` with the state; `ReauthenticationNeeded` after a span without activity.
pub fn accept(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: OfferId,
    input: &AcceptInput,
) -> Result<ConsultationView, Failure> {
    if tx.caller_is_quiet()? {
        // The PIN is checked before the consultation is locked.
        if !store::offer_is_of(tx.conn, id, caller.staff)? {
            return Err(Code::NotFound.into());
        }
        let pin = input.pin.as_deref().ok_or(Code::ReauthenticationNeeded)?;
        signing::ensure_pin(tx, caller, pin)?;
    }
    let offered = lock_offered(tx, caller, id)?;
    let command = Command::Accept { offer: id, doctor: caller.staff, fence: input.fence };
    let accepted = offered.act(tx, &command)?;
    tx.shown.note(accepted.snapshot.worker, Part::Consultation, accepted.snapshot.id);
    view(tx.conn, tx.app, &accepted)
}

/// Declines an offer: the consultation goes to the next doctor.
///
/// # Errors
/// `OfferNotYours` with the state.
pub fn decline(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: OfferId,
    input: &DeclineInput,
) -> Result<Declined, Failure> {
    let offered = lock_offered(tx, caller, id)?;
    offered.act(tx, &Command::Decline { offer: id, doctor: caller.staff, fence: input.fence })?;
    Ok(Declined { id, declined: true })
}

/// An offer that was declined.
#[derive(Debug, Serialize, ToSchema)]
pub struct Declined {
    pub id: OfferId,
    pub declined: bool,
}

/// The consultation of the caller's offer, locked; `NotFound` for another doctor's. The domain
/// refuses an offer that is no longer open, by its fence.
fn lock_offered(tx: &mut Tx<'_>, caller: StaffCaller, id: OfferId) -> Result<Loaded, Failure> {
    let found = store::full::full_lock_offered(tx.conn, id, caller.staff)?;
    Ok(found.ok_or(Code::NotFound)?.into())
}
