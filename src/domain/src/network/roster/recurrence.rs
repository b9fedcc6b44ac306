//! How shifts repeat: a first start in Asia/Shanghai, a length, and an RRULE (RFC 5545, section
//! 3.3.10). Of RFC 5545 only what a roster needs is accepted: daily, weekly and monthly rules that
//! yield one shift a day at most, so that a date names one shift of a rule.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use rrule::{Frequency, RRule, RRuleSet, Tz, Unvalidated};

use super::Span;
use crate::{
    refusal::FieldProblem,
    spelling::RecurrenceRule,
    time::{Timestamp, shanghai},
    words::Bilingual,
};

/// The time zone of every roster.
pub const TIME_ZONE: &str = "Asia/Shanghai";
/// Minutes of a shift, at most: 24 hours. Our default.
pub const MAX_LENGTH_MINUTES: i32 = 24 * 60;
/// Every how many days, weeks or months, at most. Our default.
const MAX_INTERVAL: u16 = 400;
/// At most this many shifts of a rule are passed over before the asked span: 30 years of daily ones.
const MAX_STEPS: usize = 11_000;
/// A first shift must begin within this time of the rule's first date, which bounds the search for it.
/// Rules of the accepted frequencies that are spelt sensibly have one within four years (29 February).
const MAX_FIRST: TimeDelta = TimeDelta::days(5 * 366);

/// One shift of a rule, before leave and other shifts are considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// The local date on which it begins.
    pub date: NaiveDate,
    pub span: Span,
}

/// A valid rule.
#[derive(Debug, Clone)]
pub struct Recurrence {
    set: RRuleSet,
    length: TimeDelta,
    /// Last local date on which a shift begins.
    last_date: Option<NaiveDate>,
}

impl Recurrence {
    /// Parses a rule.
    ///
    /// # Errors
    /// One problem per bad field: `rrule`, `length_minutes`, `last_date`.
    pub fn new(
        first_date: NaiveDate,
        start_time: NaiveTime,
        length_minutes: i32,
        rrule: &str,
        last_date: Option<NaiveDate>,
    ) -> Result<Self, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        if !(1..=MAX_LENGTH_MINUTES).contains(&length_minutes) {
            problems.push(problem(
                "length_minutes",
                "out_of_range",
                Bilingual::made(
                    format!("须在 1 到 {MAX_LENGTH_MINUTES} 分钟之间。"),
                    format!("A shift is 1 to {MAX_LENGTH_MINUTES} minutes."),
                ),
            ));
        }
        if last_date.is_some_and(|last| last < first_date) {
            let message = Bilingual::fixed("不能早于首日。", "Must not be before the first date.");
            problems.push(problem("last_date", "wrong_order", message));
        }
        let first = Tz::Asia__Shanghai.from_local_datetime(&first_date.and_time(start_time)).single();
        let set = match first {
            None => Err(problem("first_date", "bad_date", Bilingual::fixed("日期无效。", "No such date."))),
            Some(first) => parse(rrule, first),
        };
        match set {
            Ok(set) if problems.is_empty() => {
                Ok(Self { set, length: TimeDelta::minutes(length_minutes.into()), last_date })
            }
            Ok(_) => Err(problems),
            Err(bad) => {
                problems.push(bad);
                Err(problems)
            }
        }
    }

    /// The shifts that meet the span, except those that begin on one of `except`, in order.
    pub fn within(&self, span: Span, except: &BTreeSet<NaiveDate>) -> Vec<Occurrence> {
        let all = self.set.clone().limit();
        all.into_iter()
            .take(MAX_STEPS)
            .map(|start| start.with_timezone(&Utc))
            .take_while(|start| *start < span.until)
            .filter_map(|start| self.occurrence(start))
            .take_while(|one| self.last_date.is_none_or(|last| one.date <= last))
            .filter(|one| one.span.meets(span) && !except.contains(&one.date))
            .collect()
    }

    fn occurrence(&self, start: Timestamp) -> Option<Occurrence> {
        let date = start.with_timezone(&shanghai()).date_naive();
        Some(Occurrence { date, span: Span::new(start, start + self.length)? })
    }
}

fn problem(field: &str, code: &str, message: Bilingual) -> FieldProblem {
    FieldProblem { field: field.to_owned(), code: code.to_owned(), message }
}

fn parse(text: &str, first: chrono::DateTime<Tz>) -> Result<RRuleSet, FieldProblem> {
    let bad = || {
        let message = Bilingual::fixed(
            "须为 RFC 5545 的重复规则，如 FREQ=WEEKLY;BYDAY=MO,WE；UNTIL 以 UTC 写作 20261231T160000Z，且晚于首次开始。",
            "Must be a rule of RFC 5545 such as FREQ=WEEKLY;BYDAY=MO,WE; an UNTIL is UTC, as in \
             20261231T160000Z, and after the first start.",
        );
        problem("rrule", "bad_rrule", message)
    };
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"=;,+-".contains(&byte);
    if !(RecurrenceRule::LEAST..=RecurrenceRule::MOST).contains(&text.len()) || !text.bytes().all(fits) {
        return Err(bad());
    }
    let rule: RRule<Unvalidated> = text.parse().map_err(|_| bad())?;
    match rule.get_freq() {
        Frequency::Daily | Frequency::Weekly | Frequency::Monthly => {}
        Frequency::Yearly | Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {
            let message = Bilingual::fixed(
                "FREQ 只能为 DAILY、WEEKLY 或 MONTHLY。",
                "FREQ must be DAILY, WEEKLY or MONTHLY.",
            );
            return Err(problem("rrule", "bad_frequency", message));
        }
    }
    if !(1..=MAX_INTERVAL).contains(&rule.get_interval()) {
        let message = Bilingual::made(
            format!("INTERVAL 须在 1 到 {MAX_INTERVAL} 之间。"),
            format!("INTERVAL is 1 to {MAX_INTERVAL}."),
        );
        return Err(problem("rrule", "out_of_range", message));
    }
    let times = [rule.get_by_hour(), rule.get_by_minute(), rule.get_by_second()];
    if times.into_iter().any(|times| times.len() > 1) {
        let message = Bilingual::fixed(
            "一条规则每天至多一个班次；一天两班请用两条规则。",
            "A rule yields one shift a day at most; for two shifts a day use two rules.",
        );
        return Err(problem("rrule", "too_often", message));
    }
    // Checked with an end, so that a rule that never applies is found after bounded work.
    let bounded = |rule: RRule<Unvalidated>| match rule.get_until() {
        Some(_) => rule,
        None => rule.until((first + MAX_FIRST).with_timezone(&Tz::UTC)),
    };
    let set = rule.clone().build(first).map_err(|_| bad())?;
    let mut found = bounded(rule).build(first).map_err(|_| bad())?.limit().into_iter();
    if found.next().is_none_or(|start| start > first + MAX_FIRST) {
        let message = Bilingual::fixed(
            "按此规则不会有任何班次，或数年后才有。",
            "The rule yields no shift, or the first one only years later.",
        );
        return Err(problem("rrule", "never_applies", message));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever is spelt like a rule is refused, or yields shifts in order, one a day at most.
        #[test]
        fn any_rule_is_refused_or_yields_one_shift_a_day(
            freq in prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY"]),
            interval in 0_u32..500,
            parts in prop::collection::vec(prop::sample::select(vec![
                "BYDAY=MO", "BYDAY=1MO,-1SU", "BYDAY=53FR", "BYMONTH=2", "BYMONTH=12,13", "BYMONTHDAY=30",
                "BYMONTHDAY=-31,31", "BYMONTHDAY=0", "BYHOUR=23", "BYHOUR=24", "BYMINUTE=59", "BYSETPOS=-1",
                "BYSETPOS=366", "COUNT=0", "COUNT=4000000000", "UNTIL=99991231T235959Z", "WKST=SU",
                "BYEASTER=0", "BYWEEKNO=53", "BYYEARDAY=366", "",
            ]), 0..4),
        ) {
            let text = format!("FREQ={freq};INTERVAL={interval};{}", parts.join(";"));
            let text = text.trim_end_matches(';');
            if let Ok(found) = rule("08:00", 1440, text) {
                let all = found.within(
                    Span::new(at("2026-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z")).expect("a span"),
                    &BTreeSet::new(),
                );
                prop_assert!(all.windows(2).all(|pair| pair[0].date < pair[1].date), "{} {:?}", text, all);
            }
        }
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn rule(start: &str, minutes: i32, rrule: &str) -> Result<Recurrence, Vec<FieldProblem>> {
        let time = NaiveTime::parse_from_str(start, "%H:%M").expect("a time");
        Recurrence::new(date("2026-12-01"), time, minutes, rrule, None)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn starts(of: &Recurrence, from: &str, until: &str, except: &[&str]) -> Vec<String> {
        let span = Span::new(at(from), at(until)).expect("a span");
        let except = except.iter().map(|text| date(text)).collect();
        of.within(span, &except).iter().map(|one| one.span.from.to_rfc3339()).collect()
    }

    fn code(outcome: Result<Recurrence, Vec<FieldProblem>>) -> (String, String) {
        let problems = outcome.expect_err("refused");
        (problems[0].field.clone(), problems[0].code.clone())
    }

    #[test]
    fn an_overnight_shift_is_seen_on_both_days_and_begins_by_the_local_clock() {
        let nights = rule("20:00", 720, "FREQ=DAILY").expect("valid");
        // 20:00 in Shanghai is 12:00 UTC.
        assert_eq!(
            starts(&nights, "2026-12-02T16:00:00Z", "2026-12-03T13:00:00Z", &[]),
            ["2026-12-02T12:00:00+00:00", "2026-12-03T12:00:00+00:00"]
        );
        assert_eq!(
            starts(&nights, "2026-12-02T16:00:00Z", "2026-12-03T13:00:00Z", &["2026-12-02"]),
            ["2026-12-03T12:00:00+00:00"]
        );
    }

    #[test]
    fn count_until_and_days_are_those_of_the_standard() {
        let three = rule("08:00", 60, "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=3").expect("valid");
        let all = ("2026-01-01T00:00:00Z", "2027-12-31T00:00:00Z");
        assert_eq!(
            starts(&three, all.0, all.1, &[]),
            ["2026-12-02T00:00:00+00:00", "2026-12-07T00:00:00+00:00", "2026-12-09T00:00:00+00:00"]
        );
        let until = rule("08:00", 60, "FREQ=DAILY;UNTIL=20261202T000000Z").expect("valid");
        assert_eq!(starts(&until, all.0, all.1, &[]).len(), 2);
        let last = rule("08:00", 60, "FREQ=MONTHLY;BYMONTHDAY=-1").expect("valid");
        assert_eq!(
            starts(&last, all.0, "2027-03-01T00:00:00Z", &[]),
            ["2026-12-31T00:00:00+00:00", "2027-01-31T00:00:00+00:00", "2027-02-28T00:00:00+00:00"]
        );
    }

    #[test]
    fn bad_rules_are_refused_with_their_field_and_after_bounded_work() {
        let long = format!("FREQ=DAILY;BYMONTHDAY={}", vec!["1"; 200].join(","));
        for (bad, expected) in [
            ("", "bad_rrule"),
            ("DAILY", "bad_rrule"),
            ("FREQ=DAILY\nRRULE:FREQ=DAILY", "bad_rrule"),
            ("FREQ=DAILY;UNTIL=20200101T000000Z", "bad_rrule"),
            ("FREQ=DAILY;UNTIL=20270101T000000", "bad_rrule"),
            ("FREQ=WEEKLY;BYMONTHDAY=1", "bad_rrule"),
            ("FREQ=DAILY;COUNT=-1", "bad_rrule"),
            (&long, "bad_rrule"),
            ("FREQ=SECONDLY", "bad_frequency"),
            ("FREQ=HOURLY", "bad_frequency"),
            ("FREQ=YEARLY", "bad_frequency"),
            ("FREQ=DAILY;INTERVAL=0", "out_of_range"),
            ("FREQ=DAILY;INTERVAL=401", "out_of_range"),
            ("FREQ=DAILY;BYHOUR=8,20", "too_often"),
            ("FREQ=DAILY;BYHOUR=8;BYMINUTE=0,10,20", "too_often"),
            ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", "never_applies"),
            ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31", "never_applies"),
            ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=5;BYMONTHDAY=1", "never_applies"),
        ] {
            assert_eq!(code(rule("08:00", 60, bad)), ("rrule".to_owned(), expected.to_owned()), "{bad}");
        }
        for length in [0, -1, MAX_LENGTH_MINUTES + 1, i32::MIN, i32::MAX] {
            assert_eq!(code(rule("08:00", length, "FREQ=DAILY")).0, "length_minutes", "{length}");
        }
        let early =
            Recurrence::new(date("2026-12-01"), NaiveTime::MIN, 60, "FREQ=DAILY", Some(date("2026-11-30")));
        assert_eq!(code(early), ("last_date".to_owned(), "wrong_order".to_owned()));
    }
}
