//! What is stored is parsed, and written again with the same bytes: the audit chain hashes them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// One event of every kind, as it is stored: stream, kind, payload. `#` is an id.
const STORED: &[(&str, &str, &str)] = &[
    ("alert", "alert.closed", r##"{"by":"#"}"##),
    ("alert", "alert.raised", r##"{"check_in":"#","consultation":null,"station":"#"}"##),
    ("attempt", "attempt.dispensed", r#"{"proof":"journal"}"#),
    ("attempt", "attempt.in_doubt", r#"{"cause":"new_boot"}"#),
    ("attempt", "attempt.incident_opened", r#"{"kind":"contradiction","slot":3}"#),
    (
        "attempt",
        "attempt.issued",
        r##"{"cabinet":"#","epoch":1,"expires_at":"2026-11-29T06:33:23.932949Z","order_unit":"#","slot":11}"##,
    ),
    ("attempt", "attempt.not_dispensed", r#"{"proof":"human_count","reason":"jam"}"#),
    ("attempt", "attempt.resolved_by", r##"{"by":"#"}"##),
    ("attempt", "attempt.slot_closed", r#"{"reason":"in_doubt","slot":3}"#),
    ("attempt", "attempt.started", r#"{"boot_id":"219762f11d375fc96767dd80a39af3ab","epoch":1}"#),
    ("attempt", "attempt.voided", r#"{"reason":"expired"}"#),
    ("cabinet", "cabinet.boot_lives", r#"{"boot_id":"219762f11d375fc96767dd80a39af3ab","epoch":1}"#),
    ("cabinet", "cabinet.booted", r#"{"boot_id":"219762f11d375fc96767dd80a39af3ab","epoch":1}"#),
    ("cabinet", "cabinet.codes_tried_often", r#"{"seconds_between":10,"wrong":5}"#),
    ("cabinet", "cabinet.counted", r#"{"n":4,"slot":3}"#),
    ("cabinet", "cabinet.differs", r#"{"kind":"other_product","slot":3}"#),
    ("cabinet", "cabinet.door_closed", r#"{"seq":9}"#),
    ("cabinet", "cabinet.door_opened", r##"{"seq":8,"who":"#"}"##),
    ("cabinet", "cabinet.epoch_replaced", r#"{"epoch":2}"#),
    ("cabinet", "cabinet.reconciled", r#"{"kind":"other_product","slot":0}"#),
    ("cabinet", "cabinet.restocked", r#"{"lot_no":"L1","packs":4,"product_code":"P1","slot":3}"#),
    ("cabinet", "cabinet.slot_closed", r#"{"reason":"uncounted","slot":3}"#),
    ("cabinet", "cabinet.slot_opened", r#"{"slot":3,"was":"uncounted"}"#),
    ("cabinet", "cabinet.slot_reclosed", r#"{"reason":"uncounted","slot":3,"was":"incident"}"#),
    ("cabinet", "cabinet.tamper_cleared", "{}"),
    ("cabinet", "cabinet.tampered", r#"{"kind":"tamper"}"#),
    ("check_in", "check_in.ended", r#"{"reason":"screen_revoked"}"#),
    ("check_in", "check_in.opened", r##"{"identified_by":"card","station":"#","worker":"#"}"##),
    ("check_in", "readings.recorded", r##"{"check_in":"#","kinds":["blood_pressure","spo2"]}"##),
    ("check_in", "symptoms.recorded", r#"{"count":2}"#),
    (
        "consultation",
        "consultation.accepted",
        r##"{"at":"2026-11-29T15:18:01.227757Z","doctor":"#","fence":1,"hospital":"#","offer":"#"}"##,
    ),
    ("consultation", "consultation.called", r#"{"at":"2026-11-30T15:17:56.618611Z"}"#),
    (
        "consultation",
        "consultation.cancelled",
        r#"{"at":"2026-11-29T15:18:01.227757Z","reason":"by_worker"}"#,
    ),
    ("consultation", "consultation.completed", r##"{"at":"2026-11-29T15:18:01.227757Z","doctor":"#"}"##),
    ("consultation", "consultation.declined", r##"{"doctor":"#","offer":"#"}"##),
    ("consultation", "consultation.emergency_left", r##"{"check_in":"#","station":"#"}"##),
    (
        "consultation",
        "consultation.emergency_silent",
        r##"{"since":"2026-11-29T15:18:01.227757Z","station":"#"}"##,
    ),
    ("consultation", "consultation.message", r##"{"message":"#","sender":"worker"}"##),
    ("consultation", "consultation.offer_expired", r##"{"doctor":"#","offer":"#"}"##),
    ("consultation", "consultation.offer_withdrawn", r##"{"doctor":"#","offer":"#"}"##),
    (
        "consultation",
        "consultation.offered",
        r##"{"doctor":"#","expires_at":"2026-11-29T15:18:21.225994Z","fence":1,"hospital":"#","offer":"#"}"##,
    ),
    ("consultation", "consultation.rated", r#"{"rating":5}"#),
    ("consultation", "consultation.red_flag", r##"{"consultation":"#","station":"#"}"##),
    (
        "consultation",
        "consultation.requested",
        r##"{"at":"2026-11-29T15:17:56.618611Z","consultation":"#","triage":"routine","worker":"#"}"##,
    ),
    ("consultation", "consultation.requeued", r##"{"at":"2026-11-29T15:17:56.618611Z","doctor":"#"}"##),
    (
        "consultation",
        "consultation.transferred",
        r##"{"at":"2026-11-30T15:17:56.618611Z","doctor":"#","to_department":"dermatology"}"##,
    ),
    ("consultation", "consultation.triaged", r#"{"at":"2026-11-29T15:17:56.618611Z","triage":"emergency"}"#),
    ("consultation", "consultation.unserved", r#"{"at":"2026-11-29T15:17:56.618611Z"}"#),
    ("consultation", "consultation.worker_back", r#"{"at":"2026-11-29T15:17:56.618611Z"}"#),
    ("consultation", "consultation.worker_left", r#"{"at":"2026-11-29T15:17:56.593067Z"}"#),
    ("department", "department.added", r#"{"department":"ent"}"#),
    ("department", "department.changed", r#"{"fields":["overflow"]}"#),
    ("device", "device.enrolled", r##"{"by":"#","epoch":1,"key":"thumb","kind":"station","station":"#"}"##),
    ("device", "device.revoked", r##"{"kind":"cabinet","reason":"replaced","station":"#"}"##),
    ("employer", "employer.added", r#"{"code":"E1"}"#),
    ("health_profile", "profile.updated", r#"{"version":1}"#),
    ("hospital", "hospital.added", r#"{"code":"H1"}"#),
    (
        "consultation",
        "consultation.transferred",
        r##"{"at":"2026-11-30T15:17:56.618611Z","doctor":"#","to_doctor":"#"}"##,
    ),
    ("consultation", "consultation.worker_left", r##"{"at":"2026-11-30T15:17:56.593067Z","station":"#"}"##),
    (
        "consultation",
        "consultation.requested",
        r##"{"at":"2026-11-30T06:03:37.716570Z","consultation":"#","department":"dermatology","triage":"routine","worker":"#"}"##,
    ),
    (
        "import",
        "formulary_edition.approved",
        r##"{"by":"#","effective_at":"2026-11-30T08:00:00Z","station":null,"version":"formulary-2026-12"}"##,
    ),
    ("import", "formulary_edition.proposed", r##"{"by":"#","station":"#","version":"formulary-2026-12"}"##),
    ("import", "formulary_edition.withdrawn", r##"{"by":"#","station":null,"version":"formulary-2026-12"}"##),
    ("import", "import.loaded", r#"{"kind":"sample","rows":120,"skipped":0,"updated":0}"#),
    ("incident", "incident.closed", r##"{"by":"#"}"##),
    ("incident", "incident.opened", r##"{"attempt":null,"cabinet":"#","kind":"tamper","slot":null}"##),
    ("key", "key.added", r#"{"id":"2","kind":"seal"}"#),
    ("key", "key.retired", r#"{"id":"2","kind":"audit"}"#),
    ("letter", "letter.given_up", r#"{"reply_code":550,"trouble":"recipient"}"#),
    ("letter", "letter.resent", "{}"),
    ("letter", "letter.sent", "{}"),
    ("letter", "letter.superseded", "{}"),
    ("letter", "letter.written", r##"{"kind":"invite","staff":"#"}"##),
    ("lot", "lot.recalled", r#"{"lot_no":"L1","lots":["L1","l-1"],"product_code":"P1"}"#),
    ("order", "order.cancelled", "{}"),
    ("order", "order.completed", "{}"),
    ("order", "order.expired", "{}"),
    ("order", "order.paid", r#"{"total_fen":700}"#),
    ("order", "order.pickup_locked", r#"{"tries":5,"until":"2026-11-29T15:17:45.210572Z"}"#),
    (
        "order",
        "order.reserved",
        r##"{"cabinet":"#","prescription":"#","ruleset":null,"total_fen":700,"units":["#"],"warnings_accepted":null}"##,
    ),
    ("order", "order.unit_authorised", r##"{"unit":"#"}"##),
    ("order", "order.unit_dispensed", r##"{"amount_fen":1500,"unit":"#"}"##),
    ("order", "order.unit_freed", r##"{"unit":"#"}"##),
    ("order", "order.unit_in_doubt", r##"{"unit":"#"}"##),
    ("order", "order.unit_refunded", r##"{"amount_fen":1500,"unit":"#"}"##),
    ("order", "order.unit_released", r##"{"unit":"#"}"##),
    ("order", "order.unit_relocated", r##"{"from":3,"to":4,"unit":"#"}"##),
    ("phone_code", "phone_code.sent", r##"{"purpose":"reset_pin","station":"#"}"##),
    ("phone_code", "phone_code.used", r##"{"purpose":"check_in","station":"#"}"##),
    ("prescription", "prescription.answered", r##"{"by":"#","question":"#"}"##),
    ("prescription", "prescription.approved", r##"{"digest":"1f","reviewer":"#"}"##),
    ("prescription", "prescription.asked", r##"{"question":"#","reviewer":"#"}"##),
    (
        "prescription",
        "prescription.claimed",
        r##"{"at":"2026-11-30T07:00:00.000001Z","reviewer":"#","until":"2026-11-30T07:10:00.000001Z"}"##,
    ),
    ("prescription", "prescription.drafted", r##"{"consultation":"#","prescriber":"#","revision":0}"##),
    ("prescription", "prescription.edited", r#"{"revision":1}"#),
    ("prescription", "prescription.expired", r#"{"valid_until":"2026-11-30T15:59:59.999999Z"}"#),
    ("prescription", "prescription.fulfilled", r#"{"units":2}"#),
    ("prescription", "prescription.released", r##"{"reason":"expired","reviewer":"#"}"##),
    ("prescription", "prescription.returned", r##"{"reason":"dose","reviewer":"#"}"##),
    (
        "prescription",
        "prescription.signed",
        r##"{"consultation":"#","digest":"f0","emergency":true,"issued_on":"2026-11-29","lane":"minor_ailment_pilot","overridden":["a"],"policy_version":"p","prescriber":"#","ruleset_version":"s","signed_at":"2026-11-29T15:17:45.212372Z","supply":"ordinary","valid_until":"2026-11-30T15:59:59.999999Z"}"##,
    ),
    (
        "prescription",
        "prescription.supply_decided",
        r##"{"by":"#","line_no":1,"packs":0,"reason":"sold_out"}"##,
    ),
    ("prescription", "prescription.voided", r#"{"by":null,"reason":"recalled"}"#),
    (
        "import",
        "rule_edition.approved",
        r##"{"by":"#","effective_at":"2026-11-30T08:00:00Z","version":"safety-2026-12-01"}"##,
    ),
    ("import", "rule_edition.proposed", r##"{"by":"#","version":"safety-2026-12-01"}"##),
    ("import", "rule_edition.withdrawn", r##"{"by":"#","version":"safety-2026-12-01"}"##),
    ("queue_alert", "queue_alert.ended", r##"{"department":"surgery"}"##),
    (
        "queue_alert",
        "queue_alert.raised",
        r##"{"department":"surgery","oldest_since":"2026-11-29T08:00:00Z","trouble":"overdue","waiting":3}"##,
    ),
    ("queue_alert", "review_alert.ended", "{}"),
    (
        "queue_alert",
        "review_alert.raised",
        r##"{"oldest_since":"2026-11-30T08:00:00Z","on_shift_from":null,"trouble":"overdue","waiting":3}"##,
    ),
    ("session", "session.ended", r#"{"reason":"signed_out"}"#),
    ("session", "session.opened", r##"{"role":"pharmacist","staff":"#"}"##),
    ("session", "session.signing_opened", r#"{"until":"2026-11-29T15:22:45.210570Z"}"#),
    ("sign_in", "sign_in.failed_often", r#"{"account":"00ff","staff":null}"#),
    ("staff", "duty.changed", r#"{"presence":"available"}"#),
    ("staff", "staff.added", r#"{"role":"operator"}"#),
    ("staff", "staff.authenticator_reset", r##"{"asked_by":"#","sessions_ended":1}"##),
    ("staff", "staff.authenticator_reset_asked", r#"{"reason_chars":20}"#),
    ("staff", "staff.authenticator_reset_withdrawn", "{}"),
    ("staff", "staff.changed", r#"{"fields":["capacity"]}"#),
    ("staff", "staff.disabled", r#"{"sessions_ended":1}"#),
    ("staff", "staff.email_change_asked", "{}"),
    ("staff", "staff.email_changed", r#"{"confirmed":true}"#),
    ("staff", "staff.enabled", "{}"),
    ("staff", "staff.invited", r#"{"role":"doctor"}"#),
    (
        "staff",
        "staff.leave_added",
        r##"{"ends_at":"2026-11-29T16:00:00Z","leave":"#","shifts_cut":1,"starts_at":"2026-11-29T08:00:00Z"}"##,
    ),
    ("staff", "staff.leave_ended", r##"{"ends_at":"2026-11-29T16:00:00Z","leave":"#"}"##),
    ("staff", "staff.password_set", r#"{"by":"invite","sessions_ended":0}"#),
    (
        "staff",
        "staff.shift_added",
        r##"{"ends_at":"2026-11-29T16:00:00Z","shift":"#","starts_at":"2026-11-29T08:00:00Z"}"##,
    ),
    (
        "staff",
        "staff.shift_cancelled",
        r##"{"ends_at":"2026-11-29T16:00:00Z","shift":"#","starts_at":"2026-11-29T08:00:00Z"}"##,
    ),
    (
        "staff",
        "staff.shift_changed",
        r##"{"ends_at":"2026-11-29T16:00:00Z","shift":"#","starts_at":"2026-11-29T08:00:00Z"}"##,
    ),
    ("staff", "staff.shift_rule_added", r##"{"rule":"#"}"##),
    ("staff", "staff.shift_rule_changed", r##"{"rule":"#","version":2}"##),
    ("staff", "staff.shift_rule_ended", r##"{"rule":"#"}"##),
    (
        "staff",
        "staff.signing_key_added",
        r##"{"algorithm":"EdDSA","key":"#","valid_until":"2027-11-29T15:18:01Z"}"##,
    ),
    ("staff", "staff.signing_key_ended", r##"{"key":"#","reason":"superseded"}"##),
    ("staff", "staff.shifts_planned", r##"{"added":14,"removed":0,"rule":"#"}"##),
    ("station", "station.added", r#"{"code":"S1"}"#),
    ("station", "station.enrolment_code_made", r#"{"kind":"station"}"#),
    ("station", "station.pins_tried_often", r##"{"device":"#"}"##),
    ("text_message", "text_message.given_up", "{}"),
    ("text_message", "text_message.sent", "{}"),
    ("text_message", "text_message.written", "{}"),
    (
        "transfer",
        "ledger.allowance_granted",
        r##"{"postings":[{"account":"network_fund","amount_fen":-20000,"owner":null},{"account":"worker_subsidy","amount_fen":20000,"owner":"#"}],"reference":"r"}"##,
    ),
    ("transfer", "ledger.order_paid", r#"{"postings":[],"reference":"r"}"#),
    ("transfer", "ledger.unit_refunded", r#"{"postings":[],"reference":"r"}"#),
    ("transfer", "ledger.unit_settled", r#"{"postings":[],"reference":"r"}"#),
    ("transfer", "ledger.worker_merge", r#"{"postings":[],"reference":"r"}"#),
    ("worker", "card.replaced", "{}"),
    ("worker", "card.stopped", "{}"),
    ("worker", "consent.granted", r#"{"purpose":"health_care"}"#),
    ("worker", "consent.withdrawn", r#"{"purpose":"employer_fitness"}"#),
    ("worker", "identity.proved", r#"{"kind":"phone"}"#),
    ("worker", "phone.changed", r#"{"proved":true}"#),
    ("worker", "pin.changed", "{}"),
    ("worker", "pin.reset", r#"{"by":"phone"}"#),
    ("worker", "record.read", r##"{"id":"#","what":"prescription"}"##),
    ("worker", "worker.changed", r#"{"fields":["name","phone"]}"#),
    ("worker", "worker.completed", r#"{"phone":true}"#),
    ("worker", "worker.merged", r##"{"fields":["allergies"],"into":"#","merge":"#"}"##),
    ("worker", "worker.registered", r##"{"station":"#"}"##),
    ("worker", "worker.unmerged", r##"{"into":"#","merge":"#"}"##),
    ("worker_change", "worker_change.approved", r##"{"kind":"pin","requested_by":"#","worker":"#"}"##),
    ("worker_change", "worker_change.refused", r##"{"kind":"card","requested_by":"#","worker":"#"}"##),
    ("worker_change", "worker_change.requested", r##"{"kind":"merge","worker":"#"}"##),
];

/// Other members that are written with the same kinds.
const ALSO_STORED: &[(&str, &str, &str)] = &[
    (
        "cabinet",
        "cabinet.booted",
        r#"{"boot_id":"219762f11d375fc96767dd80a39af3ab","epoch":1,"same_boot_id":true}"#,
    ),
    ("cabinet", "cabinet.door_opened", "{}"),
    ("health_profile", "profile.updated", r##"{"merged_from":"#","version":2}"##),
    ("staff", "duty.changed", r#"{"presence":"off","reason":"no_shift"}"#),
    ("staff", "duty.changed", r#"{"by":"signed_out","presence":"off"}"#),
    ("staff", "duty.changed", r#"{"away_because":"lost_line","presence":"away"}"#),
    ("staff", "record.read", r##"{"id":"#","what":"events"}"##),
    ("staff", "staff.invited", r#"{"again":true,"role":"doctor"}"#),
    ("worker", "card.replaced", r##"{"merged_from":"#"}"##),
    ("worker", "card.replaced", r##"{"unmerged_from":"#"}"##),
    ("worker", "consent.withdrawn", r#"{"purpose":"employer_fitness","why":"employer_changed"}"#),
    ("worker", "worker.registered", "{}"),
];

/// What earlier versions wrote, and no version writes any more.
const STORED_ONCE: &[(&str, &str, &str)] = &[
    ("check_in", "check_in.opened", r##"{"station":"#","worker":"#"}"##),
    (
        "consultation",
        "consultation.requested",
        r##"{"at":"2026-11-29T06:03:37.716570Z","consultation":"#","worker":"#"}"##,
    ),
    (
        "consultation",
        "consultation.requeued",
        r##"{"at":"2026-11-29T15:17:56.618611Z","doctor":"#","released":true}"##,
    ),
    (
        "consultation",
        "consultation.requested",
        r##"{"at":"2026-11-30T06:03:37.716570Z","consultation":"#","medium":"video","triage":"routine","worker":"#"}"##,
    ),
    ("import", "import.loaded", r#"{"kind":"workers","rows":120}"#),
    ("lot", "lot.recalled", r#"{"lot_no":"L1","product_code":"P1"}"#),
    ("order", "order.pickup_locked", r#"{"tries":5}"#),
    ("order", "order.reserved", r##"{"cabinet":"#","prescription":"#","total_fen":1800,"units":["#"]}"##),
    ("worker", "record.read", r##"{"consultation":"#","what":"record"}"##),
    ("worker", "record.read", r#"{"part":"identity"}"#),
    ("worker", "worker.merged", r##"{"into":"#"}"##),
];

fn with_ids(payload: &str) -> String {
    payload.replace("\"#\"", "\"01a227e2-3043-7333-a10e-9576f5ab0171\"")
}

#[test]
fn every_kind_is_parsed_and_written_again_with_the_same_bytes() {
    let mut seen = BTreeSet::new();
    for (stream, kind, payload) in STORED.iter().chain(ALSO_STORED) {
        let payload = with_ids(payload);
        let event = Event::parse(stream, kind, &payload).unwrap_or_else(|why| panic!("{kind}: {why:?}"));
        assert_eq!((event.stream().as_str(), event.kind()), (*stream, *kind));
        assert_eq!(event.payload().to_string(), payload, "{kind}");
        seen.insert(*kind);
    }
    let declared: BTreeSet<_> = Event::kinds().map(|(kind, _)| kind).collect();
    assert_eq!(seen, declared);
}

#[test]
fn a_kind_is_declared_once() {
    let mut declared: BTreeMap<&str, u32> = BTreeMap::new();
    Event::kinds().for_each(|(kind, _)| *declared.entry(kind).or_default() += 1);
    assert!(declared.values().all(|times| *times == 1), "{declared:?}");
}

#[test]
fn what_earlier_versions_wrote_is_parsed() {
    for (stream, kind, payload) in STORED_ONCE {
        let event = Event::parse(stream, kind, &with_ids(payload));
        assert_eq!(event.unwrap_or_else(|why| panic!("{kind}: {why:?}")).kind(), *kind);
    }
}

#[test]
fn what_is_unknown_is_an_error() {
    let parse = |stream, kind, payload| Event::parse(stream, kind, payload);
    assert!(matches!(parse("order", "order.danced", "{}"), Err(ParseError::Kind(_))));
    assert!(matches!(parse("attempt", "order.expired", "{}"), Err(ParseError::Stream(..))));
    assert!(matches!(parse("order", "order.paid", "{}"), Err(ParseError::Payload(_))));
    assert!(matches!(parse("order", "order.paid", r#"{"total_fen":1,"x":1}"#), Err(ParseError::Payload(_))));
}

#[test]
fn pharmacists_hear_of_prescriptions_from_the_signature_on_and_of_editions() {
    use super::network::{FormularyEditionEventKind, RuleEditionEventKind};
    use crate::prescription::EventKind::{
        Answered, Approved, Asked, Claimed, Expired, Fulfilled, Released, Returned, Signed, SupplyDecided,
        Voided,
    };
    let heard: BTreeSet<_> =
        Event::kinds().filter(|(_, hearers)| hearers.pharmacists).map(|(kind, _)| kind).collect();
    let expected = [
        Signed,
        Claimed,
        Released,
        Asked,
        Answered,
        SupplyDecided,
        Approved,
        Returned,
        Voided,
        Expired,
        Fulfilled,
    ];
    let of_rules = RuleEditionEventKind::ALL.iter().map(|kind| kind.as_str());
    let editions = of_rules.chain(FormularyEditionEventKind::ALL.iter().map(|kind| kind.as_str()));
    assert_eq!(heard, expected.iter().map(|kind| kind.as_str()).chain(editions).collect());
}
