//! Merging two records of one person: the more careful fact is kept, the operator
//! sees what differs, and a wrong merge can be undone.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    phones::text,
    seed::Seed,
};
use domain::ids::WorkerId;

const WHO: &str = "/check_in/worker_id";

async fn leave(app: &TestApp, seed: &Seed, opened: &Value) {
    let path = format!("/api/v1/check-ins/{}/leave", text(opened, "/check_in/id"));
    app.post(&app.station_token(seed), &path, json!({})).await.expect(200);
}

/// A walk-in with a profile, who has left again.
async fn guest(app: &TestApp, seed: &Seed, profile: Value) -> WorkerId {
    let body = json!({"name": "样例甲", "phone": "15400000002", "consent": true});
    let opened = app.walk_in(seed, body).await.expect(201);
    app.put(&text(&opened, "/access_token"), "/api/v1/me/profile", "\"0\"", profile).await.expect(200);
    leave(app, seed, &opened).await;
    text(&opened, WHO).parse().expect("an id")
}

async fn operate(app: &TestApp, seed: &Seed, id: WorkerId, verb: &str, body: Value) -> Answer {
    app.post(&app.operator_token(seed), &format!("/api/v1/workers/{id}/{verb}"), body).await
}

async fn my_profile(app: &TestApp, seed: &Seed) -> (String, Value, String) {
    let mine = app.visit(seed).await;
    let answer = app.get(&mine.token, "/api/v1/me/profile").await;
    let version = answer.headers["etag"].to_str().expect("a version").to_owned();
    (version, answer.expect(200), mine.token)
}

#[actix_web::test]
async fn a_merge_into_an_empty_card_keeps_allergies_conditions_and_medicines() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let profile = json!({"allergies": ["penicillins"], "conditions": ["asthma"], "medicines": ["warfarin"]});
    // Once into a card without a profile, once into one with an empty profile.
    for written in [false, true] {
        if written {
            let (version, _, token) = my_profile(&app, &seed).await;
            app.put(&token, "/api/v1/me/profile", &version, json!({})).await.expect(200);
        }
        let guest = guest(&app, &seed, profile.clone()).await;
        operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await.expect(200);
        let (_, now, _) = my_profile(&app, &seed).await;
        for field in ["allergies", "conditions", "medicines"] {
            assert_eq!(now[field], profile[field], "{field}");
        }
        operate(&app, &seed, guest, "unmerge", json!({})).await.expect(200);
        let (_, now, _) = my_profile(&app, &seed).await;
        assert_eq!(
            (&now["allergies"], &now["conditions"], &now["medicines"]),
            (&json!(null), &json!(null), &json!(null))
        );
    }
}

#[actix_web::test]
async fn a_merge_keeps_the_more_careful_fact_and_the_preview_names_what_differs() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.forget_who(&seed, "sex").await;
    let (_, _, token) = my_profile(&app, &seed).await;
    let own = json!({"weight_kg_tenths": 600, "pregnant": false, "breastfeeding": false, "egfr": 90,
        "allergies": ["NSAIDs"], "conditions": ["asthma"], "medicines": ["aspirin"]});
    app.put(&token, "/api/v1/me/profile", "\"0\"", own).await.expect(200);
    let theirs = json!({"weight_kg_tenths": 700, "pregnant": true, "egfr": 40, "creatinine_clearance": 35,
        "allergies": ["nsaids", "penicillins"], "conditions": ["asthma", "gout"], "medicines": ["warfarin"]});
    let guest = guest(&app, &seed, theirs).await;
    let path = format!("/api/v1/workers/{guest}/merge-preview?into={}", seed.worker);
    let preview = app.get(&app.operator_token(&seed), &path).await.expect(200);
    for field in ["pregnant", "allergies", "egfr", "medicines", "name"] {
        assert!(preview["differs"].as_array().expect("a list").contains(&json!(field)), "{field}: {preview}");
    }
    assert!(!preview["changes"].as_array().expect("a list").contains(&json!("weight_kg_tenths")));
    // Names of the facts only, never their values.
    for word in ["penicillin", "warfarin", "gout"] {
        assert!(!preview.to_string().contains(word), "{preview}");
    }
    assert_eq!((&preview["approval_needed"], &preview["contradictions"]), (&json!(false), &json!([])));
    app.get(&seed.doctor.token, &path).await.problem(403, "role_not_allowed");
    operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await.expect(200);
    let (_, now, _) = my_profile(&app, &seed).await;
    assert_eq!(now["weight_kg_tenths"], 600);
    assert_eq!(now["pregnant"], true);
    // One record says no, the other has no answer: the question is asked again.
    assert_eq!(now["breastfeeding"], json!(null));
    assert_eq!((&now["egfr"], &now["creatinine_clearance"]), (&json!(40), &json!(35)));
    assert_eq!(now["allergies"], json!(["NSAIDs", "penicillins"]));
    assert_eq!(now["conditions"], json!(["asthma", "gout"]));
    assert_eq!(now["medicines"], json!(["aspirin", "warfarin"]));
}

#[actix_web::test]
async fn an_undone_merge_restores_both_records_and_keeps_later_changes() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let measure = json!({"readings": [{"kind": "blood_pressure", "value": 120, "second": 80,
        "unit": "mm[Hg]", "device": "cuff", "measured_at": null}]});
    let count = async |token: &str| {
        app.get(token, "/api/v1/readings").await.expect(200)["items"].as_array().expect("a list").len()
    };
    // A walk-in whose phone is not the card's.
    let body = json!({"name": "样例甲", "phone": "15400000002", "consent": true});
    let opened = app.walk_in(&seed, body).await.expect(201);
    let token = text(&opened, "/access_token");
    app.put(&token, "/api/v1/me/profile", "\"0\"", json!({"allergies": ["penicillins"]})).await.expect(200);
    app.post(&token, "/api/v1/readings", measure.clone()).await.expect(201);
    leave(&app, &seed, &opened).await;
    let guest: WorkerId = text(&opened, WHO).parse().expect("an id");
    app.granted_before(guest).await;
    let (_, _, mine) = my_profile(&app, &seed).await;
    app.put(&mine, "/api/v1/me/profile", "\"0\"", json!({"allergies": ["nsaids"], "egfr": 80}))
        .await
        .expect(200);
    assert_eq!(app.get(&mine, "/api/v1/account").await.expect(200)["balance_fen"], 20_000);

    operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await.expect(200);
    let (version, now, mine) = my_profile(&app, &seed).await;
    assert_eq!(now["allergies"], json!(["nsaids", "penicillins"]));
    assert_eq!(app.get(&mine, "/api/v1/account").await.expect(200)["balance_fen"], 20_000);
    app.post(&mine, "/api/v1/readings", measure).await.expect(201);
    let since = json!({"allergies": ["nsaids", "penicillins", "macrolides"], "egfr": 70});
    app.put(&mine, "/api/v1/me/profile", &version, since).await.expect(200);

    let undone = operate(&app, &seed, guest, "unmerge", json!({})).await.expect(200);
    assert_eq!(undone["merged_into"], json!(null));
    // The merged person's check-in has ended.
    app.get(&mine, "/api/v1/me").await.problem(401, "check_in_ended");
    let refused = operate(&app, &seed, guest, "unmerge", json!({})).await.problem(409, "state_moved_on");
    assert_eq!(refused["state"], "not_merged");
    let (_, now, mine) = my_profile(&app, &seed).await;
    // The worker confirmed these after the merge, including the other record's allergy.
    assert_eq!(
        (&now["allergies"], &now["egfr"]),
        (&json!(["nsaids", "penicillins", "macrolides"]), &json!(70))
    );
    assert_eq!(app.get(&mine, "/api/v1/account").await.expect(200)["balance_fen"], 20_000);
    app.sound().await;
    // The operator finds the other record again with its own data, and can merge it again.
    let path = "/api/v1/workers?phone=15400000002";
    let found = app.get(&app.operator_token(&seed), path).await.expect(200);
    assert_eq!(found["items"][0]["id"], json!(guest));
    operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await.expect(200);
    let (_, now, token) = my_profile(&app, &seed).await;
    assert_eq!(now["allergies"], json!(["nsaids", "penicillins", "macrolides"]));
    assert!(count(&token).await <= 3);
    app.sound().await;
}

#[actix_web::test]
async fn what_the_worker_confirmed_after_a_merge_survives_its_undoing() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.forget_who(&seed, "sex").await;
    let theirs = json!({"allergies": ["penicillins"], "conditions": ["asthma"], "medicines": ["warfarin"],
        "pregnant": true, "breastfeeding": true, "weight_kg_tenths": 480, "egfr": 40,
        "creatinine_clearance": 35});
    let (version, _, token) = my_profile(&app, &seed).await;
    let own = json!({"allergies": [], "pregnant": false, "weight_kg_tenths": 700, "egfr": 90});
    app.put(&token, "/api/v1/me/profile", &version, own).await.expect(200);
    let guest = guest(&app, &seed, theirs.clone()).await;
    operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await.expect(200);
    let (version, merged, token) = my_profile(&app, &seed).await;
    assert_eq!(merged["allergies"], json!(["penicillins"]));
    let mut new_profile = theirs;
    new_profile["allergies"] = json!(["penicillins", "nsaids"]);
    app.put(&token, "/api/v1/me/profile", &version, new_profile.clone()).await.expect(200);
    operate(&app, &seed, guest, "unmerge", json!({})).await.expect(200);
    let (_, now, _) = my_profile(&app, &seed).await;
    for (field, value) in new_profile.as_object().expect("members") {
        assert_eq!(&now[field], value, "{field}");
    }
    app.sound().await;
}

#[actix_web::test]
async fn nothing_is_merged_during_a_live_consultation_of_either() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let guest = guest(&app, &seed, json!({})).await;
    let (_, _, mine) = my_profile(&app, &seed).await;
    let ask = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let consultation = app.post(&mine, "/api/v1/consultations", ask).await.expect(201);
    let refused = operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await;
    let refused = refused.problem(409, "state_moved_on");
    assert_eq!(
        (&refused["state"], &refused["data"]["worker_id"]),
        (&json!("consultation_live"), &json!(seed.worker))
    );
    let path = format!("/api/v1/consultations/{}/cancel", text(&consultation, "/id"));
    app.post(&mine, &path, json!({})).await.expect(200);
    operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await.expect(200);
    let ask = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    app.post(&mine, "/api/v1/consultations", ask).await.expect(201);
    let refused = operate(&app, &seed, guest, "unmerge", json!({})).await.problem(409, "state_moved_on");
    assert_eq!(refused["state"], "consultation_live");
}

#[actix_web::test]
async fn contradictions_must_be_accepted_by_name() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.forget_who(&seed, "sex").await;
    let body = json!({"name": "样例甲", "consent": true, "birth_date": "1991-05-01", "sex": "male"});
    let opened = app.walk_in(&seed, body).await.expect(201);
    leave(&app, &seed, &opened).await;
    let guest: WorkerId = text(&opened, WHO).parse().expect("an id");
    let refused = operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await;
    let refused = refused.problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["field"], "accept");
    assert_eq!(refused["data"]["contradictions"], json!(["birth_date"]));
    let body = json!({"into": seed.worker, "accept": ["birth_date"]});
    operate(&app, &seed, guest, "merge", body).await.expect(200);
    // The card's date of birth is kept, and what was unknown is taken over.
    let mine = app.visit(&seed).await;
    let me = app.get(&mine.token, "/api/v1/me").await.expect(200);
    assert_eq!((&me["birth_date"], &me["sex"]), (&json!("1990-05-01"), &json!("male")));
    operate(&app, &seed, guest, "unmerge", json!({})).await.expect(200);
    let mine = app.visit(&seed).await;
    assert_eq!(app.get(&mine.token, "/api/v1/me").await.expect(200)["sex"], json!(null));
}

#[actix_web::test]
async fn contradictions_between_profiles_must_be_accepted_by_name_too() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let profile = json!({"pregnant": true, "birth_date": "2001-02-03", "sex": "female"});
    let guest = guest(&app, &seed, profile).await;
    let (version, _, token) = my_profile(&app, &seed).await;
    app.put(&token, "/api/v1/me/profile", &version, json!({"sex": "male"})).await.expect(200);
    let preview = format!("/api/v1/workers/{guest}/merge-preview?into={}", seed.worker);
    let seen = app.get(&app.operator_token(&seed), &preview).await.expect(200);
    assert_eq!(seen["contradictions"], json!(["birth_date", "sex", "pregnancy"]), "{seen}");
    let some = json!({"into": seed.worker, "accept": ["birth_date", "sex"]});
    let refused = operate(&app, &seed, guest, "merge", some).await.problem(422, "invalid_field");
    assert_eq!(refused["data"]["contradictions"], json!(["pregnancy"]));
    let all = json!({"into": seed.worker, "accept": ["birth_date", "sex", "pregnancy"]});
    operate(&app, &seed, guest, "merge", all).await.expect(200);
}

#[actix_web::test]
async fn a_consent_withdrawn_on_either_side_is_withdrawn() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let consents = async |seed: &Seed| {
        let mine = app.visit(seed).await;
        app.get(&mine.token, "/api/v1/me").await.expect(200)["consents"].clone()
    };
    let mine = app.visit(&seed).await;
    let fitness = json!({"purpose": "employer_fitness"});
    app.post(&mine.token, "/api/v1/me/consents", fitness.clone()).await.expect(201);
    let body = json!({"name": "样例甲", "consent": true});
    let opened = app.walk_in(&seed, body).await.expect(201);
    let token = text(&opened, "/access_token");
    app.post(&token, "/api/v1/me/consents", fitness.clone()).await.expect(201);
    app.post(&token, "/api/v1/me/consents/withdraw", fitness).await.expect(200);
    leave(&app, &seed, &opened).await;
    let guest: WorkerId = text(&opened, WHO).parse().expect("an id");
    operate(&app, &seed, guest, "merge", json!({"into": seed.worker})).await.expect(200);
    assert_eq!(consents(&seed).await, json!(["health_care"]));
    operate(&app, &seed, guest, "unmerge", json!({})).await.expect(200);
    assert_eq!(consents(&seed).await, json!(["employer_fitness", "health_care"]));
}

#[actix_web::test]
async fn concurrent_merges_and_undos_leave_a_consistent_state() {
    let app = TestApp::open_with(|config| config.database_connections = 12).await;
    let seed = app.seed().await;
    let guest = guest(&app, &seed, json!({"allergies": ["penicillins"]})).await;
    let token = app.operator_token(&seed);
    let (merge, undo) =
        (format!("/api/v1/workers/{guest}/merge"), format!("/api/v1/workers/{guest}/unmerge"));
    for _ in 0..3 {
        let (merge, undo, app, token) = (&merge, &undo, &app, &token);
        let into = json!({"into": seed.worker});
        let all = (0..6).map(|at| {
            let into = into.clone();
            async move {
                if at % 2 == 0 {
                    app.post(token, merge, into).await
                } else {
                    app.post(token, undo, json!({})).await
                }
            }
        });
        crate::concurrency::tally(&futures_util::future::join_all(all).await);
        app.sound().await;
    }
    let _ = app.post(&token, &merge, json!({"into": seed.worker})).await;
    let (_, now, _) = my_profile(&app, &seed).await;
    assert_eq!(now["allergies"], json!(["penicillins"]));
    app.post(&token, &undo, json!({})).await.expect(200);
    let (version, now, _) = my_profile(&app, &seed).await;
    assert_eq!((version.as_str(), &now["allergies"]), ("\"0\"", &json!(null)));
}
