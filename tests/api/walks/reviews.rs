//! What must be true of reviews at any moment: each signed version is decided once, by somebody else than its
//! doctor, and nothing is dispensed before.

use std::collections::BTreeMap;

use diesel::prelude::*;
use uuid::Uuid;

use crate::support::TestApp;
use domain::{
    event::Event,
    ids::{PrescriptionId, StaffId},
    order::UnitState,
    prescription::Event as PrescriptionEvent,
    time::Timestamp,
};
use service::{Actor, Failure};
use storage::{
    Conn,
    events::LoggedEvent,
    on_backend,
    schema::{event, order_unit, review_round},
};

/// What is known of one prescription.
#[derive(Default)]
struct Reviewed {
    prescriber: Option<StaffId>,
    /// Signed and not decided.
    waits: bool,
    /// The pharmacist who has it.
    held_by: Option<StaffId>,
    question_open: bool,
    /// Waits that have ended.
    rounds: i64,
    approved_at: Option<Timestamp>,
}

/// Everything that is not as it must be.
pub async fn wrong(app: &TestApp) -> Vec<String> {
    app.state.read(Actor::System, |conn, _| look(conn)).await.expect("read")
}

fn look(conn: &mut Conn) -> Result<Vec<String>, Failure> {
    let events: Vec<LoggedEvent> = on_backend!(conn, c => event::table
        .filter(event::stream.eq("prescription"))
        .order(event::position)
        .select(LoggedEvent::as_select())
        .load(c))?;
    let (mut all, mut wrong) = (BTreeMap::<Uuid, Reviewed>::new(), Vec::new());
    for logged in &events {
        let Event::Prescription(change) = logged.parse()? else { continue };
        let one = all.entry(logged.stream_id.uuid()).or_default();
        if let Some(fault) = one.take(&change, logged.at) {
            wrong.push(format!("prescription {}: {fault}", logged.stream_id));
        }
    }
    let dispensed: Vec<(Option<PrescriptionId>, Option<Timestamp>)> = on_backend!(conn, c => order_unit::table
        .filter(order_unit::state.eq(UnitState::Dispensed))
        .select((order_unit::prescription_id, order_unit::ended_at))
        .load(c))?;
    for (id, at) in dispensed {
        let approved = id.and_then(|id| all.get(&id.uuid())).and_then(|one| one.approved_at);
        if id.is_some() && approved.is_none_or(|approved| at.is_some_and(|at| at < approved)) {
            wrong.push(format!("prescription {id:?}: dispensed before it was approved"));
        }
    }
    let rounds: Vec<(PrescriptionId, i64)> = on_backend!(conn, c => review_round::table
        .group_by(review_round::prescription_id)
        .select((review_round::prescription_id, diesel::dsl::count_star()))
        .load(c))?;
    let stored: BTreeMap<Uuid, i64> = rounds.into_iter().map(|(id, count)| (id.uuid(), count)).collect();
    for (id, one) in &all {
        let stored = stored.get(id).copied().unwrap_or(0);
        if stored != one.rounds {
            wrong.push(format!("prescription {id}: {stored} rounds, and its events give {}", one.rounds));
        }
    }
    Ok(wrong)
}

impl Reviewed {
    /// Takes the next event; returns what is wrong with it.
    fn take(&mut self, change: &PrescriptionEvent, at: Timestamp) -> Option<String> {
        let kind = change.kind();
        let right = match change {
            PrescriptionEvent::Drafted { prescriber, .. } => {
                self.prescriber = Some(*prescriber);
                true
            }
            PrescriptionEvent::Edited { .. } | PrescriptionEvent::Fulfilled { .. } => !self.waits,
            PrescriptionEvent::SupplyDecided { .. } => self.waits || self.approved_at.is_some(),
            PrescriptionEvent::Signed { .. } => !std::mem::replace(&mut self.waits, true),
            PrescriptionEvent::Claimed { reviewer, .. } => {
                let free = self.held_by.replace(*reviewer).is_none() && !self.question_open;
                free && self.waits && self.is_other(*reviewer)
            }
            PrescriptionEvent::Released { .. } => self.held_by.take().is_some(),
            PrescriptionEvent::Asked { reviewer, .. } => {
                self.held_by = None;
                !std::mem::replace(&mut self.question_open, true) && self.waits && self.is_other(*reviewer)
            }
            PrescriptionEvent::Answered { by, .. } => {
                std::mem::replace(&mut self.question_open, false) && self.prescriber == Some(*by)
            }
            PrescriptionEvent::Approved { reviewer, .. } => {
                self.approved_at = Some(at);
                let answered = !self.question_open;
                self.end() && answered && self.is_other(*reviewer)
            }
            PrescriptionEvent::Returned { reviewer, .. } => self.end() && self.is_other(*reviewer),
            PrescriptionEvent::Voided { .. } | PrescriptionEvent::Expired { .. } => {
                self.end();
                true
            }
        };
        (!right).then(|| format!("{kind} at {at}"))
    }

    fn is_other(&self, reviewer: StaffId) -> bool {
        self.prescriber.is_some_and(|prescriber| prescriber != reviewer)
    }

    /// Ends the wait for a review, if there is one.
    fn end(&mut self) -> bool {
        let waited = std::mem::replace(&mut self.waits, false);
        self.rounds += i64::from(waited);
        (self.held_by, self.question_open) = (None, false);
        waited
    }
}
