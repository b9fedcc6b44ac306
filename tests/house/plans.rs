//! What the house asks all the time must not grow dearer with its history: no
//! such statement walks through a whole table. SQLite is asked, because it
//! shows its plans even for an empty database.

use std::sync::{Arc, Mutex};

use diesel::{QueryableByName, RunQueryDsl, connection::InstrumentationEvent, sql_types::Text};
use waystation::{
    domain::{
        ids::{CabinetId, ConsultationId, StaffId, WorkerId},
        vend::AttemptState,
    },
    storage::{
        Conn, DatabaseUrl, attempts, check_in, conn::Purpose, consultations, directory, doctors, orders,
        prescriptions,
    },
};

use crate::{
    engines::{Database, Engine},
    harness::start_of_test,
};

/// Tables that grow for ever.
const HISTORY: &[&str] =
    &["attempt", "consultation", "offer", "orders", "order_unit", "prescription", "check_in", "event"];

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn ask_everything(conn: &mut Conn) -> diesel::QueryResult<()> {
    let now = start_of_test();
    let (cabinet, doctor, worker) = (CabinetId::generate(), StaffId::generate(), WorkerId::generate());
    attempts::attempts_of_cabinet(conn, cabinet, AttemptState::LIVE)?;
    attempts::attempts_of_cabinet(conn, cabinet, &[AttemptState::Issued])?;
    attempts::attempts_voided_since(conn, cabinet, now, 100)?;
    attempts::attempts_overdue(conn, now, 100)?;
    attempts::attempts_silent(conn, now, 100)?;
    check_in::check_ins_idle(conn, now, 100)?;
    consultations::consultation_live_of(conn, worker)?;
    consultations::consultations_of_doctor(conn, doctor)?;
    consultations::consultations_waiting(conn, 50)?;
    consultations::consultations_unserved(conn, now, 100)?;
    consultations::doctor_of_last_visit(conn, worker, now)?;
    consultations::offers_open_of(conn, doctor)?;
    consultations::offers_expired(conn, now, 200)?;
    consultations::offers_refused(conn, ConsultationId::generate(), now)?;
    directory::figures(conn, now, now)?;
    doctors::candidates(conn, now, 200)?;
    orders::orders_overdue(conn, now, 100)?;
    prescriptions::prescriptions_due(conn, now, 100)?;
    prescriptions::reviews_waiting(conn, now, 50)?;
    Ok(())
}

#[test]
fn what_is_asked_all_the_time_walks_through_no_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::empty_on(Engine::Sqlite, folder.path());
    let url = DatabaseUrl::parse(&database.url).expect("a URL");
    waystation::storage::migrate(&url).expect("migrated");
    let mut conn = Conn::open(&url, Purpose::Write).expect("opened");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let Conn::Sqlite(inner) = &mut conn else { panic!("the wrong engine") };
    diesel::Connection::set_instrumentation(inner, move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            listener.lock().expect("unbroken").push(query.to_string());
        }
    });
    ask_everything(&mut conn).expect("asked");
    let asked: Vec<String> = std::mem::take(&mut *heard.lock().expect("unbroken"));
    assert!(asked.len() > 20, "{} statements were heard", asked.len());
    let Conn::Sqlite(inner) = &mut conn else { panic!("the wrong engine") };
    for statement in asked.iter().map(|text| text.split(" -- binds:").next().unwrap_or(text)) {
        let plan: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(inner).expect("explained");
        for step in &plan {
            let walks = step.detail.strip_prefix("SCAN ").is_some_and(|rest| {
                HISTORY.contains(&rest.split(' ').next().unwrap_or(rest)) && !rest.contains("USING")
            });
            assert!(!walks, "{}\n{statement}", step.detail);
        }
    }
}
