//! Consultations, offers, duty, check-ins and sessions of staff.

use serde_json::json;

use super::{
    Walk,
    chance::Bag,
    clinic::{Clinic, summary},
    folds,
    trail::Trail,
    transitions::Taken,
    truth,
};
use crate::support::TestApp;
use domain::matching::Department;

/// The steps, and how often each is drawn.
const STEPS: &[(&str, usize)] = &[
    ("check in", 4),
    ("leave", 2),
    ("touch", 2),
    ("ask", 4),
    ("cancel", 2),
    ("worker says", 1),
    ("available", 4),
    ("off", 1),
    ("look", 2),
    ("accept", 6),
    ("decline", 4),
    ("complete", 2),
    ("no show", 5),
    ("transfer", 3),
    ("doctor says", 1),
    ("sign out", 2),
    ("pass", 7),
    ("jobs", 8),
    ("late", 2),
    ("shift ends", 1),
    ("crash", 1),
];

pub struct CareWalk<'h> {
    clinic: Clinic<'h>,
    bag: Bag,
}

impl<'h> CareWalk<'h> {
    pub async fn begin(app: &'h TestApp, trail: Trail) -> Self {
        let mut clinic = Clinic::open(app, trail, "consultation_only").await;
        clinic.beside = Some(app.another().await);
        Self { clinic, bag: Bag::of(STEPS) }
    }
}

impl Walk for CareWalk<'_> {
    async fn step(&mut self) {
        let clinic = &mut self.clinic;
        let what = self.bag.draw(&mut clinic.trail.chance);
        let worker = clinic.trail.chance.below(clinic.workers.len());
        let doctor = clinic.trail.chance.below(clinic.doctors.len());
        clinic.trail.note(format!("{what}: worker {worker}, doctor {doctor}"));
        match what {
            "check in" => {
                let screen = clinic.trail.chance.below(clinic.screens.len());
                clinic.check_in(worker, screen).await;
            }
            "leave" => clinic.leave(worker).await,
            "touch" => drop(clinic.worker_posts(worker, "/api/v1/me/presence", json!({})).await),
            "ask" => {
                // Most people ask when they have just arrived.
                if !clinic.trail.chance.once_in(4) {
                    clinic.check_in(worker, worker).await;
                }
                clinic.ask(worker).await;
            }
            "cancel" => drop(clinic.worker_talks(worker, "cancel", json!({})).await),
            "worker says" => drop(clinic.worker_talks(worker, "messages", json!({"text": "好"})).await),
            "available" => {
                let one = [Department::GENERAL_PRACTICE, Department::known("dermatology")].map(Some);
                let of = clinic.trail.chance.one(&[None, one[0], one[1]]);
                clinic.shift(doctor, true, of).await;
                clinic.duty(doctor, what).await;
            }
            "off" => clinic.duty(doctor, what).await,
            "look" => clinic.look(doctor).await,
            "accept" | "decline" => {
                // Mostly a doctor who is asked.
                let asked = clinic.asked().filter(|_| !clinic.trail.chance.once_in(4));
                let doctor = asked.unwrap_or(doctor);
                clinic.look(doctor).await;
                let newest = clinic.doctors[doctor].offers.len().saturating_sub(1);
                clinic.answer(doctor, what, newest).await;
            }
            "late" => {
                let known = clinic.doctors[doctor].offers.len();
                if known > 0 {
                    let which = clinic.trail.chance.below(known);
                    let verb = clinic.trail.chance.one(&["accept", "decline"]);
                    clinic.answer(doctor, verb, which).await;
                }
            }
            "complete" => clinic.doctor_talks(doctor, "complete", summary()).await,
            "no show" => {
                // A doctor in a hurry, or one who has somebody and waits for them.
                if clinic.trail.chance.once_in(2) {
                    clinic.doctor_talks(doctor, "no-show", json!({})).await;
                } else {
                    clinic.app.pass(181);
                    for number in 0..clinic.doctors.len() {
                        clinic.look(number).await;
                        clinic.doctor_talks(number, "no-show", json!({})).await;
                    }
                }
            }
            "transfer" => clinic.transfer().await,
            "doctor says" => clinic.doctor_talks(doctor, "messages", json!({"text": "请说"})).await,
            "sign out" => clinic.sign_out(doctor).await,
            "pass" => {
                let seconds = clinic.trail.chance.one(&[1, 5, 15, 21, 60, 95, 125, 181, 301, 7201]);
                clinic.trail.note(format!("  {seconds} s"));
                clinic.app.pass(seconds);
            }
            "shift ends" => clinic.shift(doctor, false, None).await,
            // What the other instance knew is gone.
            "crash" => clinic.beside = Some(clinic.app.another().await),
            "jobs" => clinic.jobs().await,
            other => unreachable!("{other}"),
        }
        let wrong = truth::wrong(clinic.app).await;
        clinic.trail.right(&wrong);
    }

    /// Doctors who are on duty see everybody who is checked in.
    async fn end(&mut self) {
        let clinic = &mut self.clinic;
        clinic.app.pass(1);
        for doctor in 0..clinic.doctors.len() {
            clinic.shift(doctor, false, None).await;
            clinic.shift(doctor, true, None).await;
        }
        for _ in 0..12 {
            if truth::live(clinic.app).await.is_empty() {
                break;
            }
            clinic.see_everybody().await;
        }
        let left = truth::live(clinic.app).await;
        assert!(left.is_empty(), "{left:?} never ends{}", clinic.trail.shown());
        clinic.trail.right(&truth::wrong(clinic.app).await);
    }

    async fn finished(self) -> Taken {
        let mut taken = Taken::default();
        let clinic = self.clinic;
        clinic.trail.right(&folds::wrong(clinic.app, &mut taken).await);
        clinic.app.sound().await;
        taken
    }
}
