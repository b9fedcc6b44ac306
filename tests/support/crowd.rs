//! Many people at once: doctors on duty, and workers who wait.

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};

use super::{
    Doctor, TestApp, id_in,
    people::Person,
    worker::{Worker, WorkerAtStation},
};
use crypto::tokens::Role;
use diesel::prelude::*;
use domain::{
    ids::{HospitalId, ShiftId, StaffId},
    matching::{Department, presence::Presence},
};
use service::{Actor, Failure};
use storage::{network as store, on_backend, schema::doctor as doctor_table, sql_types::At};

/// Doctors alike.
#[derive(Debug, Clone)]
pub struct Crowd {
    pub hospital: HospitalId,
    pub departments: Vec<Department>,
    pub languages: &'static str,
    pub capacity: i32,
    /// Consultations that they have already.
    pub live: i32,
    /// For how long they have been idle.
    pub idle: TimeDelta,
}

impl TestApp {
    /// Adds doctors who are on shift and available, without sessions: nobody answers for them.
    pub async fn crowd(&self, crowd: &Crowd, number: usize) -> Vec<StaffId> {
        let ids: Vec<StaffId> = (0..number).map(|_| StaffId::generate()).collect();
        let (all, crowd) = (ids.clone(), crowd.clone());
        let date = |year| NaiveDate::from_ymd_opt(year, 1, 1).expect("a date");
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                for &id in &all {
                    store::staff_add(
                        tx.conn,
                        &[store::NewStaff {
                            id,
                            role: Role::Doctor,
                            email: format!("{id}@example.cn"),
                            name_zh: "样例医生".into(),
                            name_en: "Sample doctor".into(),
                            hospital_id: Some(crowd.hospital),
                            employer_id: None,
                            password_hash: None,
                            totp_sealed: None,
                            totp_step: 0,
                            pin_salt: None,
                            pin_mac: None,
                            pin_failures: 0,
                            created_at: At(tx.now),
                        }],
                    )?;
                    store::doctors_add(
                        tx.conn,
                        &[store::NewDoctor {
                            staff_id: id,
                            hospital_id: crowd.hospital,
                            licence_no: format!("SAMPLE-{id}"),
                            licence_verified_at: Some(At(tx.now)),
                            licence_valid_until: date(2030),
                            practising_since: date(2010),
                            languages: crowd.languages.into(),
                            capacity: crowd.capacity,
                            video_capacity: 1,
                            presence: Presence::Available,
                            idle_since: At(tx.now - crowd.idle),
                            live: crowd.live,
                        }],
                    )?;
                    let of = |&department| store::NewDoctorDepartment { doctor_id: id, department };
                    let departments: Vec<_> = crowd.departments.iter().map(of).collect();
                    store::doctor_departments_add(tx.conn, &departments)?;
                    store::shifts_insert(
                        tx.conn,
                        &[store::NewShift {
                            id: ShiftId::generate(),
                            staff_id: id,
                            starts_at: At(tx.now - TimeDelta::hours(1)),
                            ends_at: At(tx.now + TimeDelta::hours(24)),
                        }],
                    )?;
                }
                Ok(())
            })
            .await
            .expect("a crowd");
        ids
    }

    /// Makes these the departments of a doctor.
    pub async fn of_departments(&self, doctor: &Person, departments: &[&str]) {
        let id = doctor.id;
        let all: Vec<Department> =
            departments.iter().map(|code| Department::parse(code).expect("a code")).collect();
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                Ok(storage::staff::change::doctor_departments_write(tx.conn, id, &all)?)
            })
            .await
            .expect("departments");
    }

    /// Takes the place for video from a doctor.
    pub async fn only_by_text(&self, doctor: &Person) {
        let mut conn = self.connection();
        let row = diesel::update(doctor_table::table.find(doctor.id));
        on_backend!(&mut conn, c => row.set(doctor_table::video_capacity.eq(0)).execute(c)).expect("changed");
    }

    /// A doctor of this department, on duty.
    pub async fn doctor_of(&self, department: &str) -> Doctor<'_> {
        let hospital = self.network().await.hospital;
        let email = format!("{department}-{}@example.cn", StaffId::generate());
        let person: Person = self.person(Role::Doctor, &email, Some(hospital), None).await;
        self.of_departments(&person, &[department]).await;
        let doctor = Doctor::new(self, &person);
        doctor.go_on_duty().await;
        doctor
    }
}

impl TestApp {
    /// Another worker, at a screen of their own, who asks for this department.
    pub async fn asks_for(&self, number: usize, department: &str) -> WorkerAsks<'_> {
        let station = self.open_screen().await;
        let worker = station.check_in(Worker::walk_in().phone(&format!("158{number:08}"))).await;
        let request = json!({"complaint": "样例", "lane": "consultation_only", "department": department});
        let asked = worker.request_consultation(request).await.expect_created();
        WorkerAsks { id: id_in(&asked).to_owned(), worker, asked }
    }
}

/// A worker who waits.
pub struct WorkerAsks<'a> {
    pub worker: WorkerAtStation<'a>,
    /// The consultation.
    pub id: String,
    /// What they were answered.
    pub asked: Value,
}

impl WorkerAsks<'_> {
    /// Their consultation now.
    pub async fn now(&self) -> Value {
        self.worker.consultation(&self.id).await
    }
}
