//! The pharmacists' queue: its order, who takes what, how many are in time, and what is told of it.

use chrono::NaiveDate;
use diesel::prelude::*;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{
    Caller, Code, id_in,
    prescribing::{Scene, draft_of, id_of},
    seed::SIGNING_PIN,
};
use crypto::tokens::Role;
use domain::triage::TriageLevel;
use service::{
    Actor, Failure,
    review::watch::{release_expired, watch_queue},
};
use storage::{on_backend, schema::pharmacist};

const SLOT: &str = "PCM-T500";

fn ids(queue: &[Value]) -> Vec<&str> {
    queue.iter().map(id_in).collect()
}

#[actix_web::test]
async fn emergencies_come_first_and_then_the_oldest() {
    let scene = Scene::open().await;
    let first = scene.signed(&[SLOT]).await;
    scene.app.pass(60);
    let one = scene.another_patient("15400000011", TriageLevel::Routine).await;
    let second = scene.signed_in(one, draft_of(&[SLOT])).await;
    scene.app.pass(60);
    let red = scene.another_patient("15400000012", TriageLevel::Emergency).await;
    let third = scene.signed_in(red, draft_of(&[SLOT])).await;
    scene.app.pass(60);
    let other = scene.another_patient("15400000013", TriageLevel::Urgent).await;
    let mut supply = draft_of(&[SLOT]);
    supply["kind"] = json!("emergency");
    let fourth = scene.signed_in(other, supply).await;
    let queue = scene.pharmacist().reviews().await;
    assert_eq!(ids(&queue), [third.as_str(), &fourth, &first, &second]);
    let urgent: Vec<bool> =
        queue.iter().map(|one| one["review"]["emergency"].as_bool().expect("told")).collect();
    assert_eq!(urgent, [true, true, false, false]);
    // Who comes back keeps the place: a claim that expires changes nothing of the order.
    scene.pharmacist().claim(&first).await.expect_ok();
    scene.app.pass(601);
    assert_eq!(release_expired(&scene.app.state).await.expect("a round"), 1);
    assert_eq!(ids(&scene.pharmacist().reviews().await), [third.as_str(), &fourth, &first, &second]);
}

#[actix_web::test]
async fn of_two_who_claim_at_once_one_has_it_and_the_other_is_told_who() {
    let scene = Scene::open().await;
    let id = scene.signed(&[SLOT]).await;
    let (one, two) = (scene.pharmacist(), scene.another_pharmacist("pharmacist-b@example.cn").await);
    let (first, second) = join(one.claim(&id), two.claim(&id)).await;
    let (winner, loser, refused) =
        if first.status == 200 { (&one, &two, second) } else { (&two, &one, first) };
    let problem = refused.expect_refused(Code::ReviewClaimed);
    assert_eq!(problem["data"]["claimed_by"], json!(winner.person.id));
    assert_eq!(problem["data"]["claimed_until"], "2026-11-23T02:10:00Z");
    loser.approve(&id).await.expect_refused(Code::ReviewClaimed);
    loser.send_back(&id, json!({"reason": "not mine"})).await.expect_refused(Code::ReviewClaimed);
    loser.try_to_ask(&id, "is it so?").await.expect_refused(Code::ReviewClaimed);
    loser.release(&id).await.expect_refused(Code::ReviewClaimed);
    let queue = loser.reviews().await;
    assert_eq!(queue[0]["review"]["claimed_by"], json!(winner.person.id));
    // To take it again changes nothing: the claim does not become longer.
    scene.app.pass(60);
    assert_eq!(winner.claim(&id).await.expect_ok()["claimed_until"], "2026-11-23T02:10:00Z");
    assert_eq!(winner.release(&id).await.expect_ok()["claimed_by"], Value::Null);
    assert_eq!(winner.release(&id).await.expect_ok()["claimed_by"], Value::Null);
    loser.claim(&id).await.expect_ok();
    loser.approve(&id).await.expect_ok();
    winner.claim(&id).await.expect_refused(Code::StateMovedOn);
    scene
        .doctor()
        .post(&format!("/api/v1/reviews/{id}/claim"), json!({}))
        .await
        .expect_refused(Code::RoleNotAllowed);
    winner.claim(uuid::Uuid::now_v7()).await.expect_refused(Code::NotFound);
}

#[actix_web::test]
async fn ten_pharmacists_decide_at_once_and_one_does() {
    let scene = Scene::open().await;
    let id = scene.signed(&[SLOT]).await;
    let mut all = Vec::new();
    for number in 0..10 {
        all.push(scene.another_pharmacist(&format!("pharmacist-{number}@example.cn")).await);
    }
    let decide = all.iter().enumerate().map(|(number, one)| {
        let id = id.clone();
        async move {
            match number % 3 {
                0 => one.approve(&id).await,
                1 => one.send_back(&id, json!({"reason": "too much of it", "code": "dose"})).await,
                _ => one.claim(&id).await,
            }
        }
    });
    let answers = join_all(decide).await;
    let decided = answers.iter().filter(|one| one.status == 200 && one.body["state"].is_string()).count();
    let claimed =
        answers.iter().filter(|one| one.status == 200 && one.body["claimed_by"].is_string()).count();
    assert!(decided <= 1 && claimed <= 1 && decided + claimed >= 1, "{decided} {claimed}");
    for refused in answers.iter().filter(|one| one.status != 200) {
        let code = refused.body["code"].as_str().expect("a code");
        assert!(matches!(code, "state_moved_on" | "review_claimed"), "{}", refused.body);
    }
}

#[actix_web::test]
async fn a_claim_expires_and_another_takes_it() {
    let scene = Scene::open().await;
    let id = scene.signed(&[SLOT]).await;
    let (one, two) = (scene.pharmacist(), scene.another_pharmacist("pharmacist-b@example.cn").await);
    one.claim(&id).await.expect_ok();
    scene.app.pass(599);
    assert_eq!(release_expired(&scene.app.state).await.expect("a round"), 0);
    two.claim(&id).await.expect_refused(Code::ReviewClaimed);
    scene.app.pass(1);
    // Whether or not the job has run.
    two.claim(&id).await.expect_ok();
    assert_eq!(release_expired(&scene.app.state).await.expect("a round"), 0);
    one.approve(&id).await.expect_refused(Code::ReviewClaimed);
    scene.app.pass(600);
    assert_eq!(release_expired(&scene.app.state).await.expect("a round"), 1);
    assert_eq!(two.prescription(&id).await.expect_ok()["review"]["claimed_by"], Value::Null);
    scene.open_window(&one.person).await;
    one.approve(&id).await.expect_ok();
}

#[actix_web::test]
async fn who_is_not_on_shift_takes_nothing_but_may_decide_unless_the_policy_forbids_it() {
    let scene = Scene::open().await;
    let id = scene.signed(&[SLOT]).await;
    let pharmacist = scene.pharmacist();
    pharmacist.claim(&id).await.expect_ok();
    pharmacist.release(&id).await.expect_ok();
    scene.off_shift(pharmacist.person.id).await;
    pharmacist.claim(&id).await.expect_refused(Code::NotOnShift);
    // As before there were claims: whoever has no roster of pharmacists goes on working.
    pharmacist.approve(&id).await.expect_ok();

    let strict = Scene::open_with("decide_on_shift_only", json!(true)).await;
    let id = strict.signed(&[SLOT]).await;
    let pharmacist = strict.pharmacist();
    pharmacist.claim(&id).await.expect_ok();
    strict.off_shift(pharmacist.person.id).await;
    // Taken on shift, it is decided after it.
    strict.app.pass(60);
    let question = pharmacist.ask(&id, "for how long already?").await;
    pharmacist.try_to_ask(&id, "again?").await.expect_refused(Code::QuestionOpen);
    strict.doctor().answer_question(&id, &question, "for two days").await.expect_ok();
    pharmacist.approve(&id).await.expect_refused(Code::NotOnShift);
    let back = json!({"reason": "too much", "code": "dose"});
    pharmacist.send_back(&id, back).await.expect_refused(Code::NotOnShift);
    strict.shift_in(pharmacist.person.id, 0).await;
    pharmacist.approve(&id).await.expect_ok();
}

#[actix_web::test]
async fn a_licence_that_ends_between_claim_and_decision_ends_the_review() {
    let scene = Scene::open().await;
    let id = scene.signed(&[SLOT]).await;
    let pharmacist = scene.pharmacist();
    pharmacist.claim(&id).await.expect_ok();
    let staff = pharmacist.person.id;
    let until = async |day: NaiveDate| {
        let written = scene.app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
            on_backend!(tx.conn, c => diesel::update(pharmacist::table.find(staff))
                .set(pharmacist::licence_valid_until.eq(day))
                .execute(c))?;
            Ok(())
        });
        written.await.expect("written");
    };
    until(NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day")).await;
    pharmacist.approve(&id).await.expect_refused(Code::RoleNotAllowed);
    let back = json!({"reason": "too much", "code": "dose"});
    pharmacist.send_back(&id, back).await.expect_refused(Code::RoleNotAllowed);
    pharmacist.try_to_ask(&id, "is it so?").await.expect_refused(Code::RoleNotAllowed);
    assert_eq!(pharmacist.release(&id).await.expect_ok()["claimed_by"], Value::Null);
    pharmacist.claim(&id).await.expect_refused(Code::RoleNotAllowed);
    until(NaiveDate::from_ymd_opt(2026, 11, 23).expect("a day")).await;
    pharmacist.approve(&id).await.expect_ok();
}

#[actix_web::test]
async fn the_figures_count_who_waits_and_who_was_in_time() {
    let scene = Scene::open().await;
    let (pharmacist, operator) = (scene.pharmacist(), scene.app.operator().await);
    let figures = async || operator.get("/api/v1/review-queue").await.expect_ok();
    let none = figures().await;
    assert_eq!((&none["waiting"], &none["on_shift"]), (&json!(0), &json!(1)));
    assert_eq!((&none["hour"]["share_in_time"], &none["oldest_since"]), (&json!(null), &json!(null)));
    scene.doctor().get("/api/v1/review-queue").await.expect_refused(Code::RoleNotAllowed);
    let first = scene.signed(&[SLOT]).await;
    pharmacist.claim(&first).await.expect_ok();
    let red = scene.another_patient("15400000011", TriageLevel::Emergency).await;
    let second = scene.signed_in(red, draft_of(&[SLOT])).await;
    let other = scene.another_patient("15400000012", TriageLevel::Routine).await;
    let third = scene.signed_in(other, draft_of(&[SLOT])).await;
    pharmacist.ask(&third, "is it so?").await;
    let now = pharmacist.get("/api/v1/review-queue").await.expect_ok();
    for (field, count) in [
        ("waiting", 3),
        ("emergencies", 1),
        ("claimed", 1),
        ("question_open", 1),
        ("late", 0),
        ("on_shift", 1),
    ] {
        assert_eq!(now[field], json!(count), "{field}: {now}");
    }
    scene.app.pass(300);
    pharmacist.approve(&first).await.expect_ok();
    scene.app.pass(1);
    let late = figures().await;
    assert_eq!((&late["late"], &late["waiting"]), (&json!(2), &json!(2)));
    pharmacist.send_back(&second, json!({"reason": "too much", "code": "dose"})).await.expect_ok();
    let level = figures().await["hour"].clone();
    assert_eq!(
        (&level["reviewed"], &level["in_time"], &level["share_in_time"]),
        (&json!(2), &json!(1), &json!(0.5))
    );
    assert_eq!(level["mean_review_s"], json!(300.0), "only the first was claimed");
    // An hour later only the day knows of them; what expires unreviewed was missed.
    scene.app.pass(14 * 3600);
    assert_eq!(service::prescription::dispense::expire_due(&scene.app.state).await.expect("a round"), 3);
    let night = scene.app.person(Role::Operator, "night@example.cn", None, None).await;
    let later = scene.app.get(&night.token, "/api/v1/review-queue").await.expect_ok();
    assert_eq!((&later["hour"]["reviewed"], &later["hour"]["missed"]), (&json!(0), &json!(1)));
    assert_eq!((&later["day"]["reviewed"], &later["day"]["missed"]), (&json!(2), &json!(1)));
}

#[actix_web::test]
async fn nobody_on_shift_raises_an_alert_that_ends_with_its_cause_and_few_letters() {
    let scene = Scene::open_with("letters_per_hour", json!(1)).await;
    let (operator, pharmacist) = (scene.app.operator().await, scene.pharmacist());
    let open = async || operator.list("/api/v1/review-alerts?open=true").await;
    let round = async || watch_queue(&scene.app.state).await.expect("a round");
    scene.off_shift(pharmacist.person.id).await;
    assert_eq!(round().await, 0, "nobody waits");
    let id = scene.signed(&[SLOT]).await;
    let next = scene.shift_in(pharmacist.person.id, 90).await;
    assert_eq!(round().await, 1);
    assert_eq!(round().await, 0, "it is raised once");
    let raised = open().await;
    assert_eq!(raised.len(), 1);
    assert_eq!((&raised[0]["trouble"], &raised[0]["waiting"]), (&json!("nobody_on_shift"), &json!(1)));
    assert_eq!(raised[0]["on_shift_from"], json!(next));
    pharmacist.list("/api/v1/review-alerts").await;
    scene.doctor().get("/api/v1/review-alerts").await.expect_refused(Code::RoleNotAllowed);
    // Somebody comes, and goes again: a second alert within the hour, and no second letter.
    scene.another_pharmacist("pharmacist-b@example.cn").await;
    assert_eq!(round().await, 1);
    assert_eq!(open().await, Vec::<Value>::new());
    scene.app.pass(900);
    assert_eq!(round().await, 1);
    assert_eq!(open().await[0]["trouble"], "overdue");
    let letters = operator.list("/api/v1/letters").await;
    assert_eq!(letters.iter().filter(|letter| letter["kind"] == "queue_trouble").count(), 1);
    scene.open_window(&pharmacist.person).await;
    pharmacist.approve(&id).await.expect_ok();
    assert_eq!(round().await, 1);
    assert_eq!(operator.list("/api/v1/review-alerts").await.len(), 2);
}

/// A limit delays a letter; it never swallows that of an alert that stays open.
#[actix_web::test]
async fn a_letter_that_the_limit_forbids_is_written_within_the_next_hour() {
    let mut scene = Scene::open_with("letters_per_hour", json!(1)).await;
    let round = async |scene: &Scene| watch_queue(&scene.app.state).await.expect("a round");
    let letters = async |scene: &Scene| {
        let all = scene.app.operator().await.list("/api/v1/letters").await;
        all.iter().filter(|letter| letter["kind"] == "queue_trouble").count()
    };
    scene.off_shift(scene.seed.pharmacist.id).await;
    scene.signed(&[SLOT]).await;
    round(&scene).await;
    scene.another_pharmacist("pharmacist-b@example.cn").await;
    scene.pass(900).await;
    assert_eq!((round(&scene).await, letters(&scene).await), (2, 1), "one ends, another begins, untold");
    scene.pass(2600).await;
    assert_eq!((round(&scene).await, letters(&scene).await), (0, 1));
    scene.pass(200).await;
    assert_eq!((round(&scene).await, letters(&scene).await), (0, 2));
    assert_eq!((round(&scene).await, letters(&scene).await), (0, 2));
}

/// Fifty that a colleague has would else fill the page.
#[actix_web::test]
async fn what_others_have_hides_nobody_who_waits() {
    let scene = Scene::open().await;
    let mut signed = Vec::new();
    for number in 0..51 {
        let phone = format!("154000002{number:02}");
        let consultation = scene.another_patient(&phone, TriageLevel::Routine).await;
        signed.push(scene.signed_in(consultation, draft_of(&[SLOT])).await);
        scene.app.pass(1);
    }
    let (pharmacist, colleague) =
        (scene.pharmacist(), scene.another_pharmacist("pharmacist-b@example.cn").await);
    assert_eq!(ids(&pharmacist.reviews().await), signed[..50].iter().map(String::as_str).collect::<Vec<_>>());
    for id in &signed[..49] {
        colleague.claim(id).await.expect_ok();
    }
    pharmacist.claim(&signed[49]).await.expect_ok();
    let queue = pharmacist.reviews().await;
    assert_eq!(ids(&queue)[..3], [signed[49].as_str(), &signed[50], &signed[0]]);
    assert_eq!(queue.len(), 50);
    let theirs = colleague.reviews().await;
    assert_eq!(ids(&theirs)[48..], [signed[48].as_str(), &signed[50]]);
}

#[actix_web::test]
async fn the_worker_is_told_how_long_or_until_when_nobody_comes() {
    let scene = Scene::open().await;
    let (worker, pharmacist) = (scene.worker(), scene.pharmacist());
    let id = scene.signed(&[SLOT]).await;
    let wait = async || worker.prescription(&id).await.expect_ok()["review_wait"].clone();
    let queued = wait().await;
    assert_eq!((&queued["basis"], &queued["from_minutes"]), (&json!("queue"), &json!(0)));
    let alone = queued["to_minutes"].as_u64().expect("minutes");
    assert!((1..=10).contains(&alone), "{queued}");
    pharmacist.claim(&id).await.expect_ok();
    let taken = wait().await;
    assert_eq!(taken["basis"], "under_review");
    assert!(taken["to_minutes"].as_u64().expect("minutes") <= alone, "{taken}");
    let question = pharmacist.ask(&id, "is it so?").await;
    let asked = wait().await;
    assert_eq!((&asked["basis"], &asked["to_minutes"]), (&json!("question_open"), &json!(null)));
    scene.doctor().answer_question(&id, &question, "it is").await.expect_ok();
    scene.off_shift(pharmacist.person.id).await;
    let unknown = wait().await;
    assert_eq!((&unknown["basis"], &unknown["on_shift_from"]), (&json!("nobody_on_shift"), &json!(null)));
    let next = scene.shift_in(pharmacist.person.id, 90).await;
    let nobody = wait().await;
    assert_eq!((&nobody["to_minutes"], &nobody["on_shift_from"]), (&json!(null), &json!(next)));
    pharmacist.approve(&id).await.expect_ok();
    assert_eq!(wait().await, Value::Null);
    // Staff are told who has it, and no guess.
    assert!(pharmacist.prescription(&id).await.expect_ok().get("review_wait").is_none());
}

#[actix_web::test]
async fn a_lapsed_pharmacist_is_not_counted_on_shift() {
    let scene = Scene::open().await;
    scene
        .app
        .state
        .write(Actor::System, |tx| -> Result<(), Failure> {
            let yesterday = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day");
            on_backend!(tx.conn, c => diesel::update(pharmacist::table)
                .set(pharmacist::licence_valid_until.eq(yesterday))
                .execute(c))?;
            Ok(())
        })
        .await
        .expect("written");
    let id = scene.signed(&[SLOT]).await;
    let operator = scene.app.operator().await;
    assert_eq!(operator.get("/api/v1/review-queue").await.expect_ok()["on_shift"], 0);
    let wait = scene.worker().prescription(&id).await.expect_ok()["review_wait"].clone();
    assert_eq!(wait["basis"], "nobody_on_shift");
}

#[actix_web::test]
async fn a_claim_is_answered_once_per_key_and_survives_another_instance() {
    let scene = Scene::open().await;
    let id = id_of(&scene.signed(&[SLOT]).await);
    let (pharmacist, other) = (scene.pharmacist(), scene.app.another().await);
    let path = format!("/api/v1/reviews/{id}/claim");
    let first =
        scene.app.post_with_key(&pharmacist.token(), &path, "claim-0001", json!({})).await.expect_ok();
    let again = other.post_with_key(&pharmacist.token(), &path, "claim-0001", json!({})).await.expect_ok();
    assert_eq!(first, again);
    let approve = format!("/api/v1/prescriptions/{id}/approve");
    let pin = json!({"pin": SIGNING_PIN});
    other.post(&pharmacist.token(), &approve, pin).await.expect_ok();
}
