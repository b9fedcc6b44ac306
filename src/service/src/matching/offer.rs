//! A doctor lists, accepts or declines offers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AppState, Failure, HealthAccess, Part, Tx,
    caller::{self, StaffCaller},
    consultation::{
        act,
        attendance::{Presences, WorkerPresence},
        view::{ConsultationView, of_doctor},
    },
    network::me,
    staff::signing,
};
use domain::{
    consultation::Command,
    ids::{ConsultationId, OfferId, WorkerId},
    matching::Department,
    refusal::{Code, Refusal},
    spelling,
    triage::TriageLevel,
};
use storage::{
    Conn,
    consultation::{self as store, OfferRow},
};

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
    /// How soon a doctor must see the worker.
    pub triage: TriageLevel,
    /// In the worker's own words; empty once they withdrew the consent to care.
    pub complaint: String,
    /// Whether the worker is present.
    pub worker: WorkerPresence,
}

/// A doctor's open offers.
#[derive(Debug, Serialize, ToSchema)]
pub struct OffersView {
    /// Oldest first.
    pub items: Vec<OfferView>,
}

/// The caller's open offers.
pub fn open_of(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    caller: StaffCaller,
) -> Result<OffersView, Failure> {
    // A poll that finds nothing is one statement.
    if store::offers_open_of(conn, caller.staff)?.is_empty() {
        return Ok(OffersView { items: Vec::new() });
    }
    conn.snapshot(|conn| open_offers(conn, app, shown, caller))
}

fn open_offers(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    caller: StaffCaller,
) -> Result<OffersView, Failure> {
    let offers = store::offers_open_with_consultations(conn, caller.staff)?;
    let presences = Presences::read(conn, &offers.iter().map(|(_, row)| row).collect::<Vec<_>>())?;
    let people: Vec<WorkerId> = offers.iter().map(|(_, row)| row.worker_id).collect();
    let willing = me::consenting_to_care(conn, &people)?;
    let mut items = Vec::with_capacity(offers.len());
    for (offer, row) in offers {
        shown.note(row.worker_id, Part::Offer, row.id);
        items.push(OfferView {
            worker: presences.of(&row),
            id: offer.id,
            consultation_id: offer.consultation_id,
            fence: offer.fence,
            created_at: offer.created_at,
            expires_at: offer.expires_at,
            department: row.department,
            triage: row.triage,
            complaint: if willing.contains(&row.worker_id) {
                app.open("consultation", "complaint_sealed", row.id, &row.complaint_sealed)?
            } else {
                String::new()
            },
        });
    }
    Ok(OffersView { items })
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
    let offer = of_caller(tx.conn, caller, id)?;
    if caller::is_quiet(tx.activity(), tx.now) {
        let pin = input.pin.as_deref().ok_or(Code::ReauthenticationNeeded)?;
        signing::ensure_pin(tx, caller, pin)?;
    }
    let command = Command::Accept { offer: id, doctor: caller.staff, fence: input.fence };
    act(tx, offer.consultation_id, &command)?;
    of_doctor(tx.conn, tx.app, &mut tx.shown, caller.staff, offer.consultation_id)
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
    let offer = of_caller(tx.conn, caller, id)?;
    let command = Command::Decline { offer: id, doctor: caller.staff, fence: input.fence };
    act(tx, offer.consultation_id, &command)?;
    Ok(Declined { id, declined: true })
}

/// An offer that was declined.
#[derive(Debug, Serialize, ToSchema)]
pub struct Declined {
    pub id: OfferId,
    pub declined: bool,
}

/// The caller's offer; `NotFound` for another doctor's. The domain refuses an offer that is no
/// longer open, by its fence.
fn of_caller(conn: &mut Conn, caller: StaffCaller, id: OfferId) -> Result<OfferRow, Failure> {
    match store::offer_fetch(conn, id)? {
        Some(offer) if offer.doctor_id == caller.staff => Ok(offer),
        _ => Err(Refusal::new(Code::NotFound).into()),
    }
}
