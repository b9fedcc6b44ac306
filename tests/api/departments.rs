//! Departments are data of the network: an operator adds one, doctors serve it, workers ask for it, and
//! a request that finds nobody goes along the chain.

use serde_json::{Value, json};

use crate::{
    import::{load, row_problems},
    support::{Caller, Code, Doctor, TestApp, Worker, WorkerAtStation, id_in},
};
use domain::staff::role::Role;
use service::{formulary::edition, network::import::csv_file::ImportKind};

const PATH: &str = "/api/v1/departments";

fn rheumatology(overflow: &[&str]) -> Value {
    json!({"code": "rheumatology", "name_zh": "风湿免疫科", "name_en": "rheumatology", "patience_s": 60,
        "overflow": overflow})
}

impl TestApp {
    /// An operator lets this doctor serve these departments instead.
    async fn serves(&self, doctor: &Doctor<'_>, departments: &[&str]) -> crate::support::Answer {
        let operator = self.operator().await;
        let path = format!("/api/v1/staff/{}", doctor.person.id);
        let read = operator.get(&path).await.expect_ok();
        let mut details = read["doctor"].clone();
        details["licence_no"] = json!(format!("L-{}", &doctor.person.id.to_string()[30..]));
        details["departments"] = json!(departments);
        let change = json!({"name_zh": read["staff"]["name_zh"], "name_en": read["staff"]["name_en"],
            "hospital_id": read["staff"]["hospital_id"], "doctor": details});
        operator.put(&path, "*", change).await
    }
}

async fn ask(worker: &WorkerAtStation<'_>, department: &str) -> crate::support::Answer {
    let body = json!({"complaint": "关节痛", "department": department, "lane": "minor_ailment_pilot", "symptoms": []});
    worker.post("/api/v1/consultations", body).await
}

async fn cancel(worker: &WorkerAtStation<'_>, consultation: &Value) {
    let path = format!("/api/v1/consultations/{}/cancel", id_in(consultation));
    worker.post(&path, json!({})).await.expect_ok();
}

/// The field and code of each problem of a refused document.
fn fields(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().filter_map(|one| Some((one["field"].as_str()?, one["code"].as_str()?))).collect()
}

#[actix_web::test]
async fn a_department_that_an_operator_adds_is_served_asked_for_and_left_along_its_chain() {
    let app = TestApp::open().await;
    let (first, second) = (app.doctor().await, app.second_doctor().await);
    let operator = app.operator().await;
    let added = rheumatology(&["internal_medicine", "general_practice"]);
    let view = operator.post(PATH, added).await.expect_created();
    assert_eq!(view["version"], json!(1));
    assert_eq!(view["overflow"], json!(["internal_medicine", "general_practice"]));
    let worker = app.station().await.check_in(Worker::adult()).await;

    // Its doctor is found, although another one is idle for longer.
    app.serves(&second, &["rheumatology"]).await.expect_ok();
    first.go_on_duty().await;
    app.pass(5);
    second.go_on_duty().await;
    let asked = ask(&worker, "rheumatology").await.expect_created();
    assert_eq!(asked["department"], "rheumatology");
    let offer = second.offer().await;
    assert_eq!(offer["department"], "rheumatology");
    assert!(first.open_offers().await.is_empty());
    cancel(&worker, &asked).await;

    // Nobody of it is on call: the chain, in its order.
    app.serves(&second, &["internal_medicine"]).await.expect_ok();
    let asked = ask(&worker, "rheumatology").await.expect_created();
    let offer = second.offer().await;
    assert_eq!(offer["consultation_id"], asked["id"]);
    second.decline(&offer).await.expect_ok();
    assert_eq!(first.offer().await["consultation_id"], asked["id"]);
    cancel(&worker, &asked).await;

    // A chain that is changed holds for those who ask, and for those who wait.
    let path = format!("{PATH}/rheumatology");
    let mut change = rheumatology(&[]);
    change.as_object_mut().expect("an object").remove("code");
    change["name_en"] = json!("rheumatology and immunology");
    operator.put(&path, "\"7\"", change.clone()).await.expect_refused(Code::PreconditionFailed);
    let changed = operator.put(&path, "\"1\"", change.clone()).await;
    assert_eq!(changed.headers["etag"], "\"2\"");
    assert_eq!(changed.expect_ok()["name_en"], "rheumatology and immunology");
    let asked = ask(&worker, "rheumatology").await.expect_created();
    assert_eq!(first.offer().await, Value::Null, "the chain ends with the department");
    change["overflow"] = json!(["general_practice"]);
    operator.put(&path, "\"2\"", change).await.expect_ok();
    assert_eq!(first.offer().await["consultation_id"], asked["id"]);
    app.sound().await;
}

#[actix_web::test]
async fn everybody_reads_the_departments_and_only_operators_change_them() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    for token in [&seed.station_token, &worker.token, &seed.doctor.token, &seed.safety_officer.token] {
        let page = app.get(token, PATH).await.expect(200);
        let items = page["items"].as_array().expect("items").clone();
        assert_eq!(items.len(), 15);
        let general = items.iter().find(|one| one["code"] == "general_practice").expect("general practice");
        assert_eq!((&general["name_zh"], &general["overflow"]), (&json!("全科"), &json!([])));
        let ent = app.get(token, &format!("{PATH}/ent")).await.expect(200);
        assert_eq!((&ent["patience_s"], &ent["overflow"]), (&json!(300), &json!(["general_practice"])));
        app.post(token, PATH, rheumatology(&[])).await.problem(403, "role_not_allowed");
    }
    app.get("", PATH).await.problem(401, "token_invalid");
    let operator = &seed.operator.token;
    app.get(operator, &format!("{PATH}/garage")).await.problem(404, "not_found");
    app.get(operator, &format!("{PATH}/No-Code")).await.problem(404, "not_found");
    let page = app.get(operator, &format!("{PATH}?limit=14")).await.expect(200);
    let last = page["next_after"].as_str().expect("another page");
    let rest = app.get(operator, &format!("{PATH}?after={last}")).await.expect(200);
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
    let [one, two] = [0, 1].map(|_| app.post(operator, PATH, rheumatology(&[])));
    let (one, two) = futures_util::future::join(one, two).await;
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.body, two.body);
}

#[actix_web::test]
async fn what_the_network_does_not_have_is_refused_by_its_field() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let bad = [
        ("code", json!("No-Code"), "code"),
        ("code", json!(format!("a{}", "b".repeat(32))), "code"),
        ("name_zh", json!(""), "name_zh"),
        ("name_en", json!("x".repeat(61)), "name_en"),
        ("patience_s", json!(7_201), "patience_s"),
        ("patience_s", json!(-1), "patience_s"),
        ("overflow", json!(["garage"]), "overflow"),
        ("overflow", json!(["rheumatology"]), "overflow"),
    ];
    for (field, value, named) in bad {
        let mut body = rheumatology(&[]);
        body[field] = value;
        let refused = app.post(operator, PATH, body).await.problem(422, "invalid_field");
        assert_eq!(fields(&refused).first().map(|one| one.0), Some(named), "{refused}");
    }
    let mut change = rheumatology(&["ent"]);
    change.as_object_mut().expect("an object").remove("code");
    let refused = app.put(operator, &format!("{PATH}/ent"), "*", change.clone()).await;
    assert_eq!(fields(&refused.problem(422, "invalid_field")), [("overflow", "self_reference")]);
    app.put(operator, &format!("{PATH}/garage"), "*", change).await.problem(404, "not_found");

    let worker = app.station().await.check_in(Worker::adult()).await;
    let refused = ask(&worker, "garage").await.problem(422, "invalid_field");
    assert_eq!(fields(&refused), [("department", "unknown_code")]);
    let refused = app.serves(&app.doctor().await, &["garage"]).await.problem(422, "invalid_field");
    assert_eq!(fields(&refused), [("departments", "unknown_code")]);
    let doctors = "email,name_zh,name_en,hospital_code,licence_no,licence_valid_until,practising_since,departments,\
                   languages,capacity\nnew@example.cn,样例,New,hospital-1,N-1,2031-01-01,2010-01-01,";
    let row = |departments: &str| format!("{doctors}{departments},zh,2\n");
    let kind = ImportKind::Staff(Role::Doctor);
    let refused = row_problems(load(&app, kind, &row("ent;garage")).await.expect_err("refused"));
    assert_eq!(refused, [(2, "departments".to_owned(), "unknown_code".to_owned())]);
    app.post(operator, PATH, rheumatology(&[])).await.expect(201);
    assert_eq!(load(&app, kind, &row("ent;rheumatology")).await.expect("loaded"), 1);
}

/// The instances do not notify each other and no job runs.
#[actix_web::test]
async fn another_instance_knows_a_new_department_at_once_and_its_chain_soon() {
    let app = TestApp::open().await;
    let other = app.another().await;
    edition::look(&other.state).await.expect("looked");
    let (doctor, operator) = (app.doctor().await, app.operator().await);
    operator.post(PATH, rheumatology(&[])).await.expect_created();
    doctor.go_on_duty().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let body = json!({"complaint": "关节痛", "department": "rheumatology", "lane": "minor_ailment_pilot"});
    other.post(&worker.token, "/api/v1/consultations", body).await.expect(201);
    app.pass(edition::MAX_EDITION_AGE.num_seconds());
    edition::look(&other.state).await.expect("looked");
    let chain = other.state.departments().chain("rheumatology".parse().expect("a code"));
    assert_eq!(chain.len(), 1);
    service::matching::offer_waiting(&other.state).await.expect("a round");
    assert!(doctor.open_offers().await.is_empty(), "general practice is not in the chain");
}
