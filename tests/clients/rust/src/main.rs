//! One whole visit, by every side of it: station, worker, doctor, pharmacist and cabinet.
//!
//! `journey READY_FILE`

mod cabinet;
mod device;
mod people;

use anyhow::{Context, Result, bail, ensure};
use uuid::Uuid;
use waystation_client::{
    apis::{
        check_in_api, configuration::Configuration, consultation_api, identity_api, matching_api, order_api,
        prescription_api, profile_api, review_api, vitals_api,
    },
    models::{
        AcceptInput, ApproveInput, BloodPressureReadingInput, CheckInInput, CheckInOpened, CheckInput,
        Completion, ConsentInput, ConsentPurpose, ConsultationState, Diagnosis, DutyInput, EncounterLane,
        LineInput, MessageInput, OrderInput, OrderState, PayInput, PayMethod, PrescribedDiagnosis,
        PrescriptionInput, PrescriptionState, ProfileInput, RatingInput, ReadingInput, ReadingsInput,
        SignInput, SigningWindowInput, StartInput, SupplyKind, SymptomsInput, TemperatureReadingInput,
        WantedPresence,
    },
};

use cabinet::Cabinet;
use device::Device;
use people::{ENGLISH, Ready, Staff, key, with_token};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("journey READY_FILE")?;
    let ready: Ready = serde_json::from_slice(&std::fs::read(path)?)?;
    let base = ready.base_url.as_str();
    let station = Device::sign_in(base, &ready.station).await?;
    let cabinet = Cabinet::boot(Device::sign_in(base, &ready.cabinet).await?).await?;
    let opened = check_in(&station, CheckInInput::new(ready.worker.card_number, ready.worker.pin)).await?;
    let worker = with_token(base, Some(opened.access_token.clone()));
    prepare(&worker).await?;

    let mut doctor = Staff::sign_in(base, ready.doctor).await?;
    matching_api::set_duty(&doctor.api, DutyInput::new(WantedPresence::Available), ENGLISH).await?;
    let asked = StartInput::new("喉咙痛三天。".to_owned(), EncounterLane::MinorAilmentPilot);
    let consultation = consultation_api::request_consultation(&worker, &key(), asked, ENGLISH).await?.id;
    accept(&doctor, consultation).await?;
    talk(&doctor.api, &worker, consultation).await?;

    let prescription = prescribe(&mut doctor, consultation).await?;
    approve(&mut Staff::sign_in(base, ready.pharmacist).await?, prescription).await?;
    let packs = buy(&worker, cabinet, prescription).await?;
    complete(&doctor.api, &worker, consultation).await?;
    leave(&station, &opened).await?;
    println!("the Rust client walked a journey: {packs} pack(s)");
    Ok(())
}

async fn check_in(station: &Device, card: CheckInInput) -> Result<CheckInOpened> {
    let key = key();
    let signature = station.bound_signature("/api/v1/check-ins", &serde_json::to_vec(&card)?, &key);
    Ok(check_in_api::check_in(&station.api, &key, &signature, card, ENGLISH).await?)
}

async fn leave(station: &Device, opened: &CheckInOpened) -> Result<()> {
    let (id, key) = (opened.check_in.id.to_string(), key());
    let signature = station.bound_signature(&format!("/api/v1/check-ins/{id}/leave"), &[], &key);
    let left = check_in_api::leave_check_in(&station.api, &id, &key, &signature, ENGLISH).await?;
    ensure!(left.ended_at.flatten().is_some(), "the check-in goes on");
    Ok(())
}

/// Consent, profile, readings and symptoms.
async fn prepare(worker: &Configuration) -> Result<()> {
    let consent = ConsentInput::new(ConsentPurpose::HealthCare);
    check_in_api::give_consent(worker, &key(), consent, ENGLISH).await?;
    let nothing = Some(Some(Vec::new()));
    let profile = ProfileInput {
        allergies: nothing.clone(),
        conditions: nothing.clone(),
        medicines: nothing,
        ..ProfileInput::new()
    };
    profile_api::replace_my_profile(worker, "\"0\"", profile, ENGLISH).await?;
    let mut temperature = TemperatureReadingInput::new(Default::default(), "thermometer-1".to_owned());
    temperature.value = Some(Some(366));
    let mut pressure = BloodPressureReadingInput::new(Default::default(), "cuff-1".to_owned());
    (pressure.value, pressure.second) = (Some(Some(118)), Some(Some(76)));
    let readings = vec![
        ReadingInput::Temperature(Box::new(temperature)),
        ReadingInput::BloodPressure(Box::new(pressure)),
    ];
    let stored = vitals_api::record_readings(worker, &key(), ReadingsInput::new(readings), ENGLISH).await?;
    ensure!(stored.readings.len() == 2, "{} readings were stored", stored.readings.len());
    vitals_api::record_symptoms(worker, &key(), SymptomsInput::new(Vec::new()), ENGLISH).await?;
    Ok(())
}

/// Waits until this consultation is offered, and accepts it.
async fn accept(doctor: &Staff, consultation: Uuid) -> Result<()> {
    for _ in 0..4 {
        let offers = matching_api::list_offers(&doctor.api, Some(10), None, ENGLISH).await?.items;
        if let Some(offer) = offers.iter().find(|offer| offer.consultation_id == consultation) {
            let mut input = AcceptInput::new(offer.fence);
            input.pin = Some(Some(doctor.pin.clone()));
            let id = offer.id.to_string();
            let active = matching_api::accept_offer(&doctor.api, &id, &key(), input, ENGLISH).await?;
            ensure!(active.state == ConsultationState::Active, "it is {} now", active.state);
            return Ok(());
        }
    }
    bail!("no offer came")
}

async fn talk(doctor: &Configuration, worker: &Configuration, consultation: Uuid) -> Result<()> {
    let id = consultation.to_string();
    for (who, text) in [(doctor, "有没有发热？"), (worker, "没有。")] {
        consultation_api::send_message(who, &id, &key(), MessageInput::new(text.to_owned()), ENGLISH).await?;
    }
    let said = consultation_api::list_messages(worker, &id, None, None, ENGLISH).await?.items;
    ensure!(said.len() == 2, "{} messages arrived", said.len());
    Ok(())
}

async fn prescribe(doctor: &mut Staff, consultation: Uuid) -> Result<Uuid> {
    let lines = vec![LineInput::new("PCM-T500".to_owned(), 1000, 3, 3)];
    let mut check = CheckInput::new(lines.clone());
    check.consultation_id = Some(Some(consultation));
    prescription_api::check_prescription(&doctor.api, check, ENGLISH).await?;
    let diagnosis = PrescribedDiagnosis {
        code: Some(Some("J00".to_owned())),
        ..PrescribedDiagnosis::new("普通感冒".to_owned())
    };
    let written = PrescriptionInput::new(lines, vec![diagnosis], SupplyKind::Ordinary);
    let id = consultation.to_string();
    let draft = prescription_api::draft_prescription(&doctor.api, &id, &key(), written, ENGLISH).await?;
    open_window(doctor).await?;
    // In the last hours of a day a longer validity must be given.
    let signature = SignInput { valid_days: Some(Some(2)), ..SignInput::new(doctor.pin.clone()) };
    let id = draft.id.to_string();
    let signed = prescription_api::sign_prescription(&doctor.api, &id, &key(), signature, ENGLISH).await?;
    ensure!(signed.state == PrescriptionState::Signed, "it is {} now", signed.state);
    Ok(signed.id)
}

async fn approve(pharmacist: &mut Staff, prescription: Uuid) -> Result<()> {
    let waiting = review_api::list_reviews(&pharmacist.api, None, ENGLISH).await?.items;
    ensure!(waiting.iter().any(|one| one.id == prescription), "nothing to review");
    open_window(pharmacist).await?;
    let (id, input) = (prescription.to_string(), ApproveInput::new(pharmacist.pin.clone()));
    let approved = review_api::approve_prescription(&pharmacist.api, &id, &key(), input, ENGLISH).await?;
    ensure!(approved.state == PrescriptionState::Approved, "it is {} now", approved.state);
    Ok(())
}

async fn open_window(staff: &mut Staff) -> Result<()> {
    let input = SigningWindowInput::new(staff.next_code());
    identity_api::open_signing_window(&staff.api, &key(), input, ENGLISH).await?;
    Ok(())
}

/// Orders, pays, types the code at the hatch; returns the number of packs.
async fn buy(worker: &Configuration, mut cabinet: Cabinet, prescription: Uuid) -> Result<usize> {
    let wanted = OrderInput { prescription_id: Some(Some(prescription)), ..OrderInput::new() };
    let id = order_api::place_order(worker, &key(), wanted, ENGLISH).await?.id.to_string();
    let paid = order_api::pay_order(worker, &id, &key(), PayInput::new(PayMethod::Subsidy), ENGLISH).await?;
    ensure!(paid.state == OrderState::Paid, "the order is {} now", paid.state);
    let vended = cabinet.vend(&paid.pickup_code.flatten().context("no pickup code")?).await?;
    ensure!(vended == paid.units.len(), "{vended} of {} packs came out", paid.units.len());
    let now = order_api::get_order(worker, &id, ENGLISH).await?;
    ensure!(now.state == OrderState::Completed, "the order is {} now", now.state);
    Ok(vended)
}

async fn complete(doctor: &Configuration, worker: &Configuration, consultation: Uuid) -> Result<()> {
    let id = consultation.to_string();
    let summary = "多喝水，三天不好转请到医院就诊。".to_owned();
    let diagnoses = vec![Diagnosis::new("J00".to_owned(), "普通感冒".to_owned())];
    let completion = Completion { diagnoses: Some(diagnoses), ..Completion::new(summary) };
    let ended = consultation_api::complete_consultation(doctor, &id, &key(), completion, ENGLISH).await?;
    ensure!(ended.state == ConsultationState::Completed, "it is {} now", ended.state);
    consultation_api::rate_consultation(worker, &id, &key(), RatingInput::new(5), ENGLISH).await?;
    Ok(())
}
