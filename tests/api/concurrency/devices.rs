//! Enrolment, many times at once.

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, rush::expect_tally, seed::Seed};
use crypto::device::DeviceKey;
use domain::ids::DeviceId;
use service::Actor;
use storage::{
    on_backend,
    schema::{cabinet, device},
};

/// Each kind, and where it enrols.
const KINDS: [(&str, &str); 2] = [("cabinet", "/cabinet/v1/enrol"), ("station", "/api/v1/tokens/enrol")];

async fn code_for(app: &TestApp, seed: &Seed, kind: &str) -> Value {
    let wanted = json!({"kind": kind, "station_id": seed.station});
    app.post(&seed.operator.token, "/api/v1/enrolment-codes", wanted).await.expect_created()["code"].clone()
}

/// Every code at once, each client with a key of its own; returns keys and answers.
async fn enrol(app: &TestApp, path: &str, codes: &[Value]) -> (Vec<String>, Vec<Answer>) {
    let keys: Vec<String> =
        codes.iter().map(|_| DeviceKey::generate().expect("a key").public_key().to_string()).collect();
    let asks = codes.iter().zip(&keys).map(|(code, key)| json!({"code": code, "public_key": key}));
    let answers = join_all(asks.map(|body| app.post("", path, body))).await;
    (keys, answers)
}

/// Key and epoch of a kind's devices at the station: of the live ones, and of the others.
async fn devices(app: &TestApp, kind: &str) -> (Vec<(String, i64)>, Vec<(String, i64)>) {
    let kind = kind.to_owned();
    let all: Vec<(String, i64, bool)> = app
        .state
        .read(Actor::System, move |conn, _| {
            Ok(on_backend!(conn, c => device::table
                .filter(device::kind.eq(&kind))
                .order(device::epoch)
                .select((device::public_key, device::epoch, device::revoked_at.is_null()))
                .load(c))?)
        })
        .await
        .expect("read");
    let (live, old): (Vec<_>, Vec<_>) = all.into_iter().partition(|(.., live)| *live);
    let plain =
        |some: Vec<(String, i64, bool)>| some.into_iter().map(|(key, epoch, _)| (key, epoch)).collect();
    (plain(live), plain(old))
}

async fn epoch_of_the_cabinet(app: &TestApp) -> i64 {
    app.state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => cabinet::table.select(cabinet::epoch).first(c))?)
        })
        .await
        .expect("read")
}

#[actix_web::test]
async fn a_code_that_ten_use_at_once_enrols_one_device() {
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    for (kind, path) in KINDS {
        let code = code_for(&app, seed, kind).await;
        let (keys, answers) = enrol(&app, path, &vec![code; 10]).await;
        expect_tally(&answers, &[("201 done", 1), ("401 enrolment_code_invalid", 9)]);
        let winner = answers.iter().position(|answer| answer.status == 201).expect("one");
        let (live, old) = devices(&app, kind).await;
        assert_eq!((live, old.len()), (vec![(keys[winner].clone(), 2)], 1), "{kind}");
    }
    assert_eq!((app.logged("device.enrolled").await, app.logged("device.revoked").await), (2, 2));
    assert_eq!((epoch_of_the_cabinet(&app).await, app.logged("cabinet.epoch_replaced").await), (2, 1));
}

/// All codes are valid: they are used one after the other, and each device replaces the
/// one before.
#[actix_web::test]
async fn of_several_codes_of_one_place_used_at_once_each_enrols_and_one_device_lives() {
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    for (kind, path) in KINDS {
        for replaces in [true, false] {
            let before = devices(&app, kind).await;
            if !replaces {
                revoke(&app, seed, kind).await;
            }
            let mut codes = Vec::new();
            for _ in 0..5 {
                codes.push(code_for(&app, seed, kind).await);
            }
            let (_, answers) = enrol(&app, path, &codes).await;
            expect_tally(&answers, &[("201 done", 5)]);
            let (live, old) = devices(&app, kind).await;
            let was = i64::try_from(before.0.len() + before.1.len()).expect("a few");
            assert_eq!((live.len(), live[0].1), (1, was + 5), "{kind}");
            let epochs: Vec<i64> = old.iter().map(|(_, epoch)| *epoch).collect();
            assert_eq!(epochs, (1..was + 5).collect::<Vec<_>>(), "{kind}");
        }
    }
    assert_eq!(epoch_of_the_cabinet(&app).await, 11);
}

/// Revokes the live device.
async fn revoke(app: &TestApp, seed: &Seed, kind: &str) {
    let kind = kind.to_owned();
    let live = app
        .state
        .read(Actor::System, move |conn, _| {
            Ok(on_backend!(conn, c => device::table
                .filter(device::kind.eq(&kind))
                .filter(device::revoked_at.is_null())
                .select(device::id)
                .first::<DeviceId>(c))?)
        })
        .await
        .expect("read");
    let path = format!("/api/v1/devices/{live}/revoke");
    app.post(&seed.operator.token, &path, json!({})).await.expect_ok();
}
