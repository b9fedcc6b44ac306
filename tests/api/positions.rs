//! The place in the queue that a worker is shown is that in which the distributor would serve them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    support::{TestApp, Worker, WorkerAtStation, care::reading, id_in},
    walks::{chance::Chance, plain},
};

struct Waits<'a> {
    worker: WorkerAtStation<'a>,
    consultation: String,
    has_left: bool,
}

impl Waits<'_> {
    /// The consultation and the list that it is in, with a fresh token.
    async fn shown(&self, app: &TestApp) -> [Value; 2] {
        let token = app.worker_token(self.worker.id, self.worker.check_in, self.worker.station.id);
        let one = app.get(&token, &format!("/api/v1/consultations/{}", self.consultation)).await.expect_ok();
        let list = app.get(&token, "/api/v1/consultations").await.expect_ok();
        [one, list["items"][0].clone()]
    }
}

async fn asks<'a>(app: &'a TestApp, number: usize, chance: &mut Chance) -> (Waits<'a>, Value) {
    let worker = app.open_screen().await.check_in(Worker::walk_in().phone(&format!("157{number:08}"))).await;
    let readings = [None, Some(reading("temperature", 379)), Some(reading("glucose", 170))];
    if let Some(reading) = &readings[chance.below(3)] {
        worker.measure(std::slice::from_ref(reading)).await;
    }
    let symptoms = if chance.once_in(6) { json!(["chest_pain"]) } else { json!([]) };
    let department = chance.one(&["general_practice", "dermatology"]);
    let request = json!({"complaint": "样例", "lane": "consultation_only", "department": department,
        "symptoms": symptoms});
    let asked = worker.request_consultation(request).await.expect_created();
    (Waits { worker, consultation: id_in(&asked).to_owned(), has_left: false }, asked)
}

#[actix_web::test]
async fn a_position_is_one_more_than_the_number_of_those_who_are_served_before() {
    let mut levels = BTreeSet::new();
    for seed in 1..=3 {
        let (app, mut chance) = (TestApp::open().await, Chance::of(seed));
        let mut all: Vec<Waits<'_>> = Vec::new();
        for number in 0..16 {
            let (waits, asked) = asks(&app, number, &mut chance).await;
            levels.insert(asked["triage"].as_str().expect("a level").to_owned());
            all.push(waits);
            is_as_served(&app, &all[number].consultation, &asked);
            // Also two at the same moment; the limit is fifteen minutes.
            app.pass(chance.one(&[0, 1, 59, 120, 299]));
            if chance.once_in(4) {
                // Nobody waits for somebody who is away.
                let leaves = chance.below(all.len());
                all[leaves].worker.leave().await;
                all[leaves].has_left = true;
            }
            for waits in all.iter().filter(|waits| !waits.has_left) {
                for shown in waits.shown(&app).await {
                    is_as_served(&app, &waits.consultation, &shown);
                }
            }
        }
    }
    assert!(levels.len() >= 3, "{levels:?}");
}

fn is_as_served(app: &TestApp, id: &str, shown: &Value) {
    let order = plain::order(app);
    let before = order.values().find_map(|queue| queue.iter().position(|one| one.to_string() == id));
    assert_eq!(shown["position"], json!(before.expect("waits") + 1), "{shown} in {order:?}");
}
