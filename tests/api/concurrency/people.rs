//! Tokens, codes, invitations and merges, many times at once.

use serde_json::json;

use crate::{
    staff_tokens::code,
    support::{
        Code, TestApp, Worker,
        prescribing::Scene,
        rush::{expect_tally, tally},
        seed::{PASSWORD, pharmacist_licence},
    },
};

#[actix_web::test]
async fn a_refresh_token_used_at_once_is_exchanged_once_and_after_seconds_ends_the_session() {
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    let totp = code(&app, &seed.doctor);
    let body = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": totp});
    let opened = app.post("", "/api/v1/tokens/staff", body).await.expect_ok();
    let refresh = json!({"refresh_token": opened["refresh_token"]});
    let answers = app.rush(10, "", "/api/v1/tokens/refresh", &refresh).await;
    expect_tally(&answers, &[("200 done", 10)]);
    let fresh = &answers[0].body;
    assert!(answers.iter().all(|answer| answer.body == *fresh), "one exchange with ten equal answers");
    let token = fresh["access_token"].as_str().expect("a token");
    app.get(token, "/api/v1/session").await.expect_ok();
    app.pass(11);
    let answers = app.rush(10, "", "/api/v1/tokens/refresh", &refresh).await;
    expect_tally(&answers, &[("401 refresh_reused", 10)]);
    app.get(token, "/api/v1/session").await.expect_refused(Code::SessionEnded);
}

#[actix_web::test]
async fn a_one_time_code_used_at_once_opens_one_signing_window() {
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    let body = json!({"totp": code(&app, &seed.doctor)});
    let answers = app.rush(10, &seed.doctor.token, "/api/v1/session/signing-window", &body).await;
    expect_tally(&answers, &[("200 done", 1), ("401 totp_used", 9)]);
}

#[actix_web::test]
async fn wrong_signing_pins_at_once_are_all_counted() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let id = scene.draft(&["PCM-T500"]).await;
    let path = format!("/api/v1/prescriptions/{id}/sign");
    let answers = app.rush(12, &seed.doctor.token, &path, &json!({"pin": "000000"})).await;
    expect_tally(&answers, &[("403 signing_pin_wrong", 4), ("429 pin_locked", 8)]);
}

#[actix_web::test]
async fn an_address_is_one_person_and_a_station_added_once() {
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    let invite = json!({"role": "pharmacist", "email": "new@example.cn", "name_zh": "样例", "name_en": "Sample",
        "pharmacist": pharmacist_licence("P-1")});
    let answers = app.rush(8, &seed.operator.token, "/api/v1/staff", &invite).await;
    // Whoever has not answered is invited again: one person, and one valid link.
    expect_tally(&answers, &[("201 done", 8)]);
    assert!(answers.iter().all(|answer| answer.body["staff"]["id"] == answers[0].body["staff"]["id"]));
    let station = json!({"code": "zhifu-99", "name_zh": "样例站", "name_en": "Sample", "district": "zhifu",
        "latitude_e6": 37_540_000, "longitude_e6": 121_390_000});
    let answers = app.rush(8, &seed.operator.token, "/api/v1/stations", &station).await;
    expect_tally(&answers, &[("201 done", 1), ("409 already_exists", 7)]);
}

#[actix_web::test]
async fn a_walk_in_is_merged_once() {
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    let guest = app.station().await.check_in(Worker::walk_in().phone("15400000002")).await;
    guest.leave().await.expect_ok();
    let merge = json!({"into": seed.worker});
    let path = format!("/api/v1/workers/{}/merge", guest.id);
    let answers = app.rush(10, &seed.operator.token, &path, &merge).await;
    expect_tally(&answers, &[("200 done", 10)]);
    app.sound().await;
}

#[actix_web::test]
async fn a_merge_and_what_the_walk_in_does_meanwhile_do_not_pass_each_other() {
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    let (station, operator) = (app.station().await, app.operator().await);
    let guest = station.check_in(Worker::walk_in().phone("15400000002")).await;
    let ask = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let (asked, left, merged) = tokio::join!(
        guest.request_consultation(ask),
        guest.leave(),
        operator.merge(guest.id, json!({"into": seed.worker})),
    );
    let answers = [asked, left, merged];
    tally(&answers);
    // Either the worker asked and was not merged, or was merged and did not ask.
    if answers[0].status == 201 {
        assert_eq!(answers[2].status, 409, "{}", answers[2].body);
    }
    app.sound().await;
}
