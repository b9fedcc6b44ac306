//! What the house asks all the time must not grow dearer with its history: no
//! such statement walks through a whole table, or is prepared anew at every
//! run. SQLite is asked, because it shows its plans even for an empty database.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use diesel::{QueryableByName, RunQueryDsl, connection::InstrumentationEvent, sql_types::Text};

use crate::{
    engines::{Database, Engine},
    harness::start_of_test,
};
use domain::{
    ids::{CabinetId, CheckInId, ConsultationId, PrescriptionId, SessionId, StaffId, StationId, WorkerId},
    vend::AttemptState,
};
use storage::{Conn, DatabaseUrl, conn::Purpose};

/// Tables that grow for ever.
const HISTORY: &[&str] = &[
    "attempt",
    "consultation",
    "offer",
    "orders",
    "order_unit",
    "prescription",
    "check_in",
    "event",
    "alert",
    "reading",
];

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct CompiledWith {
    #[diesel(sql_type = Text)]
    compile_options: String,
}

fn ask_everything(conn: &mut Conn) -> diesel::QueryResult<()> {
    let now = start_of_test();
    let (cabinet, doctor, worker) = (CabinetId::generate(), StaffId::generate(), WorkerId::generate());
    storage::vend::attempt::attempts_of_cabinet(conn, cabinet, AttemptState::LIVE)?;
    storage::vend::attempt::attempts_of_cabinet(conn, cabinet, &[AttemptState::Issued])?;
    storage::vend::attempt::attempts_voided_since(conn, cabinet, now, 100)?;
    storage::vend::attempt::attempts_overdue(conn, now, 100)?;
    storage::vend::attempt::attempts_silent(conn, now, 100)?;
    storage::check_in::check_ins_idle(conn, now, 100)?;
    storage::consultation::consultation_live_of(conn, worker)?;
    storage::consultation::consultations_of_doctor(conn, doctor)?;
    storage::consultation::consultations_waiting(conn, 50)?;
    storage::consultation::consultations_unserved(conn, now, 100)?;
    storage::consultation::doctor_of_last_visit(conn, worker, now, now)?;
    storage::consultation::offers_open_of(conn, doctor)?;
    storage::consultation::offers_expired(conn, now, 200)?;
    storage::consultation::offers_refused(conn, ConsultationId::generate(), now)?;
    storage::alert::alerts_after(conn, true, None, 50)?;
    storage::alert::alerts_of_check_in(conn, CheckInId::generate())?;
    storage::vitals::measure_again_due(conn, now, 100)?;
    storage::order::station_sales::packs_without_card(conn, StationId::generate(), now)?;
    storage::triage::recent::readings_lately(conn, &[worker], now)?;
    storage::triage::recent::alerts_lately(conn, &[worker], now)?;
    storage::triage::recent::completed_lately(conn, &[worker], now)?;
    storage::safety::same_phone(conn, worker)?;
    storage::safety::facts_since(conn, worker, now)?;
    storage::network::listing::figures(conn, now, now)?;
    storage::matching::doctor::candidates(conn, now, 200)?;
    storage::order::orders_overdue(conn, now, 100)?;
    storage::prescription::prescriptions_due(conn, now, 100)?;
    storage::prescription::reviews_waiting(conn, now, 50)?;
    Ok(())
}

/// Some of what each verb writes, and a list.
fn write_something(conn: &mut Conn) -> diesel::QueryResult<()> {
    let now = start_of_test();
    storage::authority::check_in_touch(conn, CheckInId::generate(), now)?;
    storage::authority::session_touch(conn, SessionId::generate(), now)?;
    storage::idempotency::answer_save(conn, "worker", "route", "key", &[])?;
    storage::prescription::lines_of_all(conn, &[PrescriptionId::generate(); 3])?;
    Ok(())
}

/// What a connection said while `work` ran: the statements that ran, and those
/// that it keeps prepared.
fn overheard(
    conn: &mut Conn,
    work: impl Fn(&mut Conn) -> diesel::QueryResult<()>,
) -> (Vec<String>, HashSet<String>) {
    let heard = Arc::new(Mutex::new((Vec::new(), HashSet::new())));
    let listener = Arc::clone(&heard);
    let Conn::Sqlite(inner) = &mut *conn else { panic!("the wrong engine") };
    diesel::Connection::set_instrumentation(inner, move |event: InstrumentationEvent<'_>| {
        let (ran, kept) = &mut *listener.lock().expect("unbroken");
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                let text = query.to_string();
                ran.push(text.split(" -- binds:").next().unwrap_or(&text).to_owned());
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                kept.insert(sql.to_owned());
            }
            _ => {}
        }
    });
    work(conn).expect("asked");
    std::mem::take(&mut *heard.lock().expect("unbroken"))
}

/// A connection to an empty database, which goes with the folder.
fn opened(folder: &std::path::Path) -> Conn {
    let database = Database::empty_on(Engine::Sqlite, folder);
    let url = DatabaseUrl::parse(&database.url).expect("a URL");
    storage::migrate(&url).expect("migrated");
    Conn::open(&url, Purpose::Write).expect("opened")
}

#[test]
fn what_is_run_all_the_time_is_prepared_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut conn = opened(folder.path());
    let (ran, kept) = overheard(&mut conn, |conn| {
        ask_everything(conn)?;
        write_something(conn)
    });
    assert!(ran.len() > 20, "{} statements were heard", ran.len());
    for statement in &ran {
        assert!(kept.contains(statement), "prepared anew at every run: {statement}");
    }
    let Conn::Sqlite(inner) = &mut conn else { panic!("the wrong engine") };
    let options: Vec<CompiledWith> = diesel::sql_query("PRAGMA compile_options").load(inner).expect("told");
    assert!(
        options.iter().any(|option| option.compile_options == "ENABLE_QPSG"),
        "SQLite plans anew for each value of a bound LIMIT: .cargo/config.toml was not read"
    );
}

#[test]
fn what_is_asked_all_the_time_walks_through_no_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut conn = opened(folder.path());
    let (asked, _) = overheard(&mut conn, ask_everything);
    assert!(asked.len() > 20, "{} statements were heard", asked.len());
    let Conn::Sqlite(inner) = &mut conn else { panic!("the wrong engine") };
    for statement in &asked {
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
