//! Every kind of access to a health record is recorded: by whom, whose, which part.
//! A new route fails the first test here until it is added to one of the lists.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    machine::{DROP, Machine},
    prescribing::{Scene, draft_of},
    seed::SIGNING_PIN,
    vending::{RX, attempt_of, code_of},
};
use domain::{ids::Id, staff::role::Role};
use http::api::routes;
use service::Actor;
use storage::{events::AnyId, on_backend, schema::event};

/// Routes that show nothing of a health record.
const NOTHING: &str = "
    GET /api/v1/account, GET /api/v1/audit/chain, GET /api/v1/audit/invariants, GET /api/v1/cabinets, GET /api/v1/cabinets/{id},
    POST /api/v1/attempts/{id}/resolve, POST /api/v1/check-ins, POST /api/v1/check-ins/walk-in,
    GET /api/v1/check-ins/{id}, POST /api/v1/check-ins/{id}/leave, POST /api/v1/check-ins/{id}/token,
    POST /api/v1/consultations/{id}/messages, POST /api/v1/consultations/{id}/transfer,
    GET /api/v1/consultations/{id}/colleagues,
    POST /api/v1/devices/{id}/revoke, GET /api/v1/duty,
    GET /api/v1/departments, POST /api/v1/departments, GET /api/v1/departments/{code}, PUT /api/v1/departments/{code},
    PUT /api/v1/duty, GET /api/v1/employers, POST /api/v1/employers, POST /api/v1/enrolment-codes,
    GET /api/v1/hospitals, POST /api/v1/hospitals, GET /api/v1/incidents,
    POST /api/v1/incidents/{id}/close, GET /api/v1/network/counts, POST /api/v1/offers/{id}/decline,
    GET /api/v1/openapi.json, GET /api/v1/products, GET /api/v1/products/{code}, POST /api/v1/drug-names/recognise, GET /api/v1/session,
    POST /api/v1/session/sign-out, POST /api/v1/session/signing-window, GET /api/v1/shifts,
    POST /api/v1/shifts, GET /api/v1/staff, POST /api/v1/staff, POST /api/v1/staff/password,
    POST /api/v1/staff/password-reset, POST /api/v1/staff/{id}/disable, GET /api/v1/stations,
    POST /api/v1/stations, GET /api/v1/stations/{id}, POST /api/v1/tokens/device,
    POST /api/v1/tokens/enrol, POST /api/v1/tokens/refresh, POST /api/v1/tokens/revoke,
    POST /api/v1/tokens/staff, POST /api/v1/triage/assess, GET /api/v1/symptoms, GET /api/v1/alerts,
    GET /api/v1/queue-alerts, GET /api/v1/station/called, GET /api/v1/review-queue, GET /api/v1/review-alerts,
    POST /api/v1/reviews/{id}/claim, POST /api/v1/reviews/{id}/release,
    POST /api/v1/alerts/{id}/close, POST /api/v1/workers,
    POST /cabinet/v1/attempts/{id}/start, POST /cabinet/v1/enrol, POST /cabinet/v1/events,
    GET /api/v1/letters, POST /api/v1/letters/{id}/resend, GET /api/v1/shifts/{id}, PUT /api/v1/shifts/{id}, POST /api/v1/shifts/{id}/cancel, POST /api/v1/shift-rules, GET /api/v1/shift-rules, GET /api/v1/shift-rules/{id}, PUT /api/v1/shift-rules/{id}, POST /api/v1/shift-rules/{id}/end,
    POST /api/v1/leaves, GET /api/v1/leaves, POST /api/v1/leaves/{id}/end, GET /api/v1/rostered-staff, GET /api/v1/coverage, POST /api/v1/coverage/estimate, POST /api/v1/staff/email,
    POST /api/v1/staff/link, GET /api/v1/staff/{id}, PUT /api/v1/staff/{id},
    POST /api/v1/staff/{id}/authenticator-reset,
    POST /api/v1/staff/{id}/authenticator-reset/approve,
    POST /api/v1/staff/{id}/authenticator-reset/withdraw, POST /api/v1/staff/{id}/email,
    POST /api/v1/staff/{id}/enable, GET /links.css, GET /links.js, GET /staff/email,
    GET /staff/password, POST /cabinet/v1/hello, GET /cabinet/v1/work, GET /, GET /.well-known/jwks.json, GET /docs,
    GET /problems/{code}, GET /verify/{code}, GET /verify.css, GET /front.css, GET /front.js, GET /healthz, GET /readyz,
    POST /api/v1/check-ins/pin, POST /api/v1/phone-codes, GET /api/v1/worker-changes,
    POST /api/v1/worker-changes/{id}/approve, POST /api/v1/worker-changes/{id}/refuse,
    POST /api/v1/workers/{id}/changes, GET /api/v1/safety-rules/{table}, GET /api/v1/safety-rules.html, GET /api/v1/rule-editions,
    POST /api/v1/rule-editions, POST /api/v1/rule-editions/check, GET /api/v1/rule-editions/{id},
    POST /api/v1/rule-editions/{id}/approve, POST /api/v1/rule-editions/{id}/withdraw, GET /api/v1/formulary,
    GET /api/v1/formulary-editions, POST /api/v1/formulary-editions, POST /api/v1/formulary-editions/check,
    GET /api/v1/formulary-editions/{id}, POST /api/v1/formulary-editions/{id}/approve,
    POST /api/v1/formulary-editions/{id}/withdraw, GET /api/v1/consultations/{id}/formulary,
    GET /api/v1/prescriptions/{id}/stations";

/// Routes that show workers their own record only: not recorded.
const OWN: &str = "
    POST /api/v1/consultations, POST /api/v1/consultations/{id}/cancel,
    POST /api/v1/consultations/{id}/rating, GET /api/v1/me, POST /api/v1/me/consents,
    POST /api/v1/me/consents/withdraw, POST /api/v1/me/presence, POST /api/v1/me/phone, POST /api/v1/me/pin,
    GET /api/v1/me/profile, PUT /api/v1/me/profile,
    GET /api/v1/orders, POST /api/v1/orders, GET /api/v1/orders/{id}, POST /api/v1/orders/{id}/cancel,
    POST /api/v1/orders/{id}/pay, GET /api/v1/readings, POST /api/v1/readings, GET /api/v1/report,
    GET /api/v1/report.html, POST /api/v1/symptoms, GET /api/v1/triage";

/// Routes that show a worker's record to somebody else: recorded as this part of it.
const RECORDED: &[(&str, &str)] = &[
    ("GET /api/v1/consultations", "consultation"),
    ("GET /api/v1/consultations/{id}", "consultation"),
    ("POST /api/v1/consultations/{id}/complete", "consultation"),
    ("POST /api/v1/consultations/{id}/no-show", "consultation"),
    ("GET /api/v1/consultations/{id}/messages", "messages"),
    ("POST /api/v1/consultations/{id}/prescriptions", "prescription"),
    ("GET /api/v1/consultations/{id}/record", "record"),
    ("GET /api/v1/employees/fitness", "fitness"),
    ("GET /api/v1/events", "events"),
    ("POST /api/v1/lots/recall", "recall"),
    ("GET /api/v1/offers", "offer"),
    ("POST /api/v1/offers/{id}/accept", "consultation"),
    ("GET /api/v1/prescriptions", "prescription"),
    ("POST /api/v1/prescriptions/check", "safety_check"),
    ("GET /api/v1/prescriptions/{id}", "prescription"),
    ("GET /api/v1/prescriptions/{id}/document", "prescription"),
    ("GET /api/v1/prescriptions/{id}/labels.html", "prescription"),
    ("GET /api/v1/prescriptions/{id}/print.html", "prescription"),
    ("PUT /api/v1/prescriptions/{id}", "prescription"),
    ("POST /api/v1/prescriptions/{id}/answer", "prescription"),
    ("POST /api/v1/prescriptions/{id}/approve", "prescription"),
    ("POST /api/v1/prescriptions/{id}/ask", "prescription"),
    ("POST /api/v1/prescriptions/{id}/return", "prescription"),
    ("POST /api/v1/prescriptions/{id}/sign", "prescription"),
    ("POST /api/v1/prescriptions/{id}/supply", "prescription"),
    ("POST /api/v1/prescriptions/{id}/void", "prescription"),
    ("GET /api/v1/reviews", "prescription"),
    ("GET /api/v1/reviews/{id}", "record"),
    ("GET /api/v1/workers", "identity"),
    ("GET /api/v1/workers/{id}", "identity"),
    ("POST /api/v1/workers/{id}/card/stop", "identity"),
    ("POST /api/v1/workers/{id}/details", "identity"),
    ("GET /api/v1/workers/{id}/merge-preview", "record"),
    ("POST /api/v1/workers/{id}/merge", "identity"),
    ("POST /api/v1/workers/{id}/unmerge", "identity"),
];

#[test]
fn every_route_is_listed_with_what_it_shows_of_a_health_record() {
    let list = |text: &str| -> Vec<String> {
        text.split(',').map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let (nothing, own) = (list(NOTHING), list(OWN));
    let recorded: Vec<String> = RECORDED.iter().map(|(route, _)| (*route).to_owned()).collect();
    let listed: Vec<&String> = nothing.iter().chain(&own).chain(&recorded).collect();
    let table = routes();
    let existing: BTreeSet<String> =
        table.lines().iter().map(|line| format!("{} {}", line.method, line.path)).collect();
    for route in &existing {
        let times = listed.iter().filter(|listed| **listed == route).count();
        assert_eq!(times, 1, "{route}: list it once in tests/api/reads.rs");
    }
    for route in listed {
        assert!(existing.contains(route), "{route} does not exist");
    }
    for line in table.lines() {
        let route = format!("{} {}", line.method, line.path);
        if own.contains(&route) {
            assert_eq!(line.roles, [Role::Worker], "{route}: somebody else may call it, too");
        }
    }
}

/// The parts of records in the events about this reader's access, oldest first.
async fn read_by(app: &TestApp, reader: impl std::fmt::Display) -> Vec<String> {
    let reader: AnyId = reader.to_string().parse().expect("an id");
    let rows: Vec<String> = app
        .state
        .read(Actor::System, move |conn, _| {
            Ok(on_backend!(conn, c => event::table
                .filter(event::kind.eq("record.read"))
                .filter(event::actor_id.eq(Some(reader)))
                .order(event::position)
                .select(event::payload)
                .load(c))?)
        })
        .await
        .expect("read");
    let what = |text: &String| {
        let payload: Value = serde_json::from_str(text).expect("JSON");
        payload["what"].as_str().expect("a part").to_owned()
    };
    rows.iter().map(what).collect()
}

/// Lets ten minutes pass, so that the next access is recorded again.
fn pass_ten_minutes(scene: &TestApp) {
    scene.pass(601);
}

#[actix_web::test]
async fn each_kind_of_access_by_a_doctor_or_a_pharmacist_is_recorded() {
    let mut scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.seed.doctor.id, scene.seed.pharmacist.id);
    let consultation = format!("/api/v1/consultations/{}", scene.consultation);
    let mut seen = Vec::new();
    let mut step = |route: &str, parts: Vec<String>| {
        let expected = RECORDED.iter().find(|(known, _)| *known == route).expect("it is recorded").1;
        assert!(parts.iter().any(|part| part == expected), "{route}: {parts:?}");
        seen.push(route.to_owned());
    };
    // Enough time passes before each access that it is recorded again.
    macro_rules! read {
        ($who:expr, $route:literal, $answer:expr, $status:literal) => {{
            scene.pass(601).await;
            let before = read_by(&scene.app, $who).await.len();
            let answer = $answer.await.expect($status);
            step($route, read_by(&scene.app, $who).await.split_off(before));
            answer
        }};
    }
    macro_rules! get {
        ($who:ident, $path:expr) => {
            scene.app.get(&scene.seed.$who.token, $path)
        };
    }
    macro_rules! post {
        ($who:ident, $path:expr, $body:expr) => {
            scene.app.post(&scene.seed.$who.token, $path, $body)
        };
    }
    read!(doctor, "GET /api/v1/consultations", get!(doctor, "/api/v1/consultations"), 200);
    read!(doctor, "GET /api/v1/consultations/{id}", get!(doctor, &consultation), 200);
    read!(
        doctor,
        "GET /api/v1/consultations/{id}/messages",
        get!(doctor, &format!("{consultation}/messages")),
        200
    );
    read!(
        doctor,
        "GET /api/v1/consultations/{id}/record",
        get!(doctor, &format!("{consultation}/record")),
        200
    );
    let check = json!({"consultation_id": scene.consultation, "lines": draft_of(&["PCM-T500"])["lines"]});
    for who in [doctor, pharmacist] {
        let body = check.clone();
        if who == doctor {
            read!(
                who,
                "POST /api/v1/prescriptions/check",
                post!(doctor, "/api/v1/prescriptions/check", body),
                200
            );
        } else {
            read!(
                who,
                "POST /api/v1/prescriptions/check",
                post!(pharmacist, "/api/v1/prescriptions/check", body),
                200
            );
        }
    }
    let drafts = scene.drafts_path();
    let drafted = read!(
        doctor,
        "POST /api/v1/consultations/{id}/prescriptions",
        post!(doctor, &drafts, draft_of(&["PCM-T500"])),
        201
    );
    let one = format!("/api/v1/prescriptions/{}", drafted["id"].as_str().expect("an id"));
    read!(
        doctor,
        "PUT /api/v1/prescriptions/{id}",
        scene.app.put(&scene.seed.doctor.token, &one, "\"1\"", draft_of(&["PCM-C300"])),
        200
    );
    read!(doctor, "GET /api/v1/prescriptions", get!(doctor, "/api/v1/prescriptions"), 200);
    read!(doctor, "GET /api/v1/prescriptions/{id}", get!(doctor, &one), 200);
    let pin = json!({"pin": SIGNING_PIN});
    read!(
        doctor,
        "POST /api/v1/prescriptions/{id}/sign",
        post!(doctor, &format!("{one}/sign"), pin.clone()),
        200
    );
    read!(pharmacist, "GET /api/v1/reviews", get!(pharmacist, "/api/v1/reviews"), 200);
    read!(pharmacist, "GET /api/v1/prescriptions", get!(pharmacist, "/api/v1/prescriptions"), 200);
    read!(pharmacist, "GET /api/v1/prescriptions/{id}", get!(pharmacist, &one), 200);
    let review = one.replace("prescriptions", "reviews");
    read!(pharmacist, "GET /api/v1/reviews/{id}", get!(pharmacist, &review), 200);
    let asked = read!(
        pharmacist,
        "POST /api/v1/prescriptions/{id}/ask",
        post!(pharmacist, &format!("{one}/ask"), json!({"text": "why so long?"})),
        200
    );
    let answer = json!({"question_id": asked["questions"][0]["id"], "text": "it came back"});
    read!(
        doctor,
        "POST /api/v1/prescriptions/{id}/answer",
        post!(doctor, &format!("{one}/answer"), answer),
        200
    );
    read!(
        pharmacist,
        "POST /api/v1/prescriptions/{id}/supply",
        post!(pharmacist, &format!("{one}/supply"), json!({"line_no": 1, "packs": 1, "reason": "all of it"})),
        200
    );
    let back = json!({"reason": "too long", "code": "dose"});
    read!(
        pharmacist,
        "POST /api/v1/prescriptions/{id}/return",
        post!(pharmacist, &format!("{one}/return"), back),
        200
    );
    let again = draft_of(&["PCM-T500"]);
    let version = get!(doctor, &one).await.expect(200)["version"].to_string();
    scene.app.put(&scene.seed.doctor.token, &one, &format!("\"{version}\""), again).await.expect(200);
    post!(doctor, &format!("{one}/sign"), pin.clone()).await.expect(200);
    read!(
        pharmacist,
        "POST /api/v1/prescriptions/{id}/approve",
        post!(pharmacist, &format!("{one}/approve"), pin.clone()),
        200
    );
    let paper = |page: &str| format!("{one}/{page}");
    read!(pharmacist, "GET /api/v1/prescriptions/{id}/document", get!(pharmacist, &paper("document")), 200);
    read!(doctor, "GET /api/v1/prescriptions/{id}/print.html", get!(doctor, &paper("print.html")), 200);
    read!(
        pharmacist,
        "GET /api/v1/prescriptions/{id}/labels.html",
        get!(pharmacist, &paper("labels.html")),
        200
    );
    read!(
        doctor,
        "POST /api/v1/prescriptions/{id}/void",
        post!(doctor, &format!("{one}/void"), json!({"reason": "not needed"})),
        200
    );
    let done = json!({"summary": "好", "diagnoses": []});
    read!(
        doctor,
        "POST /api/v1/consultations/{id}/complete",
        post!(doctor, &format!("{consultation}/complete"), done),
        200
    );
    for who in ["doctor", "pharmacist"] {
        let (id, token) = match who {
            "doctor" => (doctor, scene.seed.doctor.token.clone()),
            _ => (pharmacist, scene.seed.pharmacist.token.clone()),
        };
        let before = read_by(&scene.app, id).await.len();
        let stream = scene.app.client().get(format!("{}/api/v1/events?after=0", scene.app.base));
        let mut answer = stream.bearer_auth(token).send().await.expect("answered");
        answer.chunk().await.expect("it goes on").expect("an event");
        step("GET /api/v1/events", read_by(&scene.app, id).await.split_off(before));
    }
    let elsewhere = ["employees", "lots", "offers", "workers", "no-show"];
    let left: Vec<&str> = RECORDED
        .iter()
        .map(|(route, _)| *route)
        .filter(|route| !seen.iter().any(|seen| seen == route))
        .filter(|route| !elsewhere.iter().any(|part| route.contains(part)))
        .collect();
    assert_eq!(left, [""; 0]);
    assert!(scene.app.state.read(Actor::System, service::audit::verify).await.expect("checked").unbroken);
}

#[actix_web::test]
async fn offers_fitness_recalls_and_operator_access_are_recorded() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let worker = app.check_in(&seed).await;
    app.post(&worker, "/api/v1/me/consents", json!({"purpose": "employer_fitness"})).await.expect(201);
    app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    assert_eq!(read_by(&app, seed.doctor.id).await, ["offer"]);
    let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
    let fence = json!({"fence": offer["fence"]});
    app.post_with_key(&seed.doctor.token, &path, "one-and-the-same-key", fence.clone()).await.expect(200);
    assert_eq!(read_by(&app, seed.doctor.id).await, ["offer", "consultation"]);
    // A replay of the saved answer is recorded again once ten minutes have passed.
    app.post_with_key(&seed.doctor.token, &path, "one-and-the-same-key", fence.clone()).await.expect(200);
    assert_eq!(read_by(&app, seed.doctor.id).await.len(), 2);
    pass_ten_minutes(&app);
    let token = app.staff_token(Role::Doctor, seed.doctor.id, seed.doctor.session, Some(seed.hospital), None);
    app.post_with_key(&token, &path, "one-and-the-same-key", fence).await.expect(200);
    assert_eq!(read_by(&app, seed.doctor.id).await, ["offer", "consultation", "consultation"]);

    let officer = &seed.safety_officer;
    let token = app.staff_token(Role::Employer, officer.id, officer.session, None, employer(&app).await);
    let people = app.get(&token, "/api/v1/employees/fitness").await.expect(200);
    if people["items"].as_array().is_some_and(|items| !items.is_empty()) {
        assert_eq!(read_by(&app, officer.id).await, ["fitness"]);
    }
    let operator = app.operator_token(&seed);
    app.get(&operator, &format!("/api/v1/workers/{}", seed.worker)).await.expect(200);
    app.get(&operator, "/api/v1/workers?phone=15400000001").await.expect(200);
    assert_eq!(read_by(&app, seed.operator.id).await, ["identity"], "the same part, twice in ten minutes");
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    machine.vend(attempt_of(&order, 0), &code_of(&order), DROP).await;
    machine.report().await.expect(200);
    let recall = json!({"product_code": RX, "lot_no": "L1", "reason": "as the maker says"});
    let served = app.post(&operator, "/api/v1/lots/recall", recall).await.expect(200);
    assert_eq!(served["workers_served"], json!([seed.worker]));
    assert_eq!(read_by(&app, seed.operator.id).await, ["identity", "recall"]);
}

async fn employer(app: &TestApp) -> Option<domain::ids::EmployerId> {
    use storage::schema::employer;
    app.state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => employer::table.select(employer::id).first(c))?)
        })
        .await
        .ok()
}

#[actix_web::test]
async fn access_by_one_reader_to_one_part_is_recorded_once_in_ten_minutes() {
    let mut scene = Scene::open().await;
    let path = format!("/api/v1/consultations/{}/record", scene.consultation);
    let doctor = scene.seed.doctor.id;
    // Concurrent requests are recorded once, too.
    let token = scene.seed.doctor.token.clone();
    let all = futures_util::future::join_all((0..8).map(|_| scene.app.get(&token, &path))).await;
    for answer in all {
        answer.expect(200);
    }
    assert_eq!(read_by(&scene.app, doctor).await, ["record"]);
    scene.pass(599).await;
    scene.app.get(&scene.seed.doctor.token, &path).await.expect(200);
    assert_eq!(read_by(&scene.app, doctor).await.len(), 1);
    scene.pass(1).await;
    scene.app.get(&scene.seed.doctor.token, &path).await.expect(200);
    assert_eq!(read_by(&scene.app, doctor).await.len(), 2);
    let worker: AnyId = Id::from_uuid(scene.seed.worker.uuid());
    let whose: Vec<AnyId> = scene
        .app
        .state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => event::table
                .filter(event::kind.eq("record.read"))
                .select(event::stream_id)
                .load(c))?)
        })
        .await
        .expect("read");
    assert_eq!(whose, [worker, worker]);
    // Workers' access to their own record is not recorded.
    scene.app.get(&scene.worker_token, "/api/v1/report").await;
    assert_eq!(scene.app.logged("record.read").await, 2);
}

#[actix_web::test]
async fn many_readers_of_one_record_at_once_are_each_recorded_once() {
    const READERS: i64 = 8;
    let scene = Scene::open().await;
    scene.signed(&["PCM-T500"]).await;
    let mut pharmacists = Vec::new();
    for number in 0..READERS {
        pharmacists.push(scene.another_pharmacist(&format!("pharmacist-{number}@example.cn")).await);
    }
    let before = scene.app.logged("record.read").await;
    for _ in 0..2 {
        let queues = futures_util::future::join_all(pharmacists.iter().map(|one| one.reviews())).await;
        assert!(queues.iter().all(|queue| queue.len() == 1));
        assert_eq!(scene.app.logged("record.read").await, before + READERS);
    }
}

#[actix_web::test]
async fn what_cannot_be_recorded_is_not_shown() {
    use diesel::connection::SimpleConnection;
    let scene = Scene::open().await;
    let path = format!("/api/v1/consultations/{}/record", scene.consultation);
    scene.app.connection().batch_execute("ALTER TABLE health_read RENAME TO elsewhere").expect("renamed");
    let answer = scene.app.get(&scene.seed.doctor.token, &path).await;
    assert!(answer.status.is_server_error() && answer.body.get("profile").is_none(), "{}", answer.body);
}

#[actix_web::test]
async fn after_a_consultation_its_doctor_reads_only_what_they_wrote() {
    let scene = Scene::open().await;
    let (app, doctor) = (&scene.app, &scene.seed.doctor.token);
    let one = scene.approved(&["PCM-T500"]).await;
    let path = format!("/api/v1/consultations/{}", scene.consultation);
    let check = json!({"consultation_id": scene.consultation, "lines": draft_of(&["PCM-T500"])["lines"]});
    app.post(doctor, "/api/v1/prescriptions/check", check.clone()).await.expect(200);
    assert_eq!(app.get(doctor, &path).await.expect(200)["complaint"], "样例");
    let done = json!({"summary": "多喝水。", "diagnoses": [{"code": "J00", "name": "普通感冒"}]});
    app.post(doctor, &format!("{path}/complete"), done).await.expect(200);
    for part in ["record", "messages"] {
        app.get(doctor, &format!("{path}/{part}")).await.problem(404, "not_found");
    }
    app.post(doctor, "/api/v1/prescriptions/check", check).await.problem(404, "not_found");
    let own = app.get(doctor, &path).await.expect(200);
    assert_eq!((&own["summary"], &own["diagnoses"][0]["code"]), (&json!("多喝水。"), &json!("J00")));
    assert_eq!((&own["complaint"], &own["symptoms"]), (&json!(""), &json!([])));
    app.get(doctor, &format!("/api/v1/prescriptions/{one}")).await.expect(200);
    // The worker reads all of it.
    assert_eq!(app.get(&scene.worker_token, &path).await.expect(200)["complaint"], "样例");
    app.get(&scene.worker_token, &format!("{path}/messages")).await.expect(200);
}

#[actix_web::test]
async fn a_returned_prescription_gives_its_doctor_access_to_the_record() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let one = scene.signed(&["PCM-T500"]).await;
    let path = format!("/api/v1/consultations/{}", scene.consultation);
    let done = json!({"summary": "好", "diagnoses": []});
    app.post(&seed.doctor.token, &format!("{path}/complete"), done).await.expect(200);
    let record = format!("{path}/record");
    app.get(&seed.doctor.token, &record).await.problem(404, "not_found");
    let back = json!({"reason": "too long", "code": "dose"});
    app.post(&seed.pharmacist.token, &format!("/api/v1/prescriptions/{one}/return"), back).await.expect(200);
    app.get(&seed.doctor.token, &record).await.expect(200);
    let void = json!({"reason": "not needed"});
    app.post(&seed.doctor.token, &format!("/api/v1/prescriptions/{one}/void"), void).await.expect(200);
    app.get(&seed.doctor.token, &record).await.problem(404, "not_found");
}
