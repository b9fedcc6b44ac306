//! Frequent statements must not become slower as the network and its history grow: none of them
//! reads a whole table or a whole index, or is prepared again at every run. Both databases show their
//! query plans even when they are empty.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use diesel::{QueryableByName, RunQueryDsl, connection::InstrumentationEvent, sql_types::Text};

use crate::{
    engines::{Database, Engine, engine},
    harness::start_of_test,
};
use domain::{
    consultation::Medium,
    ids::{
        AttemptId, CabinetId, CheckInId, ConsultationId, DeviceId, HospitalId, OfferId, OrderId, OrderUnitId,
        PrescriptionId, SessionId, ShiftRuleId, StaffId, StationId, WorkerId,
    },
    ledger::{AccountRef, TransferReason},
    matching::{Department, OverflowStep, Queue},
    money::Fen,
    order::UnitState,
    time::Timestamp,
    triage::TriageLevel,
    vend::AttemptState,
    vitals::ReadingKind,
    words::Language,
};
use storage::{
    Conn, DatabaseUrl, Live,
    authority::Authority,
    conn::Purpose,
    events::Audience,
    idempotency::AnswerId,
    matching::queue::Since,
    order::MovedUnits,
    prescription::{PrescriptionFilter, PrescriptionRow},
    review::WaitingFor,
};

/// Tables that grow with the number of workers or with time.
const GROWING: &[&str] = &[
    "account",
    "alert",
    "attempt",
    "check_in",
    "consent",
    "consultation",
    "consultation_transfer",
    "doctor_key",
    "event",
    "health_profile",
    "health_read",
    "journal",
    "letter",
    "lot",
    "message",
    "offer",
    "order_unit",
    "orders",
    "posting",
    "prescription",
    "prescription_line",
    "reading",
    "review_round",
    "saved_answer",
    "session",
    "shift",
    "leave",
    "shift_rule",
    "slot",
    "slot_stock",
    "transfer",
    "worker",
];

/// An index of a growing table that is read from one end, until there are enough rows: statements
/// that may do so.
const FROM_ONE_END: &[&str] = &["ORDER BY `event`.`position` DESC", "ORDER BY \"event\".\"position\" DESC"];

fn grows(name: &str) -> bool {
    GROWING.contains(&name)
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn waiting_prescription(now: Timestamp) -> PrescriptionRow {
    let ids = (PrescriptionId::generate(), ConsultationId::generate(), WorkerId::generate());
    let row = PrescriptionRow::draft(ids, (StaffId::generate(), HospitalId::generate()), Vec::new(), now);
    PrescriptionRow { signed_at: Some(now), ..row }
}

fn run_frequent_reads(conn: &mut Conn) -> diesel::QueryResult<()> {
    let now = start_of_test();
    let (cabinet, doctor, worker) = (CabinetId::generate(), StaffId::generate(), WorkerId::generate());
    let attempts = [AttemptId::generate(); 3];
    let session = Authority::Session { id: SessionId::generate(), version: 1, oldest: now };
    let (visit, live) = (Authority::CheckIn(CheckInId::generate()), Live::of(Some(session)));
    storage::order::order_whole(conn, OrderId::generate())?;
    storage::order::prescribed::order_prescribed(conn, OrderId::generate())?;
    storage::order::prescribed::order_prescribed_of_attempt(conn, AttemptId::generate())?;
    storage::order::orders_of_attempts(conn, &attempts)?;
    storage::order::orders_of_worker(conn, worker, None, 20)?;
    storage::network::person::person_of(conn, worker)?;
    storage::network::person::person_of_lock(conn, worker)?;
    storage::network::person::unpaid_of(conn, &[worker; 2], now)?;
    storage::stock::slots_numbered(conn, cabinet, &[1, 2])?;
    storage::stock::slots_with_products(conn, cabinet, &["A", "B"])?;
    let station = StationId::generate();
    storage::stock::near::station_with_cabinet(conn, station)?;
    storage::stock::near::cabinet_in_order(conn, cabinet)?;
    let place = domain::network::distance::Place { latitude_e6: 37_540_000, longitude_e6: 121_390_000 };
    storage::stock::near::stations_near(conn, place, place.reach_e6(5_000), 40)?;
    storage::stock::near::slots_of_cabinets(conn, &[cabinet; 40], &["A", "B"])?;
    storage::stock::near::packs_drafted(conn, &[station; 40], now)?;
    storage::vend::journal::standing_with_slots(conn, cabinet, &[1, 2])?;
    storage::vend::journal::cabinet_lock_with_journal(conn, cabinet)?;
    storage::vend::attempt::attempts_and_discrepancies(conn, cabinet, &[AttemptState::Issued])?;
    storage::vend::attempt::attempts_of_cabinet(conn, cabinet, &[AttemptState::Issued])?;
    storage::vend::attempt::work_of(conn, (DeviceId::generate(), 1), cabinet, now)?;
    storage::vend::attempt::attempts_overdue(conn, now, OrderId::from_uuid(uuid::Uuid::nil()), 100)?;
    storage::vend::attempt::attempts_silent(conn, now, AttemptId::from_uuid(uuid::Uuid::nil()), 100)?;
    storage::check_in::check_ins_idle(conn, now, CheckInId::from_uuid(uuid::Uuid::nil()), 100)?;
    storage::consultation::consultation_live_of(conn, worker)?;
    storage::consultation::full::full_fetch(conn, ConsultationId::generate())?;
    storage::consultation::full::full_fetch_with_place(
        conn,
        Live::of(Some(visit)),
        ConsultationId::generate(),
        now,
    )?;
    storage::consultation::full::full_of_doctor(conn, live, doctor)?;
    storage::consultation::full::full_of_worker(conn, live, worker, (None, 50), now)?;
    storage::consultation::full::full_lock_live_of(conn, worker)?;
    storage::consultation::full::full_lock_offered(conn, OfferId::generate(), doctor)?;
    let (general, since) =
        (Department::GENERAL_PRACTICE, Since { refused: now, transferred: now, visited: now });
    storage::matching::queue::departments_waiting(conn)?;
    storage::matching::queue::queues(conn, &[general])?;
    storage::matching::queue::front(conn, (general, "queue"), None, since, 50)?;
    storage::matching::queue::refused_lately(conn, since)?;
    storage::consultation::requested_since(conn, now)?;
    storage::consultation::consultations_unserved(
        conn,
        now,
        ConsultationId::from_uuid(uuid::Uuid::nil()),
        100,
    )?;
    storage::consultation::full::full_offered_to(conn, live, doctor)?;
    storage::consultation::offers_expired(conn, now, OfferId::from_uuid(uuid::Uuid::nil()), 200)?;
    storage::consultation::full::full_with_earlier(conn, ConsultationId::generate(), 11)?;
    storage::consultation::message::messages_after(conn, live, ConsultationId::generate(), None, 50)?;
    storage::consultation::called::called_at(conn, live, StationId::generate(), 20)?;
    storage::consultation::called::departments_away(conn)?;
    storage::consultation::called::away_after(conn, ConsultationId::from_uuid(uuid::Uuid::nil()), 50)?;
    storage::consultation::offers_off_duty(conn, OfferId::from_uuid(uuid::Uuid::nil()), 50)?;
    storage::consultation::transfer::transfers_of(conn, ConsultationId::generate())?;
    storage::prescription::prescriptions_list(conn, live, PrescriptionFilter::Worker(worker), None, 21)?;
    storage::triage::facts::worker_and_last_visit(conn, worker, now, now)?;
    storage::triage::facts::visit_facts(conn, CheckInId::generate(), now)?;
    storage::alert::alerts_after(conn, true, None, 50)?;
    storage::alert::alerts_of_check_in(conn, CheckInId::generate())?;
    storage::vitals::measure_again_due(conn, now, CheckInId::from_uuid(uuid::Uuid::nil()), 100)?;
    storage::order::station_sales::packs_without_card(conn, StationId::generate(), now)?;
    storage::triage::recent::readings_lately(conn, &[worker], now)?;
    storage::triage::recent::alerts_lately(conn, &[worker], now)?;
    storage::triage::recent::completed_lately(conn, &[worker], now)?;
    let whose = storage::safety::Whose { worker, person: &[worker; 2], except: None };
    storage::safety::person_now(conn, whose, &[ReadingKind::Weight], (now, now), now)?;
    storage::safety::units_taken(conn, &[worker], now)?;
    storage::triage::facts::worker_and_profile(conn, worker)?;
    storage::safety::same_phone(conn, worker)?;
    storage::safety::facts_since(conn, worker, now)?;
    storage::network::listing::figures(conn, now, now)?;
    storage::matching::doctor::candidates(conn, &[general], now)?;
    let queue = Queue {
        department: general,
        level: TriageLevel::Standard,
        language: Language::Chinese,
        medium: Medium::Text,
        district: "district".to_owned(),
    };
    for neighbouring in [false, true] {
        let step = OverflowStep { department: general, neighbouring };
        storage::matching::doctor::is_on_call(conn, &queue, step, &[doctor], now)?;
    }
    storage::matching::load::on_call_of(conn, &[general], now)?;
    storage::matching::load::on_call_all(conn, &[doctor], now)?;
    storage::matching::queue::waiting_all(conn)?;
    storage::matching::queue::refused_by(conn, ConsultationId::generate(), since)?;
    storage::matching::queue::waiting_by_queue(conn)?;
    storage::matching::offer::clock_and_open_offers(conn)?;
    storage::network::roster::coverage::next_on_call(
        conn,
        &[general],
        (Language::Chinese, Medium::Text),
        now,
    )?;
    let window = domain::network::roster::Span { from: now, until: now + chrono::TimeDelta::days(3) };
    storage::network::roster::shifts_meeting(conn, doctor, window)?;
    storage::network::roster::coverage::shift_counts(
        conn,
        Some(domain::ids::HospitalId::generate()),
        window,
    )?;
    storage::network::roster::leave::leaves_meeting(conn, doctor, window)?;
    storage::network::roster::rule::rules_due(conn, now, ShiftRuleId::from_uuid(uuid::Uuid::nil()), 200)?;
    storage::network::roster::rule::rules_of(conn, doctor)?;
    storage::matching::doctor::doctor_on_shift(conn, live, doctor, now)?;
    let account = AccountRef::WorkerSubsidy(worker);
    let granted = Some((TransferReason::AllowanceGranted, "2026-11"));
    storage::ledger::account_entries(conn, live, account, granted, 100)?;
    storage::ledger::account_entries(conn, live, account, None, 100)?;
    storage::ledger::allowances_of(conn, &[worker])?;
    storage::events::event_head(conn, live)?;
    storage::events::events_for(conn, Audience::Worker(worker), live, 0, 100)?;
    storage::order::orders_overdue(conn, now, OrderId::from_uuid(uuid::Uuid::nil()), 100)?;
    storage::prescription::prescription_with_lines(conn, PrescriptionId::generate())?;
    storage::prescription::prescription_lock_with_taken(conn, PrescriptionId::generate())?;
    storage::prescription::prescription_lock_with_fulfilment(conn, PrescriptionId::generate())?;
    storage::prescription::consultation_and_consent(conn, ConsultationId::generate())?;
    storage::prescription::consultation_lock_with_consent(conn, ConsultationId::generate(), doctor)?;
    storage::prescription::prescription_lock_with_consultation(conn, PrescriptionId::generate())?;
    storage::prescription::prescription_lock_for_review(conn, PrescriptionId::generate(), doctor)?;
    storage::keys::doctor::signer_fetch(conn, doctor, domain::ids::HospitalId::generate())?;
    storage::keys::doctor::doctor_key_fetch(conn, domain::ids::DoctorKeyId::generate())?;
    storage::keys::doctor::doctor_keys_forget(conn, now)?;
    storage::prescription::prescriptions_due(conn, now, PrescriptionId::from_uuid(uuid::Uuid::nil()), 100)?;
    storage::review::reviews_waiting(conn, live, now, 50)?;
    storage::review::reviews_open_to(conn, doctor, now, 50)?;
    storage::review::alert::review_alerts_untold(conn)?;
    for which in [WaitingFor::Pharmacist, WaitingFor::Decision, WaitingFor::Answer] {
        storage::review::waiting(conn, which, now)?;
    }
    storage::review::late(conn, now, now)?;
    storage::review::ahead(conn, &waiting_prescription(now), now)?;
    storage::review::on_shift(conn, now)?;
    storage::review::next_on_shift(conn, now)?;
    storage::review::rounds(conn, now)?;
    storage::review::claims_due(conn, now, PrescriptionId::from_uuid(uuid::Uuid::nil()), 50)?;
    Ok(())
}

/// Some of what each verb writes, and a list.
fn run_frequent_writes(conn: &mut Conn) -> diesel::QueryResult<()> {
    let now = start_of_test();
    let check_in = Authority::CheckIn(CheckInId::generate());
    storage::authority::authority_touch(conn, check_in, now, false)?;
    let session = Authority::Session { id: SessionId::generate(), version: 1, oldest: now };
    storage::authority::authority_lock_with_answer(conn, session, AnswerId::generate())?;
    storage::authority::authority_touch(conn, session, now, true)?;
    storage::authority::session_touch(conn, SessionId::generate(), now)?;
    storage::vend::journal::cabinet_lock_heard(conn, CabinetId::generate(), now)?;
    storage::network::person::person_lock(conn, &[WorkerId::generate(); 2])?;
    let units = [OrderUnitId::generate(); 3];
    let moved = MovedUnits { ids: &units, from: UnitState::Reserved, to: UnitState::Authorised };
    storage::order::units_move(conn, moved, now)?;
    storage::ledger::account_move(conn, AccountRef::NetworkFund, Fen(-1))?;
    storage::ledger::account_move(conn, AccountRef::WorkerSubsidy(WorkerId::generate()), Fen(-1))?;
    Ok(())
}

/// Records a connection while `work` runs: returns the statements that ran, and
/// those that stay in its cache of prepared statements.
fn recorded(
    conn: &mut Conn,
    work: impl Fn(&mut Conn) -> diesel::QueryResult<()>,
) -> (Vec<String>, HashSet<String>) {
    let log = Arc::new(Mutex::new((Vec::new(), HashSet::new())));
    let listener = Arc::clone(&log);
    let Conn::Sqlite(inner) = &mut *conn else { panic!("the wrong engine") };
    diesel::Connection::set_instrumentation(inner, move |event: InstrumentationEvent<'_>| {
        let (ran, cached) = &mut *listener.lock().expect("not poisoned");
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                let text = query.to_string();
                ran.push(text.split(" -- binds:").next().unwrap_or(&text).to_owned());
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                cached.insert(sql.to_owned());
            }
            _ => {}
        }
    });
    work(conn).expect("asked");
    std::mem::take(&mut *log.lock().expect("not poisoned"))
}

/// A connection to an empty database, which is removed with the folder.
fn migrated_database(folder: &std::path::Path) -> Conn {
    let database = Database::empty_on(Engine::Sqlite, folder);
    let url = DatabaseUrl::parse(&database.url).expect("a URL");
    storage::migrate(&url).expect("migrated");
    Conn::open(&url, Purpose::Write).expect("opened")
}

#[test]
fn frequent_statements_are_prepared_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut conn = migrated_database(folder.path());
    let (ran, cached) = recorded(&mut conn, |conn| {
        run_frequent_reads(conn)?;
        run_frequent_writes(conn)
    });
    assert!(ran.len() > 20, "{} statements were recorded", ran.len());
    for statement in &ran {
        assert!(cached.contains(statement), "prepared again at every run: {statement}");
    }
    let differences = storage::compile_option_differences(&mut conn).expect("listed");
    assert!(differences.is_empty(), "SQLite was compiled without .cargo/config.toml: {differences:?}");
}

/// What a plan reads whole: a growing table, or an index of one that is not partial.
fn whole_reads_of_sqlite(conn: &mut diesel::SqliteConnection, statement: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Index {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let partial: Vec<Index> =
        diesel::sql_query("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'")
            .load(conn)
            .expect("listed");
    let plan: Vec<Step> =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(conn).expect("explained");
    let is_whole = |step: &Step| {
        let Some(rest) = step.detail.strip_prefix("SCAN ") else { return false };
        let words: Vec<&str> = rest.split(' ').collect();
        let index = words.iter().skip_while(|word| **word != "INDEX").nth(1);
        grows(words[0]) && !index.is_some_and(|index| partial.iter().any(|known| known.name == *index))
    };
    plan.into_iter().filter(is_whole).map(|step| step.detail).collect()
}

#[derive(QueryableByName)]
struct PreparedStatement {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    statement: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    values: i64,
}

#[derive(QueryableByName)]
struct PlanLine {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// As [`whole_reads_of_sqlite`], of each statement that this connection has prepared.
fn whole_reads_of_postgres(conn: &mut diesel::PgConnection) -> Vec<(String, Vec<String>)> {
    use diesel::connection::SimpleConnection;
    // What it would do with large tables: it thinks an empty one has ten pages.
    conn.batch_execute(
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
         SET enable_mergejoin = off",
    )
    .expect("set");
    let all: Vec<PreparedStatement> = diesel::sql_query(
        "SELECT name, statement, cardinality(parameter_types)::bigint AS values FROM pg_prepared_statements",
    )
    .load(conn)
    .expect("listed");
    let growing = GROWING.join("', '");
    let small: Vec<PlanLine> = diesel::sql_query(format!(
        "SELECT indexrelid::regclass::text AS \"QUERY PLAN\" FROM pg_index \
         WHERE indpred IS NOT NULL OR indrelid::regclass::text NOT IN ('{growing}')",
    ))
    .load(conn)
    .expect("listed");
    let is_small = |index: &str| small.iter().any(|known| known.line == index);
    let mut found = Vec::new();
    for PreparedStatement { name, statement, values } in all {
        let nulls = vec!["NULL"; usize::try_from(values).expect("a few")].join(", ");
        let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
        let plan: Vec<PlanLine> = diesel::sql_query(format!("EXPLAIN (COSTS OFF) EXECUTE {name}{arguments}"))
            .load(conn)
            .unwrap_or_else(|error| panic!("{error}: {statement}"));
        let mut whole = Vec::new();
        for (at, PlanLine { line }) in plan.iter().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let after = |word: &str| words.iter().skip_while(|one| **one != word).nth(1).copied();
            let (Some(table), by_index) = (after("on"), line.contains("Index")) else { continue };
            let bounded = plan.get(at + 1).is_some_and(|next| next.line.contains("Index Cond:"));
            let partial = after("using").is_some_and(is_small) || is_small(table);
            let bitmap = line.contains("Bitmap");
            if line.contains("Scan")
                && (grows(table) || bitmap && by_index)
                && !(by_index && (bounded || partial))
                && !line.contains("Bitmap Heap Scan")
            {
                whole.push(line.trim().to_owned());
            }
        }
        found.push((statement, whole));
    }
    found
}

#[test]
fn frequent_reads_read_no_growing_table_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::empty_on(engine(), folder.path());
    let url = DatabaseUrl::parse(&database.url).expect("a URL");
    storage::migrate(&url).expect("migrated");
    let mut conn = Conn::open(&url, Purpose::Write).expect("opened");
    let read: Vec<(String, Vec<String>)> = match &mut conn {
        Conn::Sqlite(_) => {
            let (asked, _) = recorded(&mut conn, run_frequent_reads);
            let Conn::Sqlite(inner) = &mut conn else { panic!("the wrong engine") };
            let whole = |statement: String| (statement.clone(), whole_reads_of_sqlite(inner, &statement));
            asked.into_iter().map(whole).collect()
        }
        Conn::Pg(_) => {
            run_frequent_reads(&mut conn).expect("asked");
            let Conn::Pg(inner) = &mut conn else { panic!("the wrong engine") };
            whole_reads_of_postgres(inner)
        }
    };
    assert!(read.len() > 20, "{} statements were looked at", read.len());
    let wrong: Vec<String> = read
        .iter()
        .filter(|(statement, _)| !FROM_ONE_END.iter().any(|known| statement.contains(known)))
        .flat_map(|(statement, whole)| whole.iter().map(move |step| format!("{step}\n    {statement}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
