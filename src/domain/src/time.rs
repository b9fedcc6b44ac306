//! Instants and the Chinese civil day. Time is always an argument here.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, SubsecRound, TimeDelta, TimeZone, Utc};

/// A UTC instant, in whole microseconds: the precision of both databases.
pub type Timestamp = DateTime<Utc>;

/// Truncates an instant to microseconds, the precision of both databases.
pub fn to_micros(at: Timestamp) -> Timestamp {
    at.trunc_subsecs(6)
}

/// Asia/Shanghai: UTC+8, without daylight saving since 1991.
pub fn shanghai() -> FixedOffset {
    FixedOffset::east_opt(8 * 3600).expect("eight hours is a valid offset")
}

/// The civil day in Asia/Shanghai on which `at` falls.
pub fn civil_day(at: Timestamp) -> NaiveDate {
    at.with_timezone(&shanghai()).date_naive()
}

/// The first instant of the civil day in Asia/Shanghai on which `at` falls.
pub fn start_of_civil_day(at: Timestamp) -> Timestamp {
    let midnight = shanghai()
        .from_local_datetime(&civil_day(at).and_time(NaiveTime::MIN))
        .single()
        .expect("a fixed offset maps every local time once");
    midnight.with_timezone(&Utc)
}

/// The last microsecond of the civil day in Asia/Shanghai, `days_later` days after `at`'s.
pub fn end_of_civil_day(at: Timestamp, days_later: u32) -> Timestamp {
    let next = civil_day(at) + TimeDelta::days(i64::from(days_later) + 1);
    let midnight = shanghai()
        .from_local_datetime(&next.and_time(NaiveTime::MIN))
        .single()
        .expect("a fixed offset maps every local time once");
    midnight.with_timezone(&Utc) - TimeDelta::microseconds(1)
}

/// Whole months from `born` to `today`; `None` when `born` is in the future.
pub fn months_since(born: NaiveDate, today: NaiveDate) -> Option<u32> {
    let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    let whole = months(today) - months(born) - i64::from(today.day() < born.day());
    u32::try_from(whole).ok()
}
