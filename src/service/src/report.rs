//! The worker's own report of one visit: readings and triage, consultations, prescriptions, orders.
//! It is assembled from the views of those modules and stores nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Actor, AppState, Failure, HealthAccess,
    caller::WorkerCaller,
    consultation::{self, ConsultationView, MessageView},
    order::{self, OrderView},
    prescription,
    triage::{self, TriageView},
    vitals::{self, ReadingView},
};
use crate::{
    network::me::{self, MeView},
    prescription::view::PrescriptionView,
};
use domain::ids::{ConsultationId, StationId};
use storage::{Conn, Live, triage::facts::StationNames};

/// The maximum number of items of each kind in one visit.
const MOST: u32 = 20;

/// Where it was.
#[derive(Debug, Serialize, ToSchema)]
pub struct StationBrief {
    pub id: StationId,
    /// Its code on signs.
    pub code: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
}

/// A consultation with its messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedConsultation {
    pub consultation: ConsultationView,
    /// All of its messages, oldest first.
    pub messages: Vec<MessageView>,
}

/// The record of one visit.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportView {
    /// When the record was put together.
    pub made_at: DateTime<Utc>,
    /// When the visit began.
    pub started_at: DateTime<Utc>,
    pub station: StationBrief,
    pub worker: MeView,
    /// What was measured.
    pub readings: Vec<ReadingView>,
    /// What it means.
    pub triage: TriageView,
    /// Who was seen.
    pub consultations: Vec<ReportedConsultation>,
    /// What was prescribed.
    pub prescriptions: Vec<PrescriptionView>,
    /// What was paid and vended.
    pub orders: Vec<OrderView>,
}

/// The record of the caller's present visit: this check-in, and the consultations and orders that
/// were still open when it began.
pub fn of_visit(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    caller: WorkerCaller,
) -> Result<ReportView, Failure> {
    let actor = Actor::Worker(caller);
    let known = triage::known(conn, app, caller.visit())?;
    let since = known.facts.started_at;
    let of_visit = |ended: Option<DateTime<Utc>>| ended.is_none_or(|ended| ended >= since);
    let mut own = consultation::list_for_worker(conn, app, Live::always(), caller.worker, None, MOST)?
        .unwrap_or_default()
        .items;
    own.retain(|known| of_visit(known.ended_at));
    let ids: Vec<ConsultationId> = own.iter().map(|known| known.id).collect();
    let mut messages = consultation::messages_of_worker(conn, app, shown, caller.worker, &ids)?;
    let own = own.into_iter().map(|consultation| {
        let messages = messages.remove(&consultation.id).unwrap_or_default();
        ReportedConsultation { consultation, messages }
    });
    let consultations: Vec<ReportedConsultation> = own.collect();
    let mut prescriptions =
        prescription::list(conn, app, shown, Live::always(), actor, (None, MOST))?.unwrap_or_default().items;
    prescriptions
        .retain(|known| consultations.iter().any(|seen| seen.consultation.id == known.consultation_id));
    let mut orders = order::list(conn, app, caller.worker, None, MOST)?.items;
    orders.retain(|known| of_visit(known.ended_at));
    // Symptoms count as they did when the doctor was requested.
    let symptoms: Vec<_> =
        consultations.iter().flat_map(|seen| seen.consultation.symptoms.iter().copied()).collect();
    let StationNames { code, name_zh, name_en } = known.facts.station.clone();
    Ok(ReportView {
        made_at: app.now(),
        started_at: since,
        station: StationBrief { id: caller.station, code, name_zh, name_en },
        worker: me::fetch(conn, app, caller)?,
        readings: vitals::list(conn, caller.check_in)?.items,
        triage: known.triage(conn, app, &symptoms)?,
        consultations,
        prescriptions,
        orders,
    })
}
