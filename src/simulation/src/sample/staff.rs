//! Hospitals and all staff of the sample network.

use chrono::{Months, NaiveDate, TimeDelta};
use rand::Rng;

use super::{
    geography::{AREAS, share},
    names, roster, secrets,
};
use domain::{
    matching::Department,
    network::{EmployerRecord, HospitalRecord},
    staff::{DoctorRecord, PharmacistRecord, StaffRecord, role::Role},
    words::Language,
};

/// Hospitals per tier, their weight in fairness, and their names' ends.
const TIERS: [(usize, i32, &str, &str); 3] = [
    (20, 10, "三级医院", "Tertiary Hospital"),
    (80, 4, "二级医院", "Secondary Hospital"),
    (200, 1, "社区卫生服务中心", "Community Health Centre"),
];
/// Hospitals of the sample.
const HOSPITALS: usize = TIERS[0].0 + TIERS[1].0 + TIERS[2].0;
/// General practice, internal medicine and surgery as second departments.
const GENERAL: Option<Department> = Some(Department::GENERAL_PRACTICE);
const INTERNAL: Option<Department> = Some(Department::known("internal_medicine"));
const SURGERY: Option<Department> = Some(Department::known("surgery"));
const ORTHOPAEDICS: Option<Department> = Some(Department::known("orthopaedics"));
/// Every department of the sample, which are those of a new network, and the second one that its
/// doctors may serve.
pub(super) const DEPARTMENTS: [(Department, Option<Department>); 15] = [
    (Department::GENERAL_PRACTICE, INTERNAL),
    (Department::known("internal_medicine"), GENERAL),
    (Department::known("surgery"), ORTHOPAEDICS),
    (Department::known("orthopaedics"), SURGERY),
    (Department::known("dermatology"), None),
    (Department::known("ophthalmology"), None),
    (Department::known("ent"), None),
    (Department::known("paediatrics"), GENERAL),
    (Department::known("obstetrics_gynaecology"), None),
    (Department::known("cardiology"), INTERNAL),
    (Department::known("gastroenterology"), INTERNAL),
    (Department::known("respiratory"), INTERNAL),
    (Department::known("neurology"), INTERNAL),
    (Department::known("traditional_chinese_medicine"), GENERAL),
    (Department::known("psychiatry"), None),
];

/// All departments except general practice.
fn specialties() -> impl Iterator<Item = Department> + Clone {
    DEPARTMENTS.iter().map(|(code, _)| *code).filter(|code| *code != Department::GENERAL_PRACTICE)
}

/// 300 hospitals over the areas: tertiary ones first, so the large areas get several.
pub(super) fn hospitals(seed: u64) -> Vec<HospitalRecord> {
    let mut random = secrets::random(seed, "hospitals");
    // Each round assigns one hospital to each area below its share, so tiers mix in every area.
    let mut remaining = share(HOSPITALS);
    let mut areas = Vec::with_capacity(HOSPITALS);
    while areas.len() < HOSPITALS {
        for (place, left) in remaining.iter_mut().enumerate().filter(|(_, left)| **left > 0) {
            *left -= 1;
            areas.push(&AREAS[place]);
        }
    }
    let tiers = TIERS.iter().flat_map(|tier| std::iter::repeat_n(tier, tier.0));
    areas
        .into_iter()
        .zip(tiers)
        .enumerate()
        .map(|(index, (area, (_, weight, zh, en)))| {
            let word = names::place(&mut random);
            let number = index + 1;
            HospitalRecord {
                code: format!("hospital-{number:03}"),
                name_zh: format!("样例·{}{}{zh} {number:03}", area.zh, word.0),
                name_en: format!("Sample {} {} {en} {number:03}", area.en, word.1),
                district: area.district.into(),
                weight: *weight,
            }
        })
        .collect()
}

/// How many doctors the hospital at `index` has: 1,200 in all.
fn doctors_of(index: usize) -> usize {
    match index {
        0..20 => 16,
        20..100 => 5,
        100..180 => 3,
        _ => 2,
    }
}

/// 1,200 doctors. Five of six at community centres are general practitioners
/// (400 in all); the other 800 are dealt evenly to the specialties.
pub(super) fn doctors(seed: u64, hospitals: &[HospitalRecord], today: NaiveDate) -> Vec<StaffRecord> {
    let mut random = secrets::random(seed, "doctors");
    let mut specialties = specialties().cycle();
    let mut ranks = roster::Ranks::default();
    let mut community = 0;
    let mut doctors = Vec::with_capacity(1_200);
    for (index, hospital) in hospitals.iter().enumerate() {
        for _ in 0..doctors_of(index) {
            let is_community = index >= TIERS[0].0 + TIERS[1].0;
            community += usize::from(is_community);
            let department = if is_community && community % 6 != 0 {
                Department::GENERAL_PRACTICE
            } else {
                specialties.next().unwrap_or(Department::GENERAL_PRACTICE)
            };
            let rank = ranks.next(department);
            doctors.push(doctor(&mut random, doctors.len() + 1, hospital, department, rank, today));
        }
    }
    doctors
}

fn doctor(
    random: &mut impl Rng,
    number: usize,
    hospital: &HospitalRecord,
    department: Department,
    rank: usize,
    today: NaiveDate,
) -> StaffRecord {
    let (name_zh, name_en) = names::staff(random);
    let mut departments = vec![department];
    if let Some(second) = related(department).filter(|_| random.random_ratio(1, 4)) {
        departments.push(second);
    }
    let mut languages = vec![Language::Chinese];
    if roster::always_speaks_english(rank) || random.random_ratio(3, 20) {
        languages.push(Language::English);
    }
    // All have the three years of practice that prescribing requires.
    let practised = Months::new(random.random_range(48..=420));
    let email = secrets::email(&format!("doctor-{number:04}"));
    let doctor = DoctorRecord {
        licence_no: format!("SAMPLE-D-{number:06}"),
        licence_valid_until: today + TimeDelta::days(random.random_range(365..=1_825)),
        practising_since: today - practised,
        departments,
        languages,
        capacity: random.random_range(1..=3),
        video_capacity: None,
    };
    StaffRecord {
        hospital_code: Some(hospital.code.clone()),
        doctor: Some(doctor),
        ..StaffRecord::new(Role::Doctor, email, name_zh, name_en)
    }
}

/// The second department that a doctor of `main` may serve.
fn related(main: Department) -> Option<Department> {
    DEPARTMENTS.iter().find(|(code, _)| *code == main).and_then(|(_, second)| *second)
}

/// Staff whose record is an address and a name: `{local}-01` and so on.
pub(super) fn plain(seed: u64, role: Role, count: usize, local: &str) -> Vec<StaffRecord> {
    let mut random = secrets::random(seed, role.staff().map_or(local, |staff| staff.file));
    (1..=count)
        .map(|number| {
            let (name_zh, name_en) = names::staff(&mut random);
            StaffRecord::new(role, secrets::email(&format!("{local}-{number:02}")), name_zh, name_en)
        })
        .collect()
}

/// 60 pharmacists.
pub(super) fn pharmacists(seed: u64, today: NaiveDate) -> Vec<StaffRecord> {
    let mut all = plain(seed, Role::Pharmacist, 60, "pharmacist");
    for (number, one) in (1..).zip(&mut all) {
        one.pharmacist = Some(PharmacistRecord {
            licence_no: format!("SAMPLE-P-{number:06}"),
            licence_valid_until: today + TimeDelta::days(365 + 20 * number),
        });
    }
    all
}

/// One safety officer for each employer.
pub(super) fn safety_officers(seed: u64, employers: &[EmployerRecord]) -> Vec<StaffRecord> {
    let mut random = secrets::random(seed, "safety-officers");
    employers
        .iter()
        .enumerate()
        .map(|(index, employer)| {
            let (name_zh, name_en) = names::staff(&mut random);
            let email = secrets::email(&format!("safety-{:02}", index + 1));
            let employer_code = Some(employer.code.clone());
            StaffRecord { employer_code, ..StaffRecord::new(Role::Employer, email, name_zh, name_en) }
        })
        .collect()
}
