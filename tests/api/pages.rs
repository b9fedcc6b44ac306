//! Every list tells whether there is another page: after a page that is exactly full, after one
//! that is not the last, and when there is nothing at all.

use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    support::{Worker, phones::text},
};
use domain::{
    ids::{AlertId, CheckInId, IncidentId},
    vend::event::IncidentKind,
};
use service::{Actor, Failure};

async fn page(app: &TestApp, token: &str, path: &str, query: &str) -> (Vec<Value>, Option<String>) {
    let join = if path.contains('?') { '&' } else { '?' };
    let answer = app.get(token, &format!("{path}{join}{query}")).await;
    let link = answer.headers.get("link").map(|link| link.to_str().expect("text").to_owned());
    let page = answer.expect_ok();
    assert!(page.get("next_after").is_some(), "{path}: {page}");
    let next = page["next_after"].as_str().map(str::to_owned);
    // The link repeats the whole query, with another `after`.
    let asked = format!("{path}{join}{query}");
    let (path, pairs) = asked.split_once('?').expect("a query");
    let kept = pairs.split('&').filter(|pair| !pair.starts_with("after="));
    let wanted = next.as_ref().map(|next| {
        let query = kept.fold(format!("after={next}"), |query, pair| query + "&" + pair);
        format!("<{path}?{query}>; rel=\"next\"")
    });
    assert_eq!(link, wanted);
    (page["items"].as_array().expect("items").clone(), next)
}

/// Reads a list of at least two entries in pages; `key` points to what `after` takes.
async fn expect_pages(app: &TestApp, token: &str, path: &str, key: &str) {
    let keys = |items: &[Value]| items.iter().map(|item| text(item, key)).collect::<Vec<_>>();
    let (all, next) = page(app, token, path, "limit=100").await;
    let (count, all) = (all.len(), keys(&all));
    assert!((2..100).contains(&count), "{path} has {count} entries");
    assert_eq!(next, None, "{path}");
    let (full, next) = page(app, token, path, &format!("limit={count}")).await;
    assert_eq!((keys(&full), next), (all.clone(), None), "{path}: an exactly full page");
    let (first, next) = page(app, token, path, &format!("limit={}", count - 1)).await;
    let next = next.unwrap_or_else(|| panic!("{path}: one more entry than the page"));
    assert_eq!((keys(&first), &next), (all[..count - 1].to_vec(), &all[count - 2]), "{path}");
    let (rest, end) = page(app, token, path, &format!("limit=1&after={next}")).await;
    assert_eq!((keys(&rest), end), (all[count - 1..].to_vec(), None), "{path}: the last page, full");
    let nothing = page(app, token, path, &format!("limit=1&after={}", all[count - 1])).await;
    assert_eq!(nothing, (vec![], None), "{path}: after the last");
}

async fn expect_nothing(app: &TestApp, token: &str, path: &str) {
    assert_eq!(page(app, token, path, "limit=1").await, (vec![], None), "{path}");
}

#[actix_web::test]
async fn lists_of_the_network_end_where_they_end() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = &seed.operator.token;
    for path in ["/api/v1/letters", "/api/v1/worker-changes", "/api/v1/alerts", "/api/v1/incidents"] {
        expect_nothing(&app, token, path).await;
    }
    expect_nothing(&app, token, &format!("/api/v1/shifts?staff_id={}", domain::ids::StaffId::generate()))
        .await;
    expect_nothing(&app, token, "/api/v1/products?search=nothing-of-this-name").await;
    let names = json!({"name_zh": "样例", "name_en": "Sample", "district": "muping"});
    let with = |more: Value| {
        let mut body = names.clone();
        let fields = body.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        body
    };
    let place = json!({"code": "muping-01", "latitude_e6": 37_380_000, "longitude_e6": 121_600_000});
    app.post(token, "/api/v1/stations", with(place)).await.expect_created();
    app.post(token, "/api/v1/hospitals", with(json!({"code": "hospital-x", "weight": 1})))
        .await
        .expect_created();
    let employer = json!({"code": "employer-x", "name_zh": "样例", "name_en": "Sample"});
    app.post(token, "/api/v1/employers", employer).await.expect_created();
    for email in ["page-a@example.cn", "page-b@example.cn"] {
        let person = json!({"role": "restocker", "email": email, "name_zh": "样例", "name_en": "Sample"});
        app.post(token, "/api/v1/staff", person).await.expect_created();
    }
    let colleague = json!({"card_number": "887766554422", "pin": "483920", "name": "样例·同事",
        "birth_date": "1990-01-02", "sex": "male", "job": "driver", "employer_id": seed.employer});
    let colleague = app.post(token, "/api/v1/workers", colleague).await.expect_created();
    for worker in [seed.worker.to_string(), text(&colleague, "/id")] {
        let change = json!({"kind": "pin", "pin": "730518"});
        app.post(token, &format!("/api/v1/workers/{worker}/changes"), change).await.expect_created();
    }
    raise_two_of_each(&app).await;
    for (path, key) in [
        ("/api/v1/stations", "/id"),
        ("/api/v1/cabinets", "/id"),
        ("/api/v1/hospitals", "/id"),
        ("/api/v1/employers", "/id"),
        ("/api/v1/staff", "/staff/id"),
        ("/api/v1/staff?role=restocker", "/staff/id"),
        ("/api/v1/shifts", "/id"),
        ("/api/v1/letters", "/id"),
        ("/api/v1/worker-changes", "/id"),
        ("/api/v1/alerts", "/id"),
        ("/api/v1/incidents", "/id"),
        // The cursor of a search is no code: see `catalogue_search`.
    ] {
        expect_pages(&app, token, path, key).await;
    }
    expect_pages(&app, &seed.safety_officer.token, "/api/v1/employees/fitness", "/worker_id").await;
}

/// Two alerts, of which one is closed, and two incidents.
async fn raise_two_of_each(app: &TestApp) {
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let me = app.get(&worker, "/api/v1/me").await.expect_ok();
    let check_in: CheckInId = text(&me, "/check_in_id").parse().expect("an id");
    let operator = seed.operator.id;
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            for id in [AlertId::generate(), AlertId::generate()] {
                let (worker, station) = (seed.worker, seed.station);
                let new = storage::alert::NewAlert {
                    id,
                    check_in,
                    worker,
                    station,
                    consultation: None,
                    red_flags: "[]",
                };
                storage::alert::alert_add(tx.conn, &new, tx.now)?;
                storage::alert::alert_close(tx.conn, id, operator, b"", tx.now)?;
                let new = storage::vend::incident::NewIncident {
                    id: IncidentId::generate(),
                    cabinet_id: seed.cabinet,
                    kind: IncidentKind::WrongSlot,
                    slot_no: None,
                    attempt_id: None,
                    detail: "{}".to_owned(),
                };
                storage::vend::incident::incident_open(tx.conn, &new, tx.now)?;
            }
            Ok(())
        })
        .await
        .expect("written");
}

#[actix_web::test]
async fn lists_of_a_worker_end_where_they_end() {
    let app = TestApp::open_filled().await;
    let seed = app.seed().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    for path in ["/api/v1/orders", "/api/v1/consultations", "/api/v1/prescriptions"] {
        expect_nothing(&app, &worker.token, path).await;
    }
    let id = app.active(&seed, &worker.token).await;
    let messages = format!("/api/v1/consultations/{id}/messages");
    expect_nothing(&app, &worker.token, &messages).await;
    for _ in 0..2 {
        worker.say(&id, "好").await.expect_created();
    }
    // The worker has one consultation and two messages of it.
    expect_pages(&app, &worker.token, &messages, "/id").await;
    expect_pages(&app, &seed.doctor.token, &messages, "/id").await;
}
