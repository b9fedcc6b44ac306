//! A simulated doctor whose process was killed between draft and signature finds the draft in the next
//! run, and the consultation takes none of their places for ever.

use std::sync::Arc;

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::{
    prescribing::Scene,
    seed::{PASSWORD, SIGNING_PIN},
};
use domain::{consultation::ConsultationState, prescription::PrescriptionState};
use service::{Actor, Failure};
use simulation::{client::Api, doctors, pace::Pace, sessions::Staff};
use storage::{
    on_backend,
    schema::{consultation, prescription},
};

const FEVER: &str = "昨晚开始发热、头痛、流清涕 / fever, headache and a runny nose since last night";

/// The states of consultation and prescription after a run that finds this complaint.
async fn after_another_run(complaint: &'static str, signed: bool) -> (ConsultationState, PrescriptionState) {
    let scene = Scene::open().await;
    let id = scene.consultation;
    scene
        .app
        .state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            let sealed = tx.app.seal("consultation", "complaint_sealed", id, complaint)?;
            Ok(on_backend!(tx.conn, c => diesel::update(consultation::table.find(id))
                .set(consultation::complaint_sealed.eq(&sealed))
                .execute(c)
                .map(drop))?)
        })
        .await
        .expect("a complaint");
    if signed {
        scene.signed(&["PCM-T500"]).await;
    } else {
        scene.draft(&["PCM-T500"]).await;
    }
    // A one-time code of the killed run is not accepted again.
    scene.app.pass(90);
    let api = Api::new(&scene.app.base, Arc::new(scene.app.clock.clone())).expect("a client");
    let doctor = &scene.seed.doctor;
    let staff = Staff::new(api.clone(), &doctor.email, PASSWORD, &doctor.totp, SIGNING_PIN.to_owned());
    let until = scene.app.now() - TimeDelta::seconds(1);
    doctors::work(api, Arc::new(staff.expect("a doctor")), until, Pace::quick()).await;
    let mut conn = scene.app.connection();
    on_backend!(&mut conn, c => consultation::table
        .inner_join(prescription::table)
        .filter(consultation::id.eq(id))
        .select((consultation::state, prescription::state))
        .first(c))
    .expect("one prescription")
}

#[actix_web::test]
async fn a_draft_of_an_earlier_run_is_taken_up_or_dropped() {
    let signed = (ConsultationState::Completed, PrescriptionState::Signed);
    assert_eq!(after_another_run(FEVER, false).await, signed);
    assert_eq!(after_another_run(FEVER, true).await, signed);
    let dropped = (ConsultationState::Completed, PrescriptionState::Void);
    assert_eq!(after_another_run("说不清楚", false).await, dropped);
}
