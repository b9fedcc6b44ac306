//! The table of good requests: a valid body for each operation that has one. An
//! operation that is missing here makes the walker fail.

use serde_json::{Value, json};

use crate::seed;

/// An id that no row has.
pub const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

/// A body that matches the schema of the operation.
pub fn good_body(operation: &str) -> Value {
    let line =
        json!({"product_code": "PCM-T500", "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3});
    let frame = |kind: &str, body: Value| {
        json!({"seq": 1, "prev_hash": "0".repeat(64), "hash": "0".repeat(64), "boot_id": "0".repeat(32),
            "mono_ms": 1, "wall": "2026-11-23T02:00:00Z", "kind": kind, "body": body})
    };
    let fence = json!({"fence": 1, "pin": seed::SIGNING_PIN});
    match operation {
        "post_tokens_staff" => json!({"email": "nobody@example.cn", "password": "a", "totp": "000000"}),
        "post_tokens_refresh" | "post_tokens_revoke" => json!({"refresh_token": "none"}),
        "post_tokens_device" => json!({"client_assertion": "e30.e30.AA"}),
        "post_tokens_enrol" | "post_cabinet_v1_enrol" => {
            json!({"code": "none", "public_key": "A".repeat(43)})
        }
        "post_staff_password_reset" => json!({"email": "nobody@example.cn"}),
        "post_staff_password" => {
            json!({"token": "none", "password": "long enough 12", "signing_pin": "739154", "totp_confirm": "000000"})
        }
        "post_staff_link" | "post_staff_email" => json!({"token": "none"}),
        "put_staff_id" => json!({"name_zh": "样例", "name_en": "Sample", "hospital_id": NOBODY,
            "employer_id": NOBODY, "doctor": {"licence_no": "W-1", "licence_valid_until": "2030-01-01",
            "licence_verified": true, "practising_since": "2010-01-01", "departments": ["general_practice"],
            "languages": ["zh"], "capacity": 2}}),
        "post_staff_id_email" => json!({"email": "walker-moved@example.cn"}),
        "post_staff_id_authenticator_reset" => json!({"reason": "Lost the phone; known in person."}),
        "put_shifts_id" => json!({"starts_at": "2026-12-01T01:00:00Z", "ends_at": "2026-12-01T09:00:00Z"}),
        "post_session_signing_window" => json!({"totp": "000000"}),
        "post_enrolment_codes" => json!({"kind": "station", "station_id": NOBODY}),
        "post_check_ins" => json!({"card_number": seed::CARD, "pin": seed::PIN}),
        "post_check_ins_walk_in" => json!({"name": "样例乙", "phone": "15400000002", "consent": true,
            "birth_date": "1990-01-01", "sex": "female", "language": "en",
            "document": {"kind": "passport", "number": "M12345678", "evidence": "typed"}}),
        "post_workers_id_details" => {
            json!({"name": "样例丁", "phone": "0535-1234567", "birth_date": "1990-01-01",
            "sex": "male", "job": "driver", "employer_id": null, "self_employed": true, "language": "zh"})
        }
        "post_workers_id_changes" => json!({"kind": "pin", "pin": "582930"}),
        "post_me_pin" => json!({"old_pin": seed::PIN, "new_pin": seed::PIN}),
        "post_me_phone" => {
            json!({"phone": "15400000002", "pin": seed::PIN, "phone_code": {"id": NOBODY, "code": "000000"}})
        }
        "post_check_ins_pin" => json!({"card_number": seed::CARD, "phone": "15400000002",
            "phone_code": {"id": NOBODY, "code": "000000"}, "new_pin": "582930"}),
        "post_phone_codes" => json!({"phone": "15400000002", "purpose": "check_in"}),
        "post_me_consents" | "post_me_consents_withdraw" => json!({"purpose": "employer_fitness"}),
        "put_me_profile" => json!({"weight_kg_tenths": 700, "pregnant": false, "breastfeeding": false,
            "allergies": ["penicillins"], "conditions": ["asthma"], "medicines": ["ibuprofen"], "egfr": 90,
            "creatinine_clearance": 90, "birth_date": "1990-01-01", "sex": "female", "job": "courier"}),
        "post_readings" => json!({"readings": [{"kind": "blood_pressure", "value": 120, "second": 80,
            "unit": "mm[Hg]", "device": "cuff", "measured_at": null},
            {"kind": "glucose", "beyond": "high", "unit": "10*-1.mmol/L", "device": "meter"}],
            "context": {"consciousness": "A", "supplemental_oxygen": false, "spo2_scale": 1}}),
        "post_triage_assess" => json!({"respiratory_rate_per_min": 16, "spo2_percent": 97,
            "supplemental_oxygen": false, "systolic_mmhg": 120, "heart_rate_per_min": 70,
            "temperature_tenths_c": 368, "acvpu": "A", "spo2_scale": 1, "diastolic_mmhg": 80,
            "glucose_tenths_mmol_l": 55, "age_years": 40, "pregnant": false, "symptoms": []}),
        "post_consultations" => json!({"complaint": "喉咙痛三天", "department": null,
            "lane": "minor_ailment_pilot", "symptoms": []}),
        "post_consultations_id_messages" => json!({"text": "Since when?"}),
        "post_consultations_id_complete" => {
            json!({"summary": "A cold; rest.", "diagnoses": [{"code": "J00", "name": "A cold"}]})
        }
        "post_consultations_id_rating" => json!({"rating": 5, "comment": "Good."}),
        "put_duty" => json!({"presence": "available"}),
        "post_offers_id_accept" => fence,
        "post_offers_id_decline" => json!({"fence": 1}),
        "post_prescriptions_check" => json!({"profile": {"age_years": 40, "weight_kg_tenths": 700,
            "allergies": ["penicillins"], "conditions": ["asthma"], "medicines": ["ibuprofen"]},
            "taking": [{"kind": "reported", "medicine": "ibuprofen", "day_ug": 1}], "lines": [line]}),
        "post_consultations_id_prescriptions" | "put_prescriptions_id" => json!({"lines": [line],
            "diagnoses": [{"code": "J00", "name": "A cold"}], "kind": "ordinary", "long_supply_reason": null,
            "guardian_attested": false, "paediatrician_attested": false}),
        "post_prescriptions_id_sign" => json!({"pin": seed::SIGNING_PIN, "valid_days": 1,
            "overrides": [{"rule": "none", "lines": [0], "reason": "It is needed."}]}),
        "post_prescriptions_id_approve" => json!({"pin": seed::SIGNING_PIN}),
        "post_prescriptions_id_return" => json!({"reason": "Too high a dose.", "code": "dose"}),
        "post_prescriptions_id_void" => json!({"reason": "Not needed any more.", "code": "doctor_withdrew"}),
        "post_orders" => {
            json!({"lines": [{"product_code": "PCM-T500", "packs": 1}], "accepted_warnings": ["none"]})
        }
        "post_orders_id_pay" => json!({"method": "subsidy"}),
        "post_symptoms" => json!({"symptoms": ["breathlessness"]}),
        "post_alerts_id_close" => json!({"note": "Somebody is with them."}),
        "post_incidents_id_close" => json!({"note": "Looked at it."}),
        "post_attempts_id_resolve" => json!({"decision": "dispensed", "reason": "jam"}),
        "post_lots_recall" => {
            json!({"product_code": "none", "lot_no": "none", "reason": "As the maker asked."})
        }
        "post_stations" => {
            json!({"code": "walker-01", "name_zh": "站", "name_en": "Station", "district": "zhifu",
            "latitude_e6": 37_500_000, "longitude_e6": 121_400_000,
            "encounter_lanes": ["consultation_only"], "cabinet": true, "cabinet_lane": "institution_dispense"})
        }
        "post_hospitals" => {
            json!({"code": "walker-h", "name_zh": "医院", "name_en": "Hospital", "district": "zhifu", "weight": 1})
        }
        "post_employers" => json!({"code": "walker-e", "name_zh": "公司", "name_en": "Firm"}),
        "post_staff" => {
            json!({"role": "doctor", "email": "walker@example.cn", "name_zh": "样例", "name_en": "Sample",
            "hospital_id": NOBODY, "doctor": {"licence_no": "W-1", "licence_valid_until": "2030-01-01",
            "licence_verified": true, "practising_since": "2010-01-01", "departments": ["general_practice"],
            "languages": ["zh"], "capacity": 2}})
        }
        "post_workers" => json!({"card_number": another_card(), "pin": "482913", "name": "样例丙",
            "phone": "15400000003", "birth_date": "1990-01-01", "sex": "male", "job": "courier",
            "employer_id": null, "language": "zh"}),
        "post_workers_id_merge" => json!({"into": NOBODY, "accept": ["birth_date"]}),
        "post_shifts" => json!({"staff_id": NOBODY, "starts_at": "2026-12-01T00:00:00Z",
            "ends_at": "2026-12-01T08:00:00Z"}),
        "post_cabinet_v1_hello" => json!({"epoch": 1, "boot_id": "0".repeat(32), "mono_ms": 1,
            "wall": "2026-11-23T02:00:00Z", "journal": {"seq": 0, "hash": "0".repeat(64)},
            "open_intents": [NOBODY], "door_open": false, "tampered": false,
            "slots": [{"slot": 1, "product_code": "x", "lot_no": "y", "expires_on": "2027-01-01", "count": 1}],
            "versions": {"firmware": "1", "protocol": 1}}),
        "post_cabinet_v1_attempts_id_start" => json!({"boot_id": "0".repeat(32), "pickup_code": "000000"}),
        "post_cabinet_v1_events" => json!({"epoch": 1,
            "entries": [frame("intent", json!({"attempt": NOBODY, "slot": 1, "lot_no": "L1"}))]}),
        other => panic!("the table does not know a good body of {other}"),
    }
}

/// An unused card number with a valid check digit.
fn another_card() -> String {
    let digits = "99000000777";
    let check = domain::network::luhn_check_digit(digits).expect("digits");
    format!("{digits}{check}")
}
