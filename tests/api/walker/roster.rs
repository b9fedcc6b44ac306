//! The routes of the roster and of coverage.

use serde_json::json;

use super::{
    document::good_body,
    walk::{Good, Walk, of, text, with},
};
use domain::staff::role::Role;

/// The coordinator of a hospital keeps the roster of its doctors; another hospital's is a stranger.
pub async fn keep(walk: &mut Walk<'_>, operator: &str) {
    let seed = walk.seed;
    let another = walk.app.hospital("walker-h2").await;
    let coordinator =
        walk.app.person(Role::Coordinator, "walker-c1@example.cn", Some(seed.hospital), None).await;
    let stranger = walk.app.person(Role::Coordinator, "walker-c2@example.cn", Some(another), None).await;
    let (own, foreign) = (coordinator.token.as_str(), Some(stranger.token.as_str()));
    walk.take("listRosteredStaff", of(own, "")).await;
    let foreign_hospital = format!("hospital_id={}", seed.hospital);
    walk.take("getCoverage", Good { query: &foreign_hospital, stranger: foreign, ..of(own, "") }).await;
    walk.take("estimateStaffing", of(own, "")).await;
    let mut rule = good_body("addShiftRule");
    rule["staff_id"] = json!(seed.doctor.id);
    let rule = walk.take("addShiftRule", Good { stranger: foreign, ..with(own, rule) }).await;
    let (rule, version) = (text(&rule, "/id").to_owned(), walk.etag.clone());
    let theirs = || Good { stranger: foreign, ..of(own, &rule) };
    walk.take("getShiftRule", theirs()).await;
    assert_eq!(walk.etag, version);
    walk.take("changeShiftRule", Good { version, ..theirs() }).await;
    walk.take("listShiftRules", of(operator, "")).await;
    walk.take("endShiftRule", theirs()).await;
    let mut leave = good_body("addLeave");
    leave["staff_id"] = json!(seed.doctor.id);
    let leave = walk.take("addLeave", Good { stranger: foreign, ..with(own, leave) }).await;
    walk.take("listLeaves", of(operator, "")).await;
    let id = text(&leave, "/id");
    walk.take("endLeave", Good { stranger: foreign, ..of(own, id) }).await;
    walk.too_late("endLeave", of(own, id), "state_moved_on").await;
}
