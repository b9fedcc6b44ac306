//! A doctor signs a prescription: it is checked again in the same transaction, then the canonical
//! bytes of the whole document get a detached signature.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Own,
    body::{Body, SignedUnder},
    draft::in_wire_terms,
    own, own_consultation, standing,
    view::{PrescriptionView, Reader, view},
    without_consent,
};
use crate::{Failure, Part, Tx, caller::StaffCaller, machine::commit, safety::facts, staff::signing};
use crypto::{
    digest,
    signer::{DetachedKind, sign_detached},
};
use domain::{
    ids::PrescriptionId,
    prescription::{Command, Override, PrescriptionState, Signing, valid_until},
    refusal::Refusal,
    safety::{Finding, SafetyInput, SafetyReport},
    spelling,
    triage::TriageLevel,
};
use storage::prescription::{self as store, PrescriptionRow};

/// A reason to go on in spite of a warning.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideInput {
    /// The rule of the finding.
    #[schema(value_type = spelling::RuleCode)]
    pub rule: String,
    /// The lines of the finding; all findings of the rule where left out.
    #[schema(value_type = Option<Vec<u32>>, max_items = 20)]
    pub lines: Option<Vec<usize>>,
    /// Why; the pharmacist sees it.
    #[schema(value_type = spelling::Reason)]
    pub reason: String,
}

/// A doctor's signature.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInput {
    /// The signing PIN.
    #[schema(value_type = spelling::SigningPin)]
    pub pin: String,
    /// Civil days of validity, today counted; the policy sets the maximum and, where left out, the
    /// days, unless little of today is left: then the refusal proposes an extension.
    #[schema(minimum = 1)]
    pub valid_days: Option<u32>,
    /// A reason for each warning.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub overrides: Vec<OverrideInput>,
}

/// Signs a draft: the safety check runs again in this transaction, and the canonical bytes of the
/// whole document are signed.
///
/// # Errors
/// `NotFound`; `StateMovedOn`; the refusals of [`signing::ensure_signing`]; `SafetyBlocked` and
/// `SafetyWarningsUnanswered` with findings; `PrescribingRule`, also with a proposed extension late
/// in the day.
pub fn sign(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &SignInput,
) -> Result<PrescriptionView, Failure> {
    let Own { prescription: mut before, facts, licence, consents } = own(tx, caller.staff, id)?;
    if before.row.state != PrescriptionState::Draft {
        return Err(Refusal::moved_on(before.row.state).into());
    }
    let consultation = before.row.consultation_id;
    let facts = own_consultation(Some(facts), caller.staff)?;
    signing::ensure_signing(tx, caller, &input.pin)?;
    if !consents {
        return Err(without_consent(tx.conn, facts.worker_id));
    }
    tx.shown.note(before.row.worker_id, Part::Prescription, id);
    let lines = before.body.draft.lines.clone();
    let checked = facts::gather(tx.conn, tx.app, facts.worker_id, lines, Some(id), tx.now)?.input;
    let body = signed_body(tx, &before.body, &checked, &input.overrides);
    let policy = &tx.app.policy.prescribing;
    let signed_row = PrescriptionRow {
        signed_at: Some(tx.now),
        valid_until: Some(valid_until(tx.now, input.valid_days.unwrap_or(policy.valid_days), policy)),
        ..before.row.clone()
    };
    let no_bytes = || Failure::inconsistent("a document without its versions");
    let canonical = body.canonical(&signed_row).ok_or_else(no_bytes)?;
    let formulary = tx.app.formulary();
    let events = before.decide(
        tx.app,
        &Command::Sign(Signing {
            doctor: &standing(caller.staff, consultation, licence, true),
            draft: &body.draft,
            age_years: checked.profile.age_on(checked.on),
            report: &body.report,
            formulary: &formulary,
            valid_days: input.valid_days,
            digest: &digest::hex(&digest::sha256(&canonical)),
            emergency: facts.triage == TriageLevel::Emergency,
        }),
    );
    let events = events.map_err(|mut refusal| {
        refusal.fields = refusal.fields.into_iter().map(in_wire_terms).collect();
        refusal
    })?;
    let key = tx.app.keys.prescriptions.signing(tx.now)?;
    before.row.signature = Some(sign_detached(&key, DetachedKind::Prescription, &canonical)?);
    let (old_lines, lines) = (before.body.rows(id)?, body.rows(id)?);
    before.replace_body(tx.app, body)?;
    let after = commit(tx, &before, &events)?;
    if lines != old_lines {
        store::lines_replace(tx.conn, id, &lines)?;
    }
    view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Doctor, tx.now)
}

/// The contents with the safety check of now, the doctor's reasons, and the names of the current
/// formulary.
fn signed_body(tx: &Tx<'_>, draft: &Body, checked: &SafetyInput, overrides: &[OverrideInput]) -> Body {
    let report = facts::run(tx.app, checked);
    let mut body = draft.clone();
    body.draft.overrides = answers(&report, overrides);
    body.signed = Some(SignedUnder {
        ruleset_version: report.ruleset_version.clone(),
        policy_version: tx.app.policy.prescribing.version.clone(),
    });
    body.report = report;
    body.rename(tx.app);
    body
}

/// Assigns the reasons to findings, one per finding. A reason without lines applies to every
/// finding of its rule; one that applies to no finding is dropped.
fn answers(report: &SafetyReport, inputs: &[OverrideInput]) -> Vec<Override> {
    let answer = |finding: &Finding| {
        let fits = |input: &&OverrideInput| {
            let lines = input.lines.clone().map(|mut lines| {
                lines.sort_unstable();
                lines
            });
            input.rule == finding.rule && lines.is_none_or(|lines| lines == finding.lines)
        };
        let input = inputs.iter().find(fits)?;
        Some(Override {
            rule: input.rule.clone(),
            lines: finding.lines.clone(),
            reason: input.reason.trim().to_owned(),
        })
    };
    report.needing_reason().filter_map(answer).collect()
}
