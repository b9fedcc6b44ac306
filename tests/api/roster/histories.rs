//! Random histories of rules, leave, cancelled shifts and passing days, against a reference that looks
//! at every hour.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{operator_now, shifts_of};
use crate::{harness::TestApp, walks::chance::Chance};
use service::network::roster::planning::plan_ahead;

/// What the reference knows: hours since the start of the test.
#[derive(Default)]
struct Reference {
    /// Id, hour of the day (local), length in hours, exceptions by number of the day.
    rules: Vec<(String, i64, i64, BTreeSet<i64>)>,
    /// Id and hours on leave.
    leaves: Vec<(String, i64, i64)>,
    /// Hours that were added by hand.
    hours_by_hand: BTreeSet<i64>,
}

const FIRST_DAY: i64 = 2;

fn instant(app_start: DateTime<Utc>, hour: i64) -> String {
    (app_start + TimeDelta::hours(hour)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

impl Reference {
    /// Whether somebody is on shift in this hour. The test starts at 10:00 local, so hour 14 is midnight.
    fn on_shift(&self, hour: i64) -> bool {
        if self.hours_by_hand.contains(&hour) {
            return true;
        }
        if self.leaves.iter().any(|(_, from, until)| (*from..*until).contains(&hour)) {
            return false;
        }
        let local = hour + 10;
        self.rules.iter().any(|(_, start, length, except)| {
            [local.div_euclid(24), local.div_euclid(24) - 1].into_iter().any(|day| {
                let begin = day * 24 + start;
                day >= FIRST_DAY && !except.contains(&day) && (begin..begin + length).contains(&local)
            })
        })
    }
}

#[actix_web::test]
async fn the_shifts_of_random_histories_are_those_that_every_hour_asks_for() {
    let seed: u64 = std::env::var("WALK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_130);
    for round in 0..3 {
        println!("WALK_SEED={}", seed + round);
        walk(seed + round).await;
    }
}

async fn walk(seed: u64) {
    let mut chance = Chance::of(seed);
    let app = TestApp::open().await;
    let start = app.now();
    let network = app.seed().await;
    let current = super::current_shift(&app, &network).await;
    app.post(&network.operator.token, &format!("{}/cancel", super::path_of(&current)), json!({}))
        .await
        .expect(200);
    let mut reference = Reference::default();
    let mut operator = network.operator.clone();
    for step in 0..24 {
        let now = (app.now() - start).num_hours();
        match chance.below(6) {
            0 if reference.rules.len() < 3 => {
                let hours = chance.below(24) as i64;
                let length = 1 + chance.below(12) as i64;
                let date = (start + TimeDelta::days(FIRST_DAY)).format("%Y-%m-%d").to_string();
                let body = json!({"staff_id": network.doctor.id, "first_date": date,
                    "start_time": format!("{hours:02}:00"), "length_minutes": length * 60, "rrule": "FREQ=DAILY"});
                let answer = app.post(&operator.token, "/api/v1/shift-rules", body).await;
                // One that meets another rule or shift is refused.
                if answer.status == 201 {
                    let id = answer.body["id"].as_str().expect("an id").to_owned();
                    reference.rules.push((id, hours, length, BTreeSet::new()));
                }
            }
            1 => {
                let from = now + chance.below(10 * 24) as i64;
                let until = from + 1 + chance.below(48) as i64;
                let body = json!({"staff_id": network.doctor.id, "starts_at": instant(start, from),
                    "ends_at": instant(start, until), "reason": "other"});
                let answer = app.post(&operator.token, "/api/v1/leaves", body).await;
                if answer.status == 201 {
                    let id = answer.body["id"].as_str().expect("an id").to_owned();
                    reference.leaves.push((id, from, until));
                    reference.hours_by_hand.retain(|hour| !(from..until).contains(hour));
                }
            }
            2 => {
                if let Some((id, from, until)) = chance.any(&reference.leaves) {
                    let answer =
                        app.post(&operator.token, &format!("/api/v1/leaves/{id}/end"), json!({})).await;
                    assert_eq!(
                        answer.status == 200,
                        until > now && from < until,
                        "{} {from} {until}",
                        answer.body
                    );
                    if answer.status == 200 {
                        for leave in reference.leaves.iter_mut().filter(|leave| leave.0 == id) {
                            leave.2 = from.max(now);
                        }
                    }
                }
            }
            3 => cancel_one(&app, &operator.token, &network, &mut reference, &mut chance, start).await,
            4 => {
                app.pass(3600 * (1 + chance.below(40) as i64));
                operator = operator_now(&app).await;
                plan_ahead(&app.state).await.expect("planned");
            }
            _ => {
                let from = now + 1 + chance.below(72) as i64;
                let body = json!({"staff_id": network.doctor.id, "starts_at": instant(start, from),
                    "ends_at": instant(start, from + 1)});
                if app.post(&operator.token, "/api/v1/shifts", body).await.status == 201 {
                    reference.hours_by_hand.insert(from);
                }
            }
        }
        compare(&app, &operator.token, &network, &reference, start, (seed, step)).await;
    }
}

/// Cancels a future shift; of a rule, the date becomes an exception.
async fn cancel_one(
    app: &TestApp,
    token: &str,
    network: &crate::seed::Seed,
    reference: &mut Reference,
    chance: &mut Chance,
    start: DateTime<Utc>,
) {
    let path = format!("/api/v1/shifts?staff_id={}&limit=100", network.doctor.id);
    let list = app.get(token, &path).await.expect(200);
    let Some(shift) = chance.any(list["items"].as_array().expect("a list")) else { return };
    let hour = |name: &str| -> i64 {
        let at: DateTime<Utc> = shift[name].as_str().expect("an instant").parse().expect("an instant");
        (at - start).num_hours()
    };
    let (from, until) = (hour("starts_at"), hour("ends_at"));
    app.post(token, &format!("/api/v1/shifts/{}/cancel", shift["id"].as_str().expect("an id")), json!({}))
        .await
        .expect(200);
    let Some(rule) = shift["rule_id"].as_str() else {
        reference.hours_by_hand.retain(|hour| !(from..until).contains(hour));
        return;
    };
    let (_, begin, length, except) =
        reference.rules.iter_mut().find(|known| known.0 == rule).expect("a known rule");
    let local = from + 10;
    let day = (0..2)
        .map(|back| local.div_euclid(24) - back)
        .find(|day| (day * 24 + *begin..day * 24 + *begin + *length).contains(&local));
    let day = day.expect("a day of the rule");
    except.insert(day);
    // What leave and other shifts left of the same occurrence stays.
    let others = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|other| other["rule_id"] == shift["rule_id"] && other["id"] != shift["id"]);
    for other in others {
        let hour = |name: &str| -> i64 {
            let at: DateTime<Utc> = other[name].as_str().expect("an instant").parse().expect("an instant");
            (at - start).num_hours()
        };
        let occurrence = day * 24 + *begin - 10;
        if (occurrence..occurrence + *length).contains(&hour("starts_at")) {
            reference.hours_by_hand.extend(hour("starts_at")..hour("ends_at"));
        }
    }
}

async fn compare(
    app: &TestApp,
    token: &str,
    network: &crate::seed::Seed,
    reference: &Reference,
    start: DateTime<Utc>,
    context: (u64, usize),
) {
    let now = (app.now() - start).num_hours();
    let mut found = BTreeSet::new();
    for (from, until, _) in shifts_of(app, token, &network.doctor).await {
        let hour = |text: &str| {
            let at: DateTime<Utc> = text.parse().expect("an instant");
            (at - start).num_hours()
        };
        for hour in hour(&from)..hour(&until) {
            assert!(found.insert(hour), "{context:?}: two shifts in hour {hour}");
        }
    }
    // Ten days are planned whenever a round was today or yesterday.
    let expected: BTreeSet<i64> = (now..now + 240).filter(|hour| reference.on_shift(*hour)).collect();
    found.retain(|hour| (now..now + 240).contains(hour));
    assert_eq!(found, expected, "{context:?} at hour {now}");
}
