//! Employers and workers of the sample network.

use chrono::{Months, NaiveDate, TimeDelta};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{names, secrets};
use domain::{
    network::{EmployerRecord, Job, Secret, Sex, WorkerRecord, luhn_check_digit, pin_is_trivial},
    words::Language,
};

/// First digits of every sample card.
pub(super) const CARD_PREFIX: &str = "99";
/// First digits of every sample phone. The Chinese numbering plan has given
/// 154 to no carrier, and it opens no emergency or service number.
pub(super) const PHONE_PREFIX: &str = "154";
/// Card numbers step through all nine-digit numbers by this increment, which is
/// coprime to 10^9, so no number repeats.
const CARD_LEAP: u64 = 618_033_989;
const CARD_SPACE: u64 = 1_000_000_000;

/// The employers' sectors: count, and the suffix of their names.
const SECTORS: [(usize, &str, &str); 4] = [
    (12, "速递", "Couriers"),
    (10, "环卫", "Sanitation"),
    (10, "建筑", "Construction"),
    (8, "运输", "Transport"),
];

/// 40 employers, by sector.
pub(super) fn employers(seed: u64) -> Vec<EmployerRecord> {
    let mut random = secrets::random(seed, "employers");
    SECTORS
        .iter()
        .flat_map(|sector| std::iter::repeat_n(sector, sector.0))
        .enumerate()
        .map(|(index, (_, zh, en))| {
            let word = names::place(&mut random);
            let number = index + 1;
            EmployerRecord {
                code: employer_code(index),
                name_zh: format!("样例·{}{zh}公司 {number:02}", word.0),
                name_en: format!("Sample {} {en} {number:02}", word.1),
            }
        })
        .collect()
}

fn employer_code(index: usize) -> String {
    format!("employer-{:02}", index + 1)
}

/// Generates any worker by index, without generating those before.
pub(super) struct Maker {
    random: ChaCha8Rng,
    card_start: u64,
    today: NaiveDate,
}

impl Maker {
    /// A maker of the workers of `seed`; ages count from `today`.
    pub(super) fn new(seed: u64, today: NaiveDate) -> Self {
        let mut random = secrets::random(seed, "workers");
        let card_start = random.random_range(0..CARD_SPACE);
        Self { random, card_start, today }
    }

    /// The worker at `index`, from 0.
    pub(super) fn worker(&self, index: usize) -> WorkerRecord {
        // A stream of its own for each worker; stream 0 belongs to the maker.
        let mut random = self.random.clone();
        random.set_stream(index as u64 + 1);
        random.set_word_pos(0);
        let random = &mut random;

        let job = job(random);
        let language = if random.random_ratio(1, 60) { Language::English } else { Language::Chinese };
        let (zh, en) = names::person(random);
        let female = match job {
            Job::Sanitation => random.random_ratio(1, 2),
            Job::Courier | Job::Driver => random.random_ratio(1, 8),
            Job::Construction | Job::ConstructionAtHeight => random.random_ratio(1, 12),
        };
        WorkerRecord {
            card_number: self.card_number(index),
            pin: pin(random),
            name: match language {
                Language::Chinese => format!("样例·{zh}"),
                Language::English => format!("{en} (sample)"),
            },
            phone: format!("{PHONE_PREFIX}{index:08}"),
            birth_date: self.birth_date(job, random),
            sex: if female { Sex::Female } else { Sex::Male },
            job,
            employer_code: employer(job, random),
            language,
        }
    }

    pub(super) fn card_number(&self, index: usize) -> String {
        let number = (self.card_start + CARD_LEAP * (index as u64 % CARD_SPACE)) % CARD_SPACE;
        let mut card = format!("{CARD_PREFIX}{number:09}");
        card.push(luhn_check_digit(&card).expect("the card's body holds digits only"));
        card
    }

    /// Couriers are young, street cleaners old; all are 18 to 68.
    fn birth_date(&self, job: Job, random: &mut impl Rng) -> NaiveDate {
        let (youngest, oldest) = match job {
            Job::Courier => (18, 52),
            Job::Sanitation => (38, 68),
            Job::Construction | Job::ConstructionAtHeight => (20, 60),
            Job::Driver => (21, 62),
        };
        let years = random.random_range(youngest..=oldest);
        self.today - Months::new(12 * years) - TimeDelta::days(random.random_range(0..365))
    }
}

fn job(random: &mut impl Rng) -> Job {
    match random.random_range(0..100) {
        0..35 => Job::Courier,
        35..60 => Job::Sanitation,
        60..78 => Job::Construction,
        78..85 => Job::ConstructionAtHeight,
        _ => Job::Driver,
    }
}

/// An employer of the job's sector; one courier or driver in six works alone.
fn employer(job: Job, random: &mut impl Rng) -> Option<String> {
    let (sector, alone) = match job {
        Job::Courier => (0, true),
        Job::Sanitation => (1, false),
        Job::Construction | Job::ConstructionAtHeight => (2, false),
        Job::Driver => (3, true),
    };
    if alone && random.random_ratio(1, 6) {
        return None;
    }
    let first: usize = SECTORS[..sector].iter().map(|(count, ..)| count).sum();
    Some(employer_code(first + random.random_range(0..SECTORS[sector].0)))
}

fn pin(random: &mut impl Rng) -> Secret {
    loop {
        let pin = format!("{:06}", random.random_range(0..1_000_000));
        if !pin_is_trivial(&pin) {
            return Secret::new(pin);
        }
    }
}
