//! A doctor signs a prescription: it is checked again in the same transaction, then the canonical
//! bytes of the whole document get a detached signature.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    draft::in_wire_terms,
    moved_on, own, own_consultation, reason_of, record, standing,
    view::{Body, PrescriptionView, Reader, fetch_view, machine_of, names_of},
};
use crate::{Failure, Part, Tx, caller::StaffCaller, network::me, safety::facts, staff::signing};
use coordination::Topic;
use crypto::{
    digest,
    signer::{DetachedKind, sign_detached},
};
use domain::{
    ids::PrescriptionId,
    prescription::{
        Command, DoctorStanding, DocumentLine, Event, Override, Prescription, PrescriptionDocument,
        PrescriptionState, Signing, canonical_bytes, decide, valid_until,
    },
    refusal::Refusal,
    safety::{Finding, SafetyInput, SafetyReport},
    spelling,
    time::{Timestamp, civil_day},
};
use storage::prescription::{self as store, PrescriptionRow, SignedParts};

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
    let row = own(tx.conn, caller.staff, id)?;
    if row.state != PrescriptionState::Draft {
        return Err(Refusal::moved_on(row.state).into());
    }
    refuse_long_reasons(&input.overrides)?;
    let facts = own_consultation(tx.conn, caller.staff, row.consultation_id)?;
    signing::ensure_signing(tx, caller, &input.pin)?;
    me::lock_care_consent(tx, facts.worker_id)?;
    tx.shown.note(row.worker_id, Part::Prescription, id);
    let mut body = Body::open(tx.app, &row)?;
    let state_machine = machine_of(&row, &body);
    let checked =
        facts::gather(tx.conn, tx.app, facts.worker_id, body.draft.lines.clone(), Some(id), tx.now)?;
    body.report = facts::run(tx.app, &checked);
    body.draft.overrides = answers(&body.report, &input.overrides);
    let (bytes, valid_until) = canonical(tx, &row, &mut body, input.valid_days)?;
    let digest = digest::hex(&digest::sha256(&bytes));
    let doctor = standing(tx.conn, caller.staff, row.consultation_id, true)?;
    let events = decide_signing(tx, &state_machine, &doctor, &body, &checked, input.valid_days, &digest)?;
    body.digest = Some(digest);
    let canonical = String::from_utf8(bytes).map_err(|error| Failure::caused("canonical bytes", error))?;
    let parts = SignedParts {
        body_sealed: body.seal(tx.app, id)?,
        canonical_sealed: tx.app.seal("prescription", "canonical_sealed", id, &canonical)?,
        signature: sign_detached(
            &tx.app.keys.prescriptions.signing(tx.now)?,
            DetachedKind::Prescription,
            canonical.as_bytes(),
        )?,
        signed_at: tx.now,
        valid_until,
    };
    if !store::prescription_sign(tx.conn, id, row.version, &parts)? {
        return Err(moved_on(tx.conn, id)?.into());
    }
    store::lines_replace(tx.conn, id, &body.rows(id)?)?;
    record(tx, &row, &events)?;
    tx.wake(Topic::Reviews);
    fetch_view(tx.conn, tx.app, &mut tx.shown, id, Reader::Doctor, tx.now)
}

fn refuse_long_reasons(overrides: &[OverrideInput]) -> Result<(), Refusal> {
    for (at, one) in overrides.iter().enumerate() {
        reason_of(&format!("overrides[{at}].reason"), &one.reason)?;
    }
    Ok(())
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

/// The document's canonical bytes and the end of its validity; product names are taken from the
/// current formulary.
fn canonical(
    tx: &Tx<'_>,
    row: &PrescriptionRow,
    body: &mut Body,
    valid_days: Option<u32>,
) -> Result<(Vec<u8>, Timestamp), Failure> {
    let policy = &tx.app.policy.prescribing;
    let until = valid_until(tx.now, valid_days.unwrap_or(policy.valid_days), policy);
    if let Ok(names) = names_of(tx.app, &body.draft.lines) {
        body.names = names;
    }
    let lines = body.draft.lines.iter().zip(&body.names).map(|(line, names)| DocumentLine {
        product: line.product.clone(),
        dose_units_thousandths: line.dose_units_thousandths,
        times_per_day: line.times_per_day,
        days: line.days,
        packs: names.packs,
        label: names.label.clone(),
    });
    let document = PrescriptionDocument {
        id: row.id,
        revision: body.revision,
        consultation: row.consultation_id,
        worker: row.worker_id,
        prescriber: row.doctor_id,
        hospital: row.hospital_id,
        lane: body.draft.lane,
        kind: body.draft.kind,
        diagnoses: body.draft.diagnoses.clone(),
        lines: lines.collect(),
        overrides: body.draft.overrides.clone(),
        longer_reason: body.draft.longer_reason.clone(),
        issued_on: civil_day(tx.now),
        valid_until: until,
        ruleset_version: body.report.ruleset_version.clone(),
        policy_version: policy.version.clone(),
    };
    Ok((canonical_bytes(&document), until))
}

fn decide_signing(
    tx: &Tx<'_>,
    state_machine: &Prescription,
    doctor: &DoctorStanding,
    body: &Body,
    checked: &SafetyInput,
    valid_days: Option<u32>,
    digest: &str,
) -> Result<Vec<Event>, Refusal> {
    let formulary = tx.app.formulary();
    let signing = Signing {
        doctor,
        draft: &body.draft,
        age_years: checked.profile.age_on(checked.on),
        report: &body.report,
        formulary: &formulary,
        valid_days,
        digest,
    };
    decide(state_machine, &Command::Sign(signing), tx.now, &tx.app.policy.prescribing).map_err(
        |mut refusal| {
            refusal.fields = refusal.fields.into_iter().map(in_wire_terms).collect();
            refusal
        },
    )
}
