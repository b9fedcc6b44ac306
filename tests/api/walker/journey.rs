//! Every route once with a good request, in the order of a visit. Before each, a
//! stranger of the same role sends the same request; after it the same key is sent
//! again, with the same body and with another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    ask::Ask,
    document::{self, good_body},
    roster,
    walk::{Good, Walk, of, text, with},
};
use crate::{
    harness::TestApp,
    machine::Machine,
    seed::{PASSWORD, SIGNING_PIN, Seed},
    vending::{RX, attempt_of, code_of},
};
use crypto::device::{DeviceKey, make_assertion};
use domain::{staff::role::Role, stock::SlotNo, vend::journal::Body};

/// Walks all routes; returns the ids of the operations called.
pub async fn walk(app: &TestApp, seed: &Seed) -> BTreeSet<String> {
    let operations = document::operations().into_iter().map(|operation| (operation.id.clone(), operation));
    let mut walk = Walk { app, seed, operations: operations.collect(), taken: BTreeSet::new(), etag: None };
    app.fill(seed).await;
    public(&mut walk).await;
    let other_station = network(&mut walk).await;
    let (worker, check_in, other_worker) = arrive(&mut walk, &other_station).await;
    let consultation = consult(&mut walk, &worker, &other_worker).await;
    prescribe(&mut walk, &consultation, &worker, &other_worker).await;
    finish(&mut walk, &consultation, &worker, &other_worker).await;
    vend(&mut walk, &worker, &other_worker).await;
    leave(&mut walk, &worker, &check_in, &other_station).await;
    sessions(&mut walk).await;
    no_show(&mut walk, &other_worker).await;
    app.sound().await;
    walk.taken
}

async fn public(walk: &mut Walk<'_>) {
    walk.take("explainProblem", of("", "not_found")).await;
    for name in
        ["checkHealth", "checkReadiness", "getKeySet", "getNetworkCounts", "assessVitals", "listSymptoms"]
    {
        walk.take(name, Good::default()).await;
    }
}

/// The operator's routes; returns the token of a second station's screen.
async fn network(walk: &mut Walk<'_>) -> String {
    let seed = walk.seed;
    let operator = seed.operator.token.as_str();
    let station = walk.take("addStation", of(operator, "")).await;
    let station = text(&station, "/id");
    for name in [
        "listStations",
        "listHospitals",
        "listEmployers",
        "listStaff",
        "listShifts",
        "checkInvariants",
        "readAuditChain",
    ] {
        walk.take(name, of(operator, "")).await;
    }
    walk.take("getStation", of(operator, station)).await;
    walk.take("addHospital", of(operator, "")).await;
    walk.take("addEmployer", of(operator, "")).await;
    let added = walk.take("addDepartment", of(operator, "")).await;
    let (code, version) = (text(&added, "/code"), walk.etag.clone());
    walk.take("listDepartments", of(operator, "")).await;
    walk.take("getDepartment", of(operator, code)).await;
    assert_eq!(walk.etag, version);
    walk.take("changeDepartment", Good { version, ..of(operator, code) }).await;
    walk.take("getSafetyRules", of(operator, "limits")).await;
    walk.take("getSafetyRulesPage", of(operator, "")).await;
    walk.take("checkRuleEdition", of(operator, "")).await;
    let proposed = walk.take("proposeRuleEdition", of(operator, "")).await;
    walk.take("listRuleEditions", of(operator, "")).await;
    let edition = text(&proposed, "/id");
    walk.take("getRuleEdition", of(operator, edition)).await;
    walk.take("approveRuleEdition", of(&seed.pharmacist.token, edition)).await;
    walk.take("withdrawRuleEdition", of(operator, edition)).await;
    walk.take("getFormulary", of(operator, "")).await;
    walk.take("checkFormularyEdition", of(operator, "")).await;
    let proposed = walk.take("proposeFormularyEdition", of(operator, "")).await;
    walk.take("listFormularyEditions", of(operator, "")).await;
    let edition = text(&proposed, "/id");
    walk.take("getFormularyEdition", of(operator, edition)).await;
    walk.take("approveFormularyEdition", of(&seed.pharmacist.token, edition)).await;
    walk.take("withdrawFormularyEdition", of(operator, edition)).await;
    let mut doctor = good_body("inviteStaff");
    doctor["hospital_id"] = json!(seed.hospital);
    let joined = walk.take("inviteStaff", with(operator, doctor)).await;
    let joined = text(&joined, "/staff/id").to_owned();
    walk.take("disableStaff", of(operator, &joined)).await;
    people(walk, operator, &joined).await;
    let worker = walk.take("registerWorker", of(operator, "")).await;
    walk.take("findWorkers", Good { query: "phone=15400000003", ..of(operator, "") }).await;
    walk.take("getWorker", of(operator, text(&worker, "/id"))).await;
    changes(walk, operator, text(&worker, "/id")).await;
    let mut shift = good_body("addShift");
    shift["staff_id"] = json!(seed.doctor.id);
    let shift = walk.take("addShift", with(operator, shift)).await;
    let (shift, version) = (text(&shift, "/id").to_owned(), walk.etag.clone());
    walk.take("getShift", of(operator, &shift)).await;
    assert_eq!(walk.etag, version);
    walk.take("changeShift", Good { version, ..of(operator, &shift) }).await;
    walk.take("cancelShift", of(operator, &shift)).await;
    roster::keep(walk, operator).await;
    walk.take("listFitness", of(&seed.safety_officer.token, "")).await;
    enrol(walk, operator, station).await
}

/// A worker's card is lost; one operator requests the change, and another one approves.
async fn changes(walk: &mut Walk<'_>, operator: &str, worker: &str) {
    let second = walk.app.person(Role::Operator, "operator-b@example.cn", None, None).await;
    walk.take("correctWorkerDetails", of(operator, worker)).await;
    walk.take("stopCard", of(operator, worker)).await;
    let change = walk.take("requestWorkerChange", of(operator, worker)).await;
    walk.take("listWorkerChanges", of(operator, "")).await;
    let id = text(&change, "/id");
    walk.take("approveWorkerChange", of(&second.token, id)).await;
    walk.too_late("approveWorkerChange", of(&second.token, id), "state_moved_on").await;
    let change = walk.take("requestWorkerChange", of(operator, worker)).await;
    walk.take("refuseWorkerChange", of(operator, text(&change, "/id"))).await;
}

/// A worker changes PIN and phone, then resets a forgotten PIN; returns the new check-in.
async fn change_pin_and_phone(walk: &mut Walk<'_>, station: &str, token: &str) -> serde_json::Value {
    let seed = walk.seed;
    walk.take("changeMyPin", of(token, "")).await;
    let phone = "15400000007";
    let code = walk.app.code(seed, phone, "change_phone").await;
    walk.take(
        "changeMyPhone",
        with(
            token,
            json!({"phone": phone, "phone_code": code,
        "pin": crate::seed::PIN}),
        ),
    )
    .await;
    let code = walk.app.code(seed, phone, "reset_pin").await;
    let body = json!({"card_number": crate::seed::CARD, "phone": phone, "phone_code": code,
        "new_pin": crate::seed::PIN});
    walk.take("checkInWithNewPin", with(station, body)).await
}

/// A disabled person is enabled and edited; another one gets a new address and authenticator.
async fn people(walk: &mut Walk<'_>, operator: &str, joined: &str) {
    let seed = walk.seed;
    walk.take("enableStaff", of(operator, joined)).await;
    let version = walk.etag.clone();
    walk.take("getStaff", of(operator, joined)).await;
    assert_eq!(walk.etag, version);
    let mut names = good_body("changeStaff");
    names["hospital_id"] = json!(seed.hospital);
    names["employer_id"] = serde_json::Value::Null;
    walk.take("changeStaff", Good { version, id: joined, ..with(operator, names) }).await;
    // A person with a password confirms a new address by link, and gets another authenticator.
    let known = walk.app.person(Role::Restocker, "walker-known@example.cn", None, None).await;
    let second = walk.app.person(Role::Operator, "walker-second@example.cn", None, None).await;
    let known = known.id.to_string();
    walk.take("changeStaffEmail", of(operator, &known)).await;
    let letters = service::letter::claim_due(&walk.app.state).await.expect("claimed");
    let link = letters.last().map(|letter| letter.link.clone()).expect("a letter");
    let token = link.split("#token=").nth(1).expect("a token").to_owned();
    walk.take("confirmEmail", with("", json!({"token": token}))).await;
    walk.take("requestAuthenticatorReset", of(operator, &known)).await;
    walk.take("withdrawAuthenticatorReset", of(operator, &known)).await;
    let ask = walk.ask("requestAuthenticatorReset", &of(operator, &known));
    ask.send(walk.app).await.expect(200);
    walk.take("approveAuthenticatorReset", of(&second.token, &known)).await;
    let letters = service::letter::claim_due(&walk.app.state).await.expect("claimed");
    let link = letters.last().map(|letter| letter.link.clone()).expect("a letter");
    let token = link.split("#token=").nth(1).expect("a token").to_owned();
    walk.take("inspectLink", with("", json!({"token": token}))).await;
    let page = walk.take("listLetters", of(operator, "")).await;
    let waiting = page["items"].as_array().and_then(|all| all.iter().find(|one| one["kind"] == "reinvite"));
    let letter = waiting.map(|one| text(one, "/id").to_owned()).expect("a letter");
    walk.take("resendLetter", of(operator, &letter)).await;
}

async fn enrol(walk: &mut Walk<'_>, operator: &str, station: &str) -> String {
    let key = DeviceKey::generate().expect("a key");
    let request = |kind: &str| json!({"kind": kind, "station_id": station});
    let made = walk.take("createEnrolmentCode", with(operator, request("cabinet"))).await;
    let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
    let cabinet = walk.take("enrolCabinet", with("", body)).await;
    walk.take("revokeDevice", of(operator, text(&cabinet, "/device_id"))).await;
    let made = walk.take("createEnrolmentCode", with(operator, request("station"))).await;
    let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
    let screen = walk.take("enrolStation", with("", body)).await;
    let audience = format!("{}/api/v1/tokens/device", walk.app.state.public_url.trim_end_matches('/'));
    let device = text(&screen, "/device_id").parse().expect("an id");
    walk.app.keys.keep(device, &key);
    let assertion = make_assertion(&key, device, &audience, "walker-1", walk.app.now()).expect("signed");
    let token = walk.take("signInDevice", with("", json!({"client_assertion": assertion}))).await;
    text(&token, "/access_token").to_owned()
}

/// Two workers at two screens; returns the first one's token and check-in, and the second one's token.
async fn arrive(walk: &mut Walk<'_>, other_station: &str) -> (String, String, String) {
    let (seed, operator) = (walk.seed, walk.seed.operator.token.as_str());
    let station = seed.station_token.as_str();
    // A walk-in who turns out to have a card.
    let walk_in = walk.take("checkInWalkIn", of(station, "")).await;
    let unknown = text(&walk_in, "/check_in/worker_id").to_owned();
    let visit = text(&walk_in, "/check_in/id").to_owned();
    walk.take("leaveCheckIn", of(station, &visit)).await;
    let query = format!("into={}", seed.worker);
    walk.take("previewMerge", Good { query: &query, ..of(operator, &unknown) }).await;
    let merge = json!({"into": seed.worker, "accept": ["birth_date", "sex"]});
    walk.take("mergeWorker", Good { id: &unknown, ..with(operator, merge.clone()) }).await;
    walk.take("unmergeWorker", of(operator, &unknown)).await;
    walk.take("mergeWorker", Good { id: &unknown, ..with(operator, merge) }).await;
    walk.take("sendPhoneCode", of(station, "")).await;
    let mut other = good_body("checkInWalkIn");
    other["phone"] = json!("15400000009");
    let other = walk.take("checkInWalkIn", with(other_station, other)).await;
    let opened = walk.take("checkIn", of(station, "")).await;
    let opened = change_pin_and_phone(walk, station, text(&opened, "/access_token")).await;
    let id = text(&opened, "/check_in/id").to_owned();
    let own = || Good { stranger: Some(other_station), ..of(station, &id) };
    walk.take("getCheckIn", own()).await;
    let renewed = walk.take("renewWorkerToken", own()).await;
    let worker = text(&renewed, "/access_token").to_owned();
    for name in ["getMe", "listReadings", "getTriage", "getAccount", "listConsultations", "listOrders"] {
        walk.take(name, of(&worker, "")).await;
    }
    walk.take("reportPresence", of(&worker, "")).await;
    walk.take("giveConsent", of(&worker, "")).await;
    walk.take("withdrawConsent", of(&worker, "")).await;
    let light = json!({"weight_kg_tenths": 700});
    walk.take("replaceMyProfile", Good { version: Some("\"0\"".into()), ..with(&worker, light) }).await;
    walk.take("getMyProfile", of(&worker, "")).await;
    walk.take("recordReadings", of(&worker, "")).await;
    walk.take("recordSymptoms", of(&worker, "")).await;
    walk.take("listAlerts", of(operator, "")).await;
    walk.take("listQueueAlerts", of(operator, "")).await;
    let open = walk.take("listAlerts", Good { query: "open=true", ..of(operator, "") }).await;
    let alert = text(&open, "/items/0/id").to_owned();
    walk.take("closeAlert", of(operator, &alert)).await;
    walk.too_late("closeAlert", of(operator, &alert), "state_moved_on").await;
    (worker, id, text(&other, "/access_token").to_owned())
}

/// From the request to a doctor's acceptance; returns the consultation's id.
async fn consult(walk: &mut Walk<'_>, worker: &str, other_worker: &str) -> String {
    let seed = walk.seed;
    let (doctor, doctor_b) = (seed.doctor.token.as_str(), seed.doctor_b.token.as_str());
    let consultation_request =
        json!({"complaint": "喉咙痛三天", "department": null, "lane": "follow_up_with_evidence"});
    let first = walk.take("requestConsultation", with(worker, consultation_request.clone())).await;
    let first = text(&first, "/id");
    walk.too_late("requestConsultation", with(worker, consultation_request.clone()), "consultation_live")
        .await;
    let theirs = || Good { stranger: Some(other_worker), ..of(worker, first) };
    walk.take("cancelConsultation", theirs()).await;
    let consultation = walk.take("requestConsultation", with(worker, consultation_request)).await;
    let consultation = text(&consultation, "/id").to_owned();
    walk.take("setDuty", of(doctor, "")).await;
    walk.take("getDuty", of(doctor, "")).await;
    let offer = offered(walk, doctor).await;
    let fence = json!({"fence": offer["fence"]});
    let answer = |token, stranger| Good { id: text(&offer, "/id"), stranger, ..with(token, fence.clone()) };
    walk.take("declineOffer", answer(doctor, Some(doctor_b))).await;
    walk.too_late("acceptOffer", answer(doctor, None), "offer_gone").await;
    let off = json!({"presence": "off"});
    walk.take("setDuty", with(doctor, off)).await;
    walk.take("setDuty", of(doctor_b, "")).await;
    let offer = offered(walk, doctor_b).await;
    let body = json!({"fence": offer["fence"]});
    let accept = Good { id: text(&offer, "/id"), stranger: Some(doctor), ..with(doctor_b, body) };
    walk.take("acceptOffer", accept).await;
    let own = |token, stranger| Good { stranger: Some(stranger), ..of(token, &consultation) };
    walk.too_late("cancelConsultation", of(worker, &consultation), "state_moved_on").await;
    walk.too_late("rateConsultation", of(worker, &consultation), "state_moved_on").await;
    for name in ["getConsultation", "sendMessage", "listMessages"] {
        walk.take(name, own(worker, other_worker)).await;
        walk.take(name, own(doctor_b, doctor)).await;
    }
    walk.take("getPatientRecord", own(doctor_b, doctor)).await;
    consultation
}

async fn offered(walk: &mut Walk<'_>, doctor: &str) -> Value {
    service::matching::offer_waiting(&walk.app.state).await.expect("a round");
    let offers = walk.take("listOffers", of(doctor, "")).await;
    offers["items"][0].clone()
}

/// Drafts, signatures, reviews.
async fn prescribe(walk: &mut Walk<'_>, consultation: &str, worker: &str, other_worker: &str) {
    let seed = walk.seed;
    let (doctor, stranger) = (seed.doctor_b.token.as_str(), Some(seed.doctor.token.as_str()));
    let pharmacist = seed.pharmacist.token.as_str();
    let products = walk.take("searchProducts", Good { query: "search=paracetamol", ..of(doctor, "") }).await;
    walk.take("getProduct", of(doctor, text(&products, "/items/0/code"))).await;
    walk.take("recogniseDrugNames", of(doctor, "")).await;
    walk.take("checkPrescription", of(doctor, "")).await;
    for (person, token) in [(&seed.doctor_b, doctor), (&seed.pharmacist, pharmacist)] {
        let totp = json!({"totp": walk.totp(person, 1)});
        walk.take("openSigningWindow", with(token, totp)).await;
    }
    walk.take("getConsultationFormulary", Good { stranger, ..of(doctor, consultation) }).await;
    let draft = walk.take("draftPrescription", Good { stranger, ..of(doctor, consultation) }).await;
    let (id, version) = (text(&draft, "/id").to_owned(), walk.etag.clone());
    walk.too_late("draftPrescription", of(doctor, consultation), "prescription_open").await;
    walk.too_late("completeConsultation", of(doctor, consultation), "prescription_open").await;
    let own = || Good { stranger, ..of(doctor, &id) };
    walk.take("listPrescriptions", of(doctor, "")).await;
    walk.take("getPrescriptionStations", own()).await;
    walk.take("getPrescription", own()).await;
    assert_eq!(walk.etag, version);
    walk.take("replacePrescription", Good { version, ..own() }).await;
    let sign = || Good { body: Some(json!({"pin": SIGNING_PIN})), ..own() };
    walk.take("signPrescription", sign()).await;
    walk.too_late("signPrescription", sign(), "state_moved_on").await;
    walk.take("listReviews", of(pharmacist, "")).await;
    walk.take("getReview", of(pharmacist, &id)).await;
    walk.take("claimReview", of(pharmacist, &id)).await;
    walk.take("releaseReview", of(pharmacist, &id)).await;
    for name in ["getReviewQueue", "listReviewAlerts"] {
        walk.take(name, of(pharmacist, "")).await;
    }
    let asked = walk.take("askPrescriber", of(pharmacist, &id)).await;
    let mut answer = good_body("answerPharmacist");
    answer["question_id"] = asked["questions"][0]["id"].clone();
    walk.take("answerPharmacist", Good { body: Some(answer), ..own() }).await;
    walk.take("decideSupply", of(pharmacist, &id)).await;
    walk.take("returnPrescription", of(pharmacist, &id)).await;
    let version = walk.etag.clone();
    walk.too_late("approvePrescription", of(pharmacist, &id), "state_moved_on").await;
    walk.take("replacePrescription", Good { version, ..own() }).await;
    walk.take("signPrescription", sign()).await;
    walk.take("approvePrescription", of(pharmacist, &id)).await;
    walk.take("getPrescription", Good { stranger: Some(other_worker), ..of(worker, &id) }).await;
    for paper in ["getSignedDocument", "getPrescriptionPage", "getPackLabelsPage"] {
        walk.take(paper, Good { stranger: Some(other_worker), ..of(worker, &id) }).await;
    }
    walk.take("voidPrescription", own()).await;
}

async fn finish(walk: &mut Walk<'_>, consultation: &str, worker: &str, other_worker: &str) {
    let (doctor, stranger) = (walk.seed.doctor_b.token.as_str(), walk.seed.doctor.token.as_str());
    walk.take("completeConsultation", Good { stranger: Some(stranger), ..of(doctor, consultation) }).await;
    walk.too_late("sendMessage", of(worker, consultation), "state_moved_on").await;
    walk.take("rateConsultation", Good { stranger: Some(other_worker), ..of(worker, consultation) }).await;
    walk.take("getReport", of(worker, "")).await;
    walk.take("getReportPage", of(worker, "")).await;
}

/// Orders, the cabinet, and the routes of operators and restockers for it.
async fn vend(walk: &mut Walk<'_>, worker: &str, other_worker: &str) {
    let (app, seed) = (walk.app, walk.seed);
    let operator = seed.operator.token.as_str();
    let order = ordered(walk, worker).await;
    let own = |order: &Value| text(order, "/id").to_owned();
    let id = own(&order);
    let theirs = |id| Good { stranger: Some(other_worker), ..of(worker, id) };
    walk.take("getOrder", theirs(&id)).await;
    walk.take("cancelOrder", theirs(&id)).await;
    walk.too_late("payOrder", of(worker, &id), "state_moved_on").await;
    let order = ordered(walk, worker).await;
    let id = own(&order);
    let paid = walk.take("payOrder", theirs(&id)).await;
    let attempt = attempt_of(&paid, 0);
    let mut machine = Machine::on(app, seed).await;
    let boot = machine.side.boot_id();
    walk.take("sayHello", with(&seed.cabinet_token, machine.hello_body(boot))).await;
    walk.take("pollWork", of(&seed.cabinet_token, "")).await;
    machine.work().await;
    let start = json!({"boot_id": boot, "pickup_code": code_of(&paid)});
    let start = Good { id: &attempt.to_string(), ..with(&seed.cabinet_token, start) };
    walk.take("startAttempt", start).await;
    // The power fails before the outcome is known.
    machine.write(Body::Intent { attempt, slot: SlotNo::new(1).expect("one"), lot_no: "L1".into() });
    machine.power_cut().await;
    let counted = Body::Count { slot: SlotNo::new(1).expect("one"), n: 2 };
    machine.write(counted);
    let events = json!({"epoch": 1, "entries": machine.journal.unacked()});
    walk.take("reportJournal", with(&seed.cabinet_token, events)).await;
    let resolve = json!({"decision": "not_dispensed", "reason": "jam"});
    let resolve = || Good { id: "", ..with(operator, resolve.clone()) };
    let attempt = attempt.to_string();
    walk.take("resolveAttempt", Good { id: &attempt, ..resolve() }).await;
    walk.too_late("resolveAttempt", Good { id: &attempt, ..resolve() }, "attempt_closed").await;
    machine.write(Body::Tamper { sensor: "lid".into() });
    machine.report().await.expect(200);
    for name in ["listCabinets", "listIncidents"] {
        walk.take(name, of(operator, "")).await;
    }
    walk.take("getCabinet", of(&seed.restocker.token, &seed.cabinet.to_string())).await;
    let open = walk.take("listIncidents", Good { query: "open=true", ..of(operator, "") }).await;
    let incident = text(&open, "/items/0/id").to_owned();
    walk.take("closeIncident", of(operator, &incident)).await;
    walk.too_late("closeIncident", of(operator, &incident), "state_moved_on").await;
    let recall = json!({"product_code": RX, "lot_no": "L2", "reason": "As the maker asked."});
    walk.take("recallLot", with(operator, recall)).await;
}

async fn ordered(walk: &mut Walk<'_>, worker: &str) -> Value {
    let check_in = walk.app.get(worker, "/api/v1/me").await.expect(200);
    let visit = crate::vending::Visit {
        token: worker.to_owned(),
        check_in: text(&check_in, "/check_in_id").parse().expect("an id"),
    };
    let prescription = walk.app.prescribe(walk.seed, &visit, 1).await;
    walk.take("placeOrder", with(worker, json!({"prescription_id": prescription}))).await
}

async fn leave(walk: &mut Walk<'_>, worker: &str, check_in: &str, other_station: &str) {
    let station = walk.seed.station_token.as_str();
    // The stream itself lasts for minutes: a HEAD request is enough.
    let head = Ask { method: "HEAD".into(), ..walk.ask("followEvents", &of(worker, "")) };
    let head = head.send(walk.app).await;
    document::check_headers("followEvents", &head);
    assert_eq!(
        (head.status.as_u16(), &head.headers["content-type"]),
        (200, &"text/event-stream".parse().expect("text"))
    );
    walk.taken.insert("followEvents".to_owned());
    walk.take("listCalledWorkers", of(station, "")).await;
    let own = || Good { stranger: Some(other_station), ..of(station, check_in) };
    walk.take("leaveCheckIn", own()).await;
    let ended = walk.ask("getMe", &of(worker, "")).send(walk.app).await;
    ended.problem(401, "check_in_ended");
}

/// A worker who requested a consultation does not appear.
async fn no_show(walk: &mut Walk<'_>, worker: &str) {
    let (doctor, stranger) = (walk.seed.doctor_b.token.as_str(), walk.seed.doctor.token.as_str());
    let consultation_request = json!({"complaint": "头痛", "lane": "consultation_only"});
    let consultation = walk.take("requestConsultation", with(worker, consultation_request)).await;
    let consultation = text(&consultation, "/id").to_owned();
    let offer = offered(walk, doctor).await;
    let body = json!({"fence": offer["fence"]});
    let accept = Good { id: text(&offer, "/id"), ..with(doctor, body) };
    walk.take("acceptOffer", accept).await;
    // The doctor hands it on; the next one waits for the worker.
    let handed_on = Good { stranger: Some(stranger), ..of(doctor, &consultation) };
    let own = Good { stranger: Some(stranger), ..of(doctor, &consultation) };
    walk.take("listColleagues", own).await;
    walk.take("transferConsultation", handed_on).await;
    let (doctor, stranger) = (stranger, doctor);
    walk.take("setDuty", of(doctor, "")).await;
    let offer = offered(walk, doctor).await;
    let body = json!({"fence": offer["fence"]});
    walk.take("acceptOffer", Good { id: text(&offer, "/id"), ..with(doctor, body) }).await;
    walk.too_late("reportNoShow", of(doctor, &consultation), "state_moved_on").await;
    walk.app.pass(180);
    let own = Good { stranger: Some(stranger), ..of(doctor, &consultation) };
    walk.take("reportNoShow", own).await;
}

async fn sessions(walk: &mut Walk<'_>) {
    let seed = walk.seed;
    walk.take("getSession", of(&seed.restocker.token, "")).await;
    walk.take("signOut", of(&seed.restocker.token, "")).await;
    let officer = &seed.safety_officer;
    let sign_in = json!({"email": officer.email, "password": PASSWORD, "totp": walk.totp(officer, 1)});
    let opened = walk.take("signInStaff", with("", sign_in)).await;
    let refresh = json!({"refresh_token": opened["refresh_token"]});
    let fresh = walk.take("refreshTokens", with("", refresh)).await;
    let revoke = json!({"refresh_token": fresh["refresh_token"]});
    walk.take("revokeTokens", with("", revoke)).await;
    walk.take("requestPasswordReset", with("", json!({"email": officer.email}))).await;
    let letters = service::letter::claim_due(&walk.app.state).await.expect("claimed");
    let link = letters.last().map(|letter| letter.link.clone()).expect("a letter");
    let token = link.split("#token=").nth(1).expect("a token").to_owned();
    let password = json!({"token": token, "password": "a new long secret 7"});
    walk.take("setPassword", with("", password)).await;
}
