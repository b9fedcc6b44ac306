//! The triage rules applied to a buyer: a person in danger must get help instead of buying a drug.
//! They use what was measured and what raised alerts lately, at any screen and for every row of the
//! person, so that leaving and coming back hides nothing. A red flag is settled by the doctor who
//! saw it, a measured value by a better one.

use std::borrow::Cow;

use super::Person;
use crate::{
    Failure, Tx, alert,
    triage::{self, Case, TriageView},
};
use domain::{
    safety::{Finding, Severity},
    triage::{EMERGENCY_NUMBER, RedFlagCode, TriageLevel},
    words::Bilingual,
};

const SOURCE: &str = "Waystation clinical rules, triage: an emergency gets help at once. Our default: nothing is sold over the counter instead";

/// Triage findings against a sale: a block for an emergency and for an extreme value that waits for
/// its second measurement, a warning where a doctor must be seen soon.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn findings(tx: &mut Tx<'_>, person: &Person) -> Result<Vec<Finding>, Failure> {
    let case = case_of(tx, person)?;
    let mut found = of_view(&triage::judge(tx.conn, tx.app, case)?);
    if let Some(row) = storage::consultation::consultation_live_of(tx.conn, person.worker)? {
        for finding in of_view(&triage::of_consultation(tx.conn, tx.app, &row)?) {
            if !found.iter().any(|known| known.message == finding.message) {
                found.push(finding);
            }
        }
    }
    Ok(found)
}

/// The buyer's recent readings, reported symptoms and alerts.
fn case_of(tx: &mut Tx<'_>, person: &Person) -> Result<Case, Failure> {
    let since = tx.now - triage::ALERT_COUNTS_FOR;
    let seen_since = tx.now - triage::SEEN_BY_A_DOCTOR;
    let seen = match storage::triage::recent::completed_lately(tx.conn, &person.rows, seen_since)? {
        Some(row) => Some((row.ended_at.unwrap_or(row.requested_at), triage::flags_of(&row)?)),
        None => None,
    };
    let mut earlier: Vec<RedFlagCode> = Vec::new();
    for alert in storage::triage::recent::alerts_lately(tx.conn, &person.rows, since)? {
        let mut flags = alert::flags_of(&alert)?;
        if let Some((at, settled)) = &seen
            && alert.raised_at <= *at
        {
            // An alert that is still open also collects red flags raised after the doctor's visit.
            let here = alert.check_in_id == person.check_in;
            flags.retain(|flag| here && !settled.contains(flag));
        }
        earlier.extend(flags);
    }
    let rows = storage::triage::recent::readings_lately(tx.conn, &person.rows, since)?;
    // Symptoms and consciousness raised alerts already, and so are among `earlier`.
    let mut reported = storage::vitals::entered_in_check_in(tx.conn, person.check_in)?;
    reported.symptoms.clear();
    reported.context.consciousness = None;
    Ok(Case {
        worker: person.worker,
        readings: rows.iter().map(storage::vitals::ReadingRow::to_timed).collect(),
        reported,
        asked: false,
        earlier,
    })
}

fn of_view(view: &TriageView) -> Vec<Finding> {
    let found = |rule: &'static str, severity, message| Finding {
        rule: Cow::Borrowed(rule),
        severity,
        lines: Vec::new(),
        message,
        source: Cow::Borrowed(SOURCE),
    };
    if view.level == TriageLevel::Emergency {
        let flags = view.red_flags.iter();
        let mut blocks: Vec<Finding> = flags
            .map(|flag| {
                let message = Bilingual::made(
                    format!("{}此处不能自行购药。", flag.advice.zh),
                    format!("{} Nothing is sold here without a doctor now.", flag.advice.en),
                );
                found("triage_emergency", Severity::Block, message)
            })
            .collect();
        if blocks.is_empty() {
            let message = Bilingual::made(
                format!("情况危急：请立即拨打 {EMERGENCY_NUMBER}。此处不能自行购药。"),
                format!(
                    "This is an emergency: call {EMERGENCY_NUMBER} now. Nothing is sold here without a doctor now."
                ),
            );
            blocks.push(found("triage_emergency", Severity::Block, message));
        }
        return blocks;
    }
    if let Some(again) = &view.measure_again {
        return vec![found("triage_measure_again", Severity::Block, again.advice.clone())];
    }
    if view.level == TriageLevel::Urgent {
        let message = Bilingual::made(
            format!(
                "您的测量结果需要医生尽快诊视：请先在此请求医生。自行用药可能掩盖病情；加重时拨打 {EMERGENCY_NUMBER}。"
            ),
            format!(
                "What was measured needs a doctor soon: ask for one here first. A drug may hide an illness; if it gets worse, call {EMERGENCY_NUMBER}."
            ),
        );
        return vec![found("triage_urgent", Severity::Warn, message)];
    }
    Vec::new()
}
