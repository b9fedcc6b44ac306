//! The printed forms of a prescription, who gets them, and the public check of the code on them.

use crate::support::{Caller, Code, TestApp, Worker, prescribing::Scene};

async fn page(scene: &Scene, token: &str, id: &str, page: &str) -> String {
    let answer = scene.app.get(token, &format!("/api/v1/prescriptions/{id}/{page}.html")).await;
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.expect_ok().as_str().expect("a page").to_owned()
}

/// The status and the page behind the code of a paper.
async fn check(app: &TestApp, path: &str) -> (u16, String) {
    let answer = app.get("", path).await;
    (answer.status.as_u16(), answer.body.as_str().unwrap_or_default().to_owned())
}

async fn check_path(scene: &Scene, id: &str) -> String {
    let document = scene.doctor().get(&format!("/api/v1/prescriptions/{id}/document")).await.expect_ok();
    let url = document["check_url"].as_str().expect("an address").to_owned();
    url.find("/verify/").map(|at| url[at..].to_owned()).expect("a path")
}

#[actix_web::test]
async fn the_form_and_the_labels_show_what_was_signed_to_those_who_may_read_it() {
    let scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500", "GUA-L20"]).await;
    let forms = ["print", "labels"];
    for form in forms {
        let path = format!("/api/v1/prescriptions/{id}/{form}.html");
        scene.doctor().get(&path).await.expect_refused(Code::StateMovedOn);
    }
    let warnings = scene.doctor().prescription(&id).await.expect_ok();
    let rules: Vec<String> = warnings["safety"]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|one| one["rule"].as_str().map(str::to_owned))
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    scene.doctor().sign_overriding(&id, &rules, "样例：已与患者确认").await.expect_ok();
    let unreviewed = page(&scene, &scene.doctor().token(), &id, "print").await;
    assert!(unreviewed.contains("尚未审核，不可调配"), "{unreviewed}");
    scene.pharmacist().approve(&id).await.expect_ok();
    for token in [scene.doctor().token(), scene.pharmacist().token(), scene.worker_token.clone()] {
        let form = page(&scene, &token, &id, "print").await;
        for text in [
            "样例工人甲",
            "男",
            "36 岁",
            "全科",
            "普通感冒",
            "处方笺",
            "对乙酰氨基酚片",
            "500 毫克 × 20 片",
            "口服，一次 1 片，一日 3 次，共 3 天",
            "2026年11月23日",
            "药师已审核通过",
            "<svg",
            "@page",
        ] {
            assert!(form.contains(text), "{text}: {form}");
        }
        assert!(!form.to_lowercase().contains("paracetamol"), "Chinese only");
        let labels = page(&scene, &token, &id, "labels").await;
        let packs = labels.matches("<article class=\"label\">").count();
        assert_eq!(packs, labels.matches("样例工人甲").count());
        assert!(packs >= 2 && labels.contains("第 1 盒，共 1 盒"), "{labels}");
    }
    let stranger = scene.app.station_of(&scene.seed).check_in(Worker::walk_in()).await;
    let operator = scene.app.operator().await;
    for form in ["print.html", "labels.html", "document"] {
        let path = format!("/api/v1/prescriptions/{id}/{form}");
        stranger.get(&path).await.expect_refused(Code::NotFound);
        scene.other_doctor().get(&path).await.expect_refused(Code::NotFound);
        operator.get(&path).await.expect_refused(Code::RoleNotAllowed);
        assert_eq!(scene.app.get("", &path).await.status.as_u16(), 401);
    }
}

#[actix_web::test]
async fn anybody_with_the_paper_learns_whether_it_is_valid_and_nothing_about_health() {
    let mut scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let path = check_path(&scene, &id).await;
    let (status, shown) = check(&scene.app, &path).await;
    assert_eq!(status, 200);
    assert!(shown.contains("尚未生效") && shown.contains("2026-11-23"), "{shown}");
    scene.pharmacist().approve(&id).await.expect_ok();
    let (_, shown) = check(&scene.app, &path).await;
    assert!(shown.contains("有效"), "{shown}");
    for secret in ["样例工人甲", "对乙酰氨基酚", "普通感冒", "PCM", id.as_str()] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    scene.doctor().withdraw(&id, "样例：重新开具").await.expect_ok();
    assert!(check(&scene.app, &path).await.1.contains("已作废"));
    // Another one runs out.
    let id = scene.approved(&["PCM-T500"]).await;
    let path = check_path(&scene, &id).await;
    scene.pass(7 * 3600).await;
    assert!(check(&scene.app, &path).await.1.contains("有效"));
    scene.app.pass(8 * 3600);
    assert!(check(&scene.app, &path).await.1.contains("已过期"));
    service::prescription::dispense::expire_due(&scene.app.state).await.expect("expired");
    assert!(check(&scene.app, &path).await.1.contains("已过期"));
}

#[actix_web::test]
async fn a_code_cannot_be_guessed_and_guesses_are_limited() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let path = check_path(&scene, &id).await;
    let (known, last) = path.split_at(path.len() - 2);
    let other = if last == "AA" { "BA" } else { "AA" };
    let guesses =
        [format!("{known}{other}"), "/verify/x".into(), format!("/verify/{id}"), format!("{path}A")];
    for guess in &guesses {
        let (status, shown) = check(&scene.app, guess).await;
        assert_eq!(status, 404, "{guess}");
        assert!(shown.contains("查无此处方"), "{shown}");
    }
    for _ in guesses.len()..60 {
        assert_eq!(check(&scene.app, &guesses[0]).await.0, 404);
    }
    let refused = scene.app.get("", &guesses[0]).await;
    assert_eq!(refused.status.as_u16(), 429);
    assert!(refused.headers.contains_key("retry-after"));
}
