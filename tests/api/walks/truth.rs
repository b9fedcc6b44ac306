//! What must be true of consultations at every moment, read from the database.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::support::TestApp;
use domain::{
    consultation::{Consultation, ConsultationEvent, ConsultationState, Medium, OfferState},
    ids::{ConsultationId, Id, StaffId},
};
use service::{Actor, Failure};
use storage::{
    consultation::ConsultationRow,
    on_backend,
    schema::{consultation, doctor, offer},
};

/// Everything that is wrong.
pub async fn wrong(app: &TestApp) -> Vec<String> {
    app.state
        .read(Actor::System, |conn, _| -> Result<_, Failure> {
            let mut found = Vec::new();
            let rows: Vec<ConsultationRow> =
                on_backend!(conn, c => consultation::table.select(ConsultationRow::as_select()).load(c))?;
            let offers: Vec<(ConsultationId, StaffId, OfferState)> = on_backend!(conn, c => offer::table
                .select((offer::consultation_id, offer::doctor_id, offer::state))
                .load(c))?;
            let mut loads: HashMap<(StaffId, Medium), i32> = HashMap::new();
            for row in &rows {
                let logged = storage::events::events_of(conn, Id::from_uuid(row.id.uuid()))?;
                let events: Vec<ConsultationEvent> = logged
                    .iter()
                    .filter_map(|event| {
                        let payload = serde_json::from_str(&event.payload).ok()?;
                        ConsultationEvent::read(&event.kind, payload).ok()
                    })
                    .collect();
                let stored =
                    storage::consultation::full::full_fetch(conn, row.id)?.expect("a row").snapshot();
                let folded = Consultation::fold(&events);
                if folded.as_ref() != Some(&stored) {
                    found.push(format!("{} is {stored:?}, and its events give {folded:?}", row.id));
                }
                let of = |state| offers.iter().filter(|known| known.0 == row.id && known.2 == state).count();
                let open = usize::from(row.state == ConsultationState::Offered);
                if of(OfferState::Open) != open || of(OfferState::Accepted) > 1 {
                    found.push(format!(
                        "{} is {} with {} open offers",
                        row.id,
                        row.state,
                        of(OfferState::Open)
                    ));
                }
                if row.state == ConsultationState::Active
                    && let Some(doctor) = row.doctor_id
                {
                    *loads.entry((doctor, row.medium)).or_default() += 1;
                }
            }
            for (consultation, doctor, _) in offers.iter().filter(|known| known.2 == OfferState::Open) {
                let asked = rows.iter().find(|row| row.id == *consultation).expect("its consultation");
                *loads.entry((*doctor, asked.medium)).or_default() += 1;
            }
            type Places = (i32, i32);
            let doctors: Vec<(StaffId, Places, Places)> = on_backend!(conn, c => doctor::table
                .select((
                    doctor::staff_id,
                    (doctor::live, doctor::capacity),
                    (doctor::live_video, doctor::video_capacity),
                ))
                .load(c))?;
            let text = doctors.iter().map(|(id, text, _)| (*id, Medium::Text, *text));
            let video = doctors.iter().map(|(id, _, video)| (*id, Medium::Video, *video));
            for (id, medium, (live, capacity)) in text.chain(video) {
                let counted = loads.get(&(id, medium)).copied().unwrap_or(0);
                if live != counted || live > capacity {
                    found.push(format!(
                        "doctor {id} has {counted} by {medium}, and {live} of {capacity} are stored"
                    ));
                }
            }
            Ok(found)
        })
        .await
        .expect("read")
}

/// The consultations that have not ended.
pub async fn live(app: &TestApp) -> Vec<ConsultationRow> {
    app.state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => consultation::table
                .filter(consultation::state.eq_any(["waiting", "offered", "active"]))
                .order(consultation::requested_at)
                .select(ConsultationRow::as_select())
                .load(c))?)
        })
        .await
        .expect("read")
}
