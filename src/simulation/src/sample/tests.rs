//! Counts, determinism, uniqueness, the roster, and that every record passes its own validation.

use std::collections::{HashMap, HashSet};

use chrono::{Datelike, NaiveDate, TimeDelta, TimeZone, Utc};
use rand::Rng;

use super::{
    secrets::SAMPLE_MAIL_DOMAIN,
    workers::{CARD_PREFIX, PHONE_PREFIX},
    *,
};
use domain::{
    matching::Department,
    network::{
        FileRecord, Job, Record, card_number_is_valid,
        import::{Cells, Columns, Intake},
    },
};

fn now() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 23, 4, 30, 0).single().expect("an instant")
}

fn today() -> NaiveDate {
    civil_day(now())
}

fn plan() -> SampleNetwork {
    SampleNetwork::plan(7, 3_000, now())
}

fn products(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("product-{number:03}")).collect()
}

#[test]
fn the_counts_are_those_of_the_first_city() {
    let plan = plan();
    assert_eq!((plan.stations.len(), plan.cabinets.len()), (226, 226));
    assert_eq!((plan.hospitals.len(), plan.doctors.len()), (300, 1_200));
    assert_eq!((plan.pharmacists.len(), plan.restockers.len(), plan.operators.len()), (60, 24, 3));
    assert_eq!((plan.employers.len(), plan.safety_officers.len()), (40, 40));
    assert_eq!((plan.worker_count(), plan.workers().len()), (3_000, 3_000));
    assert_eq!(SampleNetwork::plan(7, usize::MAX, now()).worker_count(), MOST_WORKERS);
    assert_eq!(plan.stock(&products(80)).count(), 226 * 40);
    let districts: HashSet<&str> = plan.stations.iter().map(|station| station.district.as_str()).collect();
    assert_eq!(districts.len(), 12);
    let of = |district: &str| plan.stations.iter().filter(|station| station.district == district).count();
    assert!(of("zhifu") > of("qixia") && of("laizhou") > of("kaifa"), "more people, more stations");
    let weights: HashSet<i32> = plan.hospitals.iter().map(|hospital| hospital.weight).collect();
    assert_eq!(weights, HashSet::from([1, 4, 10]));
    let general = plan.doctors.iter().filter(|doctor| departments(doctor)[0] == Department::GENERAL_PRACTICE);
    assert_eq!(general.count(), 400);
}

#[test]
fn a_seed_determines_the_network() {
    let (one, same, other) = (plan(), plan(), SampleNetwork::plan(8, 3_000, now()));
    assert_eq!(one, same);
    assert!(one.workers().eq(same.workers()));
    assert!(one.stock(&products(80)).eq(same.stock(&products(80))));
    assert_eq!(one.shifts(now(), now() + TimeDelta::days(1)), same.shifts(now(), now() + TimeDelta::days(1)));
    assert_ne!(one.doctors, other.doctors);
    assert_ne!(one.stations, other.stations);
    assert!(one.workers().zip(other.workers()).all(|(ours, theirs)| ours.card_number != theirs.card_number));
    assert!(!one.stock(&products(80)).eq(other.stock(&products(80))));
    assert_ne!(one.totp_secret("a@b.example"), other.totp_secret("a@b.example"));
    // A larger plan holds the smaller one, and any worker can be had alone.
    let large = SampleNetwork::plan(7, MOST_WORKERS, now());
    assert!(one.workers().eq(large.workers().take(3_000)));
    assert_eq!(large.worker(2_999), one.worker(2_999));
}

/// Validates all records and finds no key twice.
fn pass<R: Record>(records: impl IntoIterator<Item = R>) {
    let mut seen = HashSet::new();
    for record in records {
        assert_eq!(record.validate(today()), vec![], "{:?}", record.keys());
        for key in record.keys() {
            assert!(seen.insert(key.clone()), "{key:?} twice");
        }
    }
}

#[test]
fn every_record_passes_its_own_check_and_is_unique() {
    let plan = SampleNetwork::plan(7, DEFAULT_WORKERS, now());
    pass(plan.stations.clone());
    pass(plan.cabinets.clone());
    pass(plan.hospitals.clone());
    pass(plan.employers.clone());
    pass(plan.doctors.clone());
    pass(plan.pharmacists.clone());
    pass(plan.restockers.clone());
    pass(plan.operators.clone());
    pass(plan.safety_officers.clone());
    pass(plan.workers());
    pass(plan.stock(&products(80)));
    pass(plan.shifts(now(), now() + TimeDelta::days(3)));
    let mut emails = HashSet::new();
    for email in plan.staff().map(|one| &one.email) {
        assert!(emails.insert(email) && email.ends_with(SAMPLE_MAIL_DOMAIN), "{email}");
    }
    let hospitals: HashSet<&String> = plan.hospitals.iter().map(|one| &one.code).collect();
    assert!(
        plan.doctors
            .iter()
            .all(|doctor| doctor.hospital_code.as_ref().is_some_and(|code| hospitals.contains(code)))
    );
}

#[test]
fn all_cards_of_the_whole_city_differ() {
    let plan = SampleNetwork::plan(11, MOST_WORKERS, now());
    let mut cards = HashSet::with_capacity(MOST_WORKERS);
    let maker = workers::Maker::new(plan.seed, today());
    for index in 0..MOST_WORKERS {
        assert!(cards.insert(maker.card_number(index)), "worker {index}");
    }
    assert!(cards.iter().all(|card| card_number_is_valid(card) && card.starts_with(CARD_PREFIX)));
}

#[test]
fn workers_are_marked_of_age_and_of_every_job() {
    let plan = plan();
    let employers: HashSet<String> = plan.employers.iter().map(|one| one.code.clone()).collect();
    let (mut jobs, mut ages) = (HashMap::new(), HashSet::new());
    for worker in plan.workers() {
        assert!(worker.phone.starts_with(PHONE_PREFIX) && worker.card_number.starts_with(CARD_PREFIX));
        assert!(worker.name.starts_with("样例·") || worker.name.ends_with("(sample)"), "{}", worker.name);
        assert!(worker.employer_code.as_ref().is_none_or(|code| employers.contains(code)));
        let had_birthday =
            (worker.birth_date.month(), worker.birth_date.day()) <= (today().month(), today().day());
        let age = today().year() - worker.birth_date.year() - i32::from(!had_birthday);
        assert!((18..=68).contains(&age), "{age}");
        ages.insert(age);
        *jobs.entry(worker.job).or_insert(0) += 1;
    }
    assert_eq!(jobs.len(), Job::ALL.len());
    assert!(jobs.values().all(|count| *count > 100), "{jobs:?}");
    assert!(ages.len() > 45, "ages spread");
}

#[test]
fn the_roster_covers_every_department_at_any_instant() {
    let plan = plan();
    let (from, to) = (now() - TimeDelta::days(2), now() + TimeDelta::days(12));
    let shifts = plan.shifts(from, to);
    let doctors: HashMap<&str, (&[Department], bool)> = plan
        .doctors
        .iter()
        .map(|one| (one.email.as_str(), (departments(one), speaks_english(one))))
        .collect();
    let mut random = secrets::random(99, "test");
    let span = (to - from).num_microseconds().expect("fits");
    let mut instants: Vec<Timestamp> =
        (0..200).map(|_| from + TimeDelta::microseconds(random.random_range(0..span))).collect();
    // The seams: midnight, 08:00 and 16:00 in Shanghai, and just before.
    let seam = Utc.with_ymd_and_hms(2026, 11, 24, 16, 0, 0).single().expect("an instant");
    for hours in [0, 8, 16] {
        instants.push(seam + TimeDelta::hours(hours));
        instants.push(seam + TimeDelta::hours(hours) - TimeDelta::microseconds(1));
    }
    instants.push(from);
    instants.push(to - TimeDelta::microseconds(1));
    for at in instants {
        let mut present: HashMap<Department, (usize, usize)> = HashMap::new();
        let mut pharmacists = 0;
        for shift in shifts.iter().filter(|shift| shift.starts_at <= at && at < shift.ends_at) {
            let Some((departments, english)) = doctors.get(shift.staff_email.as_str()) else {
                pharmacists += 1;
                continue;
            };
            // The main department only: nobody is counted twice.
            let count = present.entry(departments[0]).or_default();
            count.0 += 1;
            count.1 += usize::from(*english);
        }
        for (department, _) in &super::staff::DEPARTMENTS {
            let (all, english) = present.get(department).copied().unwrap_or_default();
            let least = if *department == Department::GENERAL_PRACTICE { 30 } else { 2 };
            assert!(all >= least && english >= 1, "{department} has {all} ({english} in English) at {at}");
        }
        assert!(pharmacists >= 10, "{pharmacists} pharmacists at {at}");
    }
}

#[test]
fn nobody_works_two_shifts_in_a_row_and_topping_up_repeats_the_starts() {
    let plan = plan();
    let week = plan.shifts(now(), now() + TimeDelta::days(14));
    let mut last: HashMap<&str, Timestamp> = HashMap::new();
    for shift in &week {
        if let Some(ended) = last.insert(&shift.staff_email, shift.ends_at) {
            assert!(
                shift.starts_at - ended >= TimeDelta::hours(16),
                "{} rests too little",
                shift.staff_email
            );
        }
    }
    // Planned again a week later, with other ages, the overlap is the same rows.
    let later = SampleNetwork::plan(7, 10, now() + TimeDelta::days(7));
    let (from, to) = (now() + TimeDelta::days(7), now() + TimeDelta::days(14));
    let overlap: Vec<ShiftRecord> =
        week.into_iter().filter(|shift| shift.ends_at > from && shift.starts_at < to).collect();
    assert_eq!(later.shifts(from, to), overlap);
    assert!(plan.shifts(from, from).is_empty() && plan.shifts(to, from).is_empty());
}

#[test]
fn lots_have_one_expiry_and_common_products_two_lots() {
    let plan = plan();
    let codes = products(80);
    let mut expiries: HashMap<(String, String), NaiveDate> = HashMap::new();
    let mut common: HashMap<String, HashSet<NaiveDate>> = HashMap::new();
    for row in plan.stock(&codes) {
        assert!((8..=20).contains(&row.quantity));
        assert!(row.lot_no.starts_with("SAMPLE-"));
        let known = expiries.entry((row.product_code.clone(), row.lot_no.clone())).or_insert(row.expires_on);
        assert_eq!(*known, row.expires_on, "{} {}", row.product_code, row.lot_no);
        if row.product_code == codes[0] {
            common.entry(row.station_code).or_default().insert(row.expires_on);
        }
    }
    assert_eq!(common.len(), 226);
    assert!(common.values().all(|expiries| expiries.len() == 2));
    assert_eq!(plan.stock(&[]).count(), 0);
}

/// Writes records as a file and reads them back.
fn round_trip<R: FileRecord + PartialEq>(records: &[R]) {
    round_trip_of(&Columns::of::<R>(), R::parse, records);
}

fn round_trip_staff(role: Role, records: &[StaffRecord]) {
    round_trip_of(&StaffRecord::columns(role), |cells| StaffRecord::parse(role, cells), records);
}

fn round_trip_of<R: Record + PartialEq>(
    columns: &Columns,
    parse: impl Fn(&mut Cells<'_, '_>) -> R,
    records: &[R],
) {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns.all).expect("writes");
    for record in records {
        writer.write_record(record.to_row()).expect("writes");
    }
    let bytes = writer.into_inner().expect("flushes");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let header = reader.headers().expect("a header").clone();
    let mut intake = Intake::open(&header, columns, today(), parse).expect("a fine header");
    let mut back = Vec::new();
    for row in reader.records() {
        let row = row.expect("a row");
        let line = row.position().expect("a position").line();
        back.push(
            intake.take(line, &row).unwrap_or_else(|problems| panic!("{:?}: {problems:?}", columns.all)),
        );
    }
    assert!(back.as_slice() == records, "{:?} differ after a round trip", columns.all);
}

#[test]
fn every_kind_round_trips_through_a_file() {
    let plan = plan();
    round_trip(&plan.stations);
    round_trip(&plan.cabinets);
    round_trip(&plan.hospitals);
    round_trip(&plan.employers);
    round_trip_staff(Role::Doctor, &plan.doctors);
    round_trip_staff(Role::Pharmacist, &plan.pharmacists);
    round_trip_staff(Role::Restocker, &plan.restockers);
    round_trip_staff(Role::Operator, &plan.operators);
    round_trip_staff(Role::Employer, &plan.safety_officers);
    round_trip(&plan.workers().collect::<Vec<_>>());
    round_trip(&plan.stock(&products(80)).collect::<Vec<_>>());
    round_trip(&plan.shifts(now(), now() + TimeDelta::days(1)));
}
