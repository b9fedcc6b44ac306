//! Who is on call when. Half of each department's doctors, and all
//! pharmacists, work in four teams over three shifts a day: day, evening,
//! rest, night, then day again, so each instant has exactly one team and
//! everyone has 24 hours between shifts. The other half works by day, when most
//! visits are.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};

use super::SampleNetwork;
use domain::{
    matching::Department,
    staff::ShiftRecord,
    time::{Timestamp, civil_day, end_of_civil_day},
};

/// Hours of every shift.
const SHIFT_H: i64 = 8;
/// Teams of the rotation.
const TEAMS: usize = 4;

/// Counts each department's doctors in the order of the plan: a doctor's
/// rank in their main department decides their duty.
#[derive(Default)]
pub(super) struct Ranks(HashMap<Department, usize>);

impl Ranks {
    /// The next rank of `department`, from 0.
    pub(super) fn next(&mut self, department: Department) -> usize {
        let next = self.0.entry(department).or_default();
        *next += 1;
        *next - 1
    }
}

/// When a member of staff works.
#[derive(Clone, Copy)]
enum Duty {
    /// In the rotating team of this number, around the clock.
    Team(usize),
    /// By day, five days of seven, from this hour; off from this weekday on.
    Day { from_hour: i64, off: usize },
}

fn duty(rank: usize) -> Duty {
    if rank.is_multiple_of(2) {
        Duty::Team(rank / 2 % TEAMS)
    } else {
        // 07:00, 09:00, 11:00 or 13:00.
        Duty::Day { from_hour: 7 + 2 * (rank / 2 % 4) as i64, off: rank / 2 % 7 }
    }
}

/// Whether the doctor of this rank always speaks English, not just by chance: one
/// in five of each team, starting with the first.
pub(super) fn always_speaks_english(rank: usize) -> bool {
    match duty(rank) {
        Duty::Team(_) => (rank / 2 / TEAMS).is_multiple_of(5),
        Duty::Day { .. } => false,
    }
}

/// The hour at which a duty starts on a civil day; `None` on a day off.
fn start_hour(duty: Duty, day: NaiveDate) -> Option<i64> {
    let number = usize::try_from(day.num_days_from_ce()).unwrap_or_default();
    match duty {
        Duty::Team(team) => match (number + team) % TEAMS {
            0 => Some(8),
            1 => Some(16),
            2 => None,
            _ => Some(0),
        },
        Duty::Day { from_hour, off } => ((number + off) % 7 < 5).then_some(from_hour),
    }
}

/// All shifts that touch `[from, to)`, by day.
pub(super) fn shifts(network: &SampleNetwork, from: Timestamp, to: Timestamp) -> Vec<ShiftRecord> {
    let mut ranks = Ranks::default();
    let doctors = network.doctors.iter().map(|doctor| {
        let main = super::departments(doctor).first().copied().unwrap_or(Department::GENERAL_PRACTICE);
        (doctor.email.as_str(), duty(ranks.next(main)))
    });
    let pharmacists = network
        .pharmacists
        .iter()
        .enumerate()
        .map(|(index, one)| (one.email.as_str(), Duty::Team(index % TEAMS)));
    let staff: Vec<(&str, Duty)> = doctors.chain(pharmacists).collect();

    let mut shifts = Vec::new();
    if to <= from {
        return shifts;
    }
    let mut day = civil_day(from) - TimeDelta::days(1);
    while midnight(day) < to {
        for (email, duty) in &staff {
            let Some(hour) = start_hour(*duty, day) else { continue };
            let starts_at = midnight(day) + TimeDelta::hours(hour);
            let ends_at = starts_at + TimeDelta::hours(SHIFT_H);
            if starts_at < to && ends_at > from {
                shifts.push(ShiftRecord {
                    staff_email: (*email).into(),
                    starts_at,
                    ends_at,
                    department: None,
                });
            }
        }
        day += TimeDelta::days(1);
    }
    shifts
}

/// The first instant of a civil day in Asia/Shanghai.
fn midnight(day: NaiveDate) -> Timestamp {
    // Noon UTC is the same civil day in Shanghai, whichever day it is.
    let inside: DateTime<Utc> = day.and_hms_opt(12, 0, 0).expect("noon exists").and_utc();
    end_of_civil_day(inside, 0) + TimeDelta::microseconds(1) - TimeDelta::days(1)
}
