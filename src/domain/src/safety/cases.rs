//! The worked cases of `rules/cases.csv`: what a pharmacist expects of the rules, as a table.

#[cfg(test)]
use std::collections::BTreeSet;

use super::{
    Diagnosed, DraftLine, Profile, SafetyInput, SafetyReport, Severity, Sex, SkinTest, SkinTestResult, Taken,
    trial::{day, healthy},
};
#[cfg(test)]
use super::{RuleSet, check};
#[cfg(test)]
use crate::formulary::Formulary;
use crate::{
    formulary::{Condition, ProductCode},
    network::Job,
};

pub(super) const CASES_CSV: &str = include_str!("../../rules/cases.csv");

/// One case, without alternatives.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) id: String,
    /// Who, what is prescribed and what is taken, as the table writes it.
    pub(super) situation: String,
    pub(super) input: SafetyInput,
    /// Rule and severity that must be found; the rule `verdict` is the whole report's.
    pub(super) expect: Vec<(String, String)>,
    /// Rules that must not be found.
    pub(super) silent: Vec<String>,
    /// Rules, ingredients and other names that it mentions.
    #[cfg(test)]
    pub(super) words: BTreeSet<String>,
}

impl Case {
    /// What a report says that the case does not expect, or the other way round.
    pub(super) fn broken_by(&self, report: &SafetyReport) -> Option<String> {
        let found = |rule: &str| severity_of(report, rule);
        for (rule, severity) in &self.expect {
            let seen = match rule.as_str() {
                "verdict" => Some(report.verdict.as_str()),
                rule => found(rule).map(Severity::as_str),
            };
            if seen != Some(severity.as_str()) {
                return Some(format!("{}: {rule} is {seen:?}, not {severity}", self.id));
            }
        }
        let loud = self.silent.iter().find(|rule| found(rule).is_some());
        loud.map(|rule| format!("{}: {rule} is found", self.id))
    }

    /// What is not as expected under these rules.
    #[cfg(test)]
    pub(super) fn wrong(&self, formulary: &Formulary, rules: &RuleSet) -> Option<String> {
        let report = check(&self.input, formulary, rules);
        self.broken_by(&report).map(|what| format!("{what}: {report:#?}"))
    }
}

/// The highest severity with which `rule` was found.
fn severity_of(report: &SafetyReport, rule: &str) -> Option<Severity> {
    report.findings.iter().filter(|finding| finding.rule == rule).map(|finding| finding.severity).max()
}

/// All cases, one per alternative.
pub(super) fn all() -> Vec<Case> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(CASES_CSV.as_bytes());
    let mut cases = Vec::new();
    for record in reader.records() {
        let record = record.expect("a row");
        let cells: Vec<&str> = record.iter().collect();
        let [id, profile, lines, taking, expect, silent, source] = cells[..] else { panic!("{record:?}") };
        assert!(!source.is_empty(), "{id}: no source");
        for one in alternatives(&[profile, lines, taking].join("\n")) {
            let parts: Vec<&str> = one.split('\n').collect();
            cases.push(parsed(id, parts[0], parts[1], parts[2], expect, silent));
        }
    }
    cases
}

/// The texts that `{a|b}` stands for.
fn alternatives(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else { return vec![text.to_owned()] };
    let (group, after) = rest.split_once('}').expect("closed");
    let each = group.split('|').flat_map(|one| alternatives(&format!("{before}{one}{after}")));
    each.collect()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn parsed(id: &str, profile: &str, lines: &str, taking: &str, expect: &str, silent: &str) -> Case {
    let expect: Vec<(String, String)> = list(expect)
        .map(|part| {
            part.split_once('=').map(|(rule, is)| (rule.to_owned(), is.to_owned())).expect("rule=severity")
        })
        .collect();
    let silent: Vec<String> = list(silent).map(str::to_owned).collect();
    #[cfg(test)]
    let words = words([profile, lines, taking], &expect, &silent);
    let input = SafetyInput {
        on: day(),
        lines: list(lines).map(line).collect(),
        taking: list(taking).map(taken).collect(),
        profile: person(profile),
    };
    let written = [profile, lines, taking].into_iter().filter(|part| !part.is_empty());
    let situation = written.collect::<Vec<_>>().join(" | ");
    Case {
        id: id.to_owned(),
        situation,
        input,
        expect,
        silent,
        #[cfg(test)]
        words,
    }
}

/// Rules, ingredients and other names that a case mentions.
#[cfg(test)]
fn words(texts: [&str; 3], expect: &[(String, String)], silent: &[String]) -> BTreeSet<String> {
    let mut words: BTreeSet<String> = expect.iter().map(|(rule, _)| rule).chain(silent).cloned().collect();
    words.extend(texts.iter().flat_map(|text| {
        text.split([' ', ';', ':', '=', '@', '+']).filter(|word| !word.is_empty()).map(str::to_owned)
    }));
    words
}

/// `PCM-T500 1x3x3`, or `@ibuprofen:400`: a trial tablet of 1 mg, once a day for three days.
fn line(text: &str) -> DraftLine {
    if let Some(trial) = text.strip_prefix('@') {
        let (ingredient, mg) = trial.split_once(':').unwrap_or((trial, "1"));
        return DraftLine {
            product: ProductCode::parse(&format!("x-{}", ingredient.replace('_', "-"))).expect("a code"),
            dose_units_thousandths: mg.parse::<i64>().expect("milligrams") * 1000,
            times_per_day: 1,
            days: 3,
        };
    }
    let (code, dose) = text.split_once(' ').expect("product and dose");
    let parts: Vec<&str> = dose.trim().split('x').collect();
    let [units, times, days] = parts[..] else { panic!("{text}") };
    let (whole, tenths) = units.split_once('.').unwrap_or((units, "0"));
    let thousandths =
        whole.parse::<i64>().expect("units") * 1000 + tenths.parse::<i64>().expect("a tenth") * 100;
    DraftLine {
        product: ProductCode::parse(code).expect("a code"),
        dose_units_thousandths: thousandths,
        times_per_day: times.parse().expect("times"),
        days: days.parse().expect("days"),
    }
}

fn taken(text: &str) -> Taken {
    let (medicine, mg) = text.split_once(':').map_or((text, None), |(medicine, mg)| (medicine, Some(mg)));
    let day_ug = mg.map(|mg| mg.parse::<i64>().expect("milligrams") * 1000);
    Taken::Reported { medicine: medicine.to_owned(), day_ug }
}

fn skin_test(text: &str) -> Option<SkinTest> {
    let (result, ago) = text.split_once('/')?;
    let (hours, minutes) = ago.split_once(':')?;
    let minutes_ago = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(SkinTest { result: SkinTestResult::parse(result)?, minutes_ago })
}

fn person(text: &str) -> Profile {
    let mut profile = healthy();
    for part in text.split_whitespace() {
        if let Some(condition) = part.strip_prefix('+') {
            profile.conditions.push(Condition::parse(condition).expect("a condition"));
            continue;
        }
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let number = || (value != "?").then(|| value.parse::<i64>().expect("a number"));
        let answer = || match value {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        match key {
            "age" => profile.age_years = number().map(|age| u32::try_from(age).expect("an age")),
            "weight" => profile.weight_g = number().map(|kilograms| kilograms * 1000),
            "sex" => {
                profile.sex = match value {
                    "f" => Some(Sex::Female),
                    "?" => None,
                    _ => Some(Sex::Male),
                };
            }
            "pregnant" => profile.pregnant = answer(),
            "nursing" => profile.breastfeeding = answer(),
            "egfr" => (profile.egfr, profile.creatinine_clearance) = (number(), None),
            "clearance" => profile.creatinine_clearance = number(),
            "bp" => {
                let pair = value.split_once('/');
                profile.systolic = pair.map(|(high, _)| high.parse().expect("mmHg"));
                profile.diastolic = pair.map(|(_, low)| low.parse().expect("mmHg"));
            }
            "alcohol" => profile.breath_alcohol = number(),
            "temp" => profile.temperature_tenths = number(),
            "job" => profile.job = Job::parse(value),
            "height" => profile.works_at_height = true,
            "dehydrated" => profile.dehydrated = true,
            // `skin=negative/72:00`, hours and minutes ago.
            "skin" => profile.skin_test = skin_test(value),
            "treats" => {
                let (code, text) = value.split_once('/').unwrap_or(("", value));
                let code = Some(code.to_owned()).filter(|code| !code.is_empty());
                profile.diagnoses.push(Diagnosed { code, text: text.to_owned() });
            }
            "allergy" => profile.allergies.push(value.to_owned()),
            other => panic!("{other}"),
        }
    }
    profile
}
