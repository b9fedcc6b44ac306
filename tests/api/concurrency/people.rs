//! Tokens, codes, invitations and merges, many times at once.

use serde_json::json;

use super::{peopled, tally, told};
use crate::{seed::PASSWORD, staff_tokens::code};

#[actix_web::test]
async fn a_refresh_token_used_at_once_is_exchanged_once_and_after_seconds_ends_the_session() {
    let (app, seed) = peopled().await;
    let totp = code(&app, &seed.doctor);
    let body = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": totp});
    let opened = app.post("", "/api/v1/tokens/staff", body).await.expect(200);
    let refresh = json!({"refresh_token": opened["refresh_token"]});
    let answers = app.rush(10, "", "/api/v1/tokens/refresh", &refresh).await;
    told(&answers, &[("200 done", 10)]);
    let fresh = &answers[0].body;
    assert!(answers.iter().all(|answer| answer.body == *fresh), "one exchange, told ten times");
    let token = fresh["access_token"].as_str().expect("a token");
    app.get(token, "/api/v1/session").await.expect(200);
    app.pass(11);
    let answers = app.rush(10, "", "/api/v1/tokens/refresh", &refresh).await;
    told(&answers, &[("401 refresh_reused", 10)]);
    app.get(token, "/api/v1/session").await.problem(401, "session_ended");
}

#[actix_web::test]
async fn a_one_time_code_used_at_once_opens_one_signing_window() {
    let (app, seed) = peopled().await;
    let body = json!({"totp": code(&app, &seed.doctor)});
    let answers = app.rush(10, &seed.doctor.token, "/api/v1/session/signing-window", &body).await;
    told(&answers, &[("200 done", 1), ("401 totp_used", 9)]);
}

#[actix_web::test]
async fn wrong_signing_pins_at_once_are_all_counted() {
    let scene = crate::prescribing::Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let id = scene.draft(&["PCM-T500"]).await;
    let path = format!("/api/v1/prescriptions/{id}/sign");
    let answers = app.rush(12, &seed.doctor.token, &path, &json!({"pin": "000000"})).await;
    told(&answers, &[("403 signing_pin_wrong", 4), ("429 pin_locked", 8)]);
}

#[actix_web::test]
async fn an_address_is_one_person_and_a_station_added_once() {
    let (app, seed) = peopled().await;
    let invite =
        json!({"role": "pharmacist", "email": "new@example.cn", "name_zh": "样例", "name_en": "Sample"});
    let answers = app.rush(8, &seed.operator.token, "/api/v1/staff", &invite).await;
    // Whoever has not answered is invited again: one person, and one good link.
    told(&answers, &[("201 done", 8)]);
    assert!(answers.iter().all(|answer| answer.body["staff"]["id"] == answers[0].body["staff"]["id"]));
    let station = json!({"code": "zhifu-99", "name_zh": "样例站", "name_en": "Sample", "district": "zhifu",
        "latitude_e6": 37_540_000, "longitude_e6": 121_390_000});
    let answers = app.rush(8, &seed.operator.token, "/api/v1/stations", &station).await;
    told(&answers, &[("201 done", 1), ("409 already_exists", 7)]);
}

#[actix_web::test]
async fn a_walk_in_is_merged_once() {
    let (app, seed) = peopled().await;
    let body = json!({"name": "样例甲", "phone": "15400000002", "consent": true});
    let opened = app.post(&seed.station_token, "/api/v1/check-ins/walk-in", body).await.expect(201);
    let guest = opened["check_in"]["worker_id"].as_str().expect("an id").to_owned();
    let leave = format!("/api/v1/check-ins/{}/leave", opened["check_in"]["id"].as_str().expect("an id"));
    app.post(&seed.station_token, &leave, json!({})).await.expect(200);
    let merge = json!({"into": seed.worker});
    let path = format!("/api/v1/workers/{guest}/merge");
    let answers = app.rush(10, &seed.operator.token, &path, &merge).await;
    told(&answers, &[("200 done", 10)]);
    app.sound().await;
}

#[actix_web::test]
async fn a_merge_and_what_the_walk_in_does_meanwhile_do_not_pass_each_other() {
    let (app, seed) = peopled().await;
    let body = json!({"name": "样例甲", "phone": "15400000002", "consent": true});
    let opened = app.post(&seed.station_token, "/api/v1/check-ins/walk-in", body).await.expect(201);
    let guest = opened["check_in"]["worker_id"].as_str().expect("an id").to_owned();
    let token = opened["access_token"].as_str().expect("a token").to_owned();
    let leave = format!("/api/v1/check-ins/{}/leave", opened["check_in"]["id"].as_str().expect("an id"));
    let merge = format!("/api/v1/workers/{guest}/merge");
    let ask = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let answers = futures_util::future::join_all([
        app.post(&token, "/api/v1/consultations", ask),
        app.post(&seed.station_token, &leave, json!({})),
        app.post(&seed.operator.token, &merge, json!({"into": seed.worker})),
    ])
    .await;
    tally(&answers);
    // Either the worker asked, and was not merged; or was merged, and asked nothing.
    if answers[0].status == 201 {
        assert_eq!(answers[2].status, 409, "{}", answers[2].body);
    }
    app.sound().await;
}
