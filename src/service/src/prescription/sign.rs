//! A doctor signs a prescription: it is checked again in the same transaction, then the canonical
//! bytes of the whole document get a detached signature.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Own,
    body::Body,
    draft::in_wire_terms,
    elsewhere::SignedElsewhere,
    machine::Loaded,
    of_author, own, standing,
    view::{PrescriptionView, Reader, view},
    without_consent,
};
use crate::{
    AppState, Failure, Part, Tx,
    caller::StaffCaller,
    keys::doctor,
    machine::commit,
    profile,
    safety::facts::{self, Gathered},
    staff::signing,
};
use crypto::{
    digest,
    signer::{DetachedKind, sign_detached},
};
use domain::{
    ids::{PrescriptionId, StationId},
    prescription::{
        AsSigned, Command, DocumentDepartment, DocumentHospital, DocumentPatient, DocumentPrescriber,
        DocumentRules, Event, Override, PrescriptionState, Signing, rules, valid_until,
    },
    refusal::{Code, Refusal},
    safety::{Finding, SafetyInput, SafetyReport},
    spelling,
    time::{Timestamp, civil_day, to_micros},
    triage::TriageLevel,
};
use storage::{
    keys::doctor::{DoctorKeyRow, SignerRow, signer_fetch},
    prescription::{self as store, PrescriptionRow},
};

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

/// A draft that may be signed, with the document that is signed.
pub(super) struct Composed {
    before: Loaded,
    body: Body,
    events: Vec<Event>,
    /// What is signed.
    pub bytes: Vec<u8>,
    pub signed_at: Timestamp,
    pub signer: SignerRow,
    /// The doctor's live key.
    pub live_key: Option<DoctorKeyRow>,
}

/// Signs a draft: the safety check runs again in this transaction, and the canonical bytes of the
/// whole document are signed with the doctor's own key. `elsewhere` is a signature that a service made
/// before, for exactly these bytes.
///
/// # Errors
/// `NotFound`; `StateMovedOn`, also when something changed since the service signed; the refusals of
/// [`signing::ensure_signing`]; `SafetyBlocked` and `SafetyWarningsUnanswered` with findings;
/// `PrescribingRule`, also for a patient whose sex or age is unknown, and with a proposed extension late
/// in the day.
pub fn sign(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &SignInput,
    elsewhere: Option<&SignedElsewhere>,
) -> Result<PrescriptionView, Failure> {
    let at = elsewhere.map_or(tx.now, |made| made.signed_at);
    let Composed { mut before, body, events, bytes, signer, live_key, .. } =
        compose(tx, caller, id, input, at)?;
    let signature = match elsewhere {
        None => {
            let key = doctor::signing_key(tx, caller.staff, (&signer, live_key.as_ref()), at)?;
            sign_detached(&key, DetachedKind::Prescription, &bytes)?
        }
        Some(made) => {
            let signature =
                made.signature_of(&bytes, tx.now).ok_or_else(|| Refusal::moved_on(before.row.state))?;
            doctor::adopt(tx, caller.staff, (made.key, &made.certificate), live_key.as_ref())?;
            signature
        }
    };
    let (old_lines, lines) = (before.body.rows(id)?, body.rows(id)?);
    before.row.signature = Some(signature);
    before.row.canonical_sealed = body.seal_document(tx.app, id)?;
    before.replace_body(tx.app, body)?;
    let after = commit(tx, &before, &events)?;
    if lines != old_lines {
        store::lines_replace(tx.conn, id, &lines)?;
    }
    let mut view = view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Doctor, tx.now)?;
    view.signature_valid = Some(true);
    Ok(view)
}

/// Everything that a signature at `at` needs, checked; it writes nothing but the tries of the PIN.
///
/// # Errors
/// As [`sign`].
pub(super) fn compose(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &SignInput,
    at: Timestamp,
) -> Result<Composed, Failure> {
    let Own { prescription: mut before, facts, licence, consents } = own(tx, caller.staff, id)?;
    if before.row.state != PrescriptionState::Draft {
        return Err(Refusal::moved_on(before.row.state).into());
    }
    let consultation = before.row.consultation_id;
    let facts = of_author(facts)?;
    signing::ensure_signing(tx, caller, &input.pin)?;
    if !consents {
        return Err(without_consent(tx.conn, facts.worker_id));
    }
    tx.shown.note(before.row.worker_id, Part::Prescription, id);
    before.as_of(at);
    let lines = before.body.draft.lines.clone();
    let mut gathered = facts::gather(tx.conn, tx.app, facts.worker_id, lines, Some(id), at)?;
    before.body.draft.add_to(&mut gathered.input, at);
    let (signer, live_key) =
        signer_fetch(tx.conn, caller.staff, before.row.hospital_id)?.ok_or(Code::NotFound)?;
    let policy = &tx.app.policy.prescribing;
    let signed_at = to_micros(at);
    let signed_row = PrescriptionRow {
        signed_at: Some(signed_at),
        valid_until: Some(valid_until(at, input.valid_days.unwrap_or(policy.valid_days), policy)),
        ..before.row.clone()
    };
    let checked = checked_body(tx.app, &before.body, (&gathered.input, facts.station_id), &input.overrides);
    let parts = AsSigned {
        patient: patient(tx.app, &gathered, at)?,
        department: DocumentDepartment {
            code: facts.department,
            name: tx.app.departments().label(facts.department).zh.into_owned(),
        },
        prescriber: DocumentPrescriber {
            staff: caller.staff,
            name: signer.name.clone(),
            licence_no: signer.licence_no.clone(),
        },
        hospital: DocumentHospital { id: before.row.hospital_id, name: signer.hospital.clone() },
        rules: DocumentRules {
            ruleset: checked.report.ruleset_version.clone(),
            policy: policy.version.clone(),
        },
        states_skin_test: true,
    };
    // A product that has left the formulary since an earlier version wrote the draft has no names.
    let unnamed = || Refusal::moved_on(before.row.state);
    let body = checked.with_document(&signed_row, parts).ok_or_else(unnamed)?;
    let bytes = body.canonical(&signed_row).unwrap_or_default();
    let formulary = tx.app.formulary();
    let events = before.decide(
        tx.app,
        &Command::Sign(Signing {
            doctor: &standing(caller.staff, consultation, licence, true),
            draft: &body.draft,
            age_years: gathered.input.profile.age_on(gathered.input.on),
            report: &body.report,
            formulary: &formulary,
            rules: &tx.app.rules(),
            valid_days: input.valid_days,
            digest: &digest::hex(&digest::sha256(&bytes)),
            emergency: facts.triage == TriageLevel::Emergency,
        }),
    );
    let events = events.map_err(|mut refusal| {
        refusal.fields = refusal.fields.into_iter().map(in_wire_terms).collect();
        refusal
    })?;
    Ok(Composed { before, body, events, bytes, signed_at, signer, live_key })
}

/// The patient as the form names them.
fn patient(app: &AppState, gathered: &Gathered, at: Timestamp) -> Result<DocumentPatient, Failure> {
    let worker = &gathered.worker;
    let stated = profile::stated(worker, &gathered.profile);
    let (sex, age_months) = rules::check_patient(stated.sex, stated.birth_date, civil_day(at))?;
    Ok(DocumentPatient {
        worker: worker.id,
        name: app.open("worker", "name_sealed", worker.id, &worker.name_sealed)?,
        sex,
        age_years: age_months / 12,
        age_months,
    })
}

/// The contents with the safety check of now, the doctor's reasons, and the names of the current
/// formulary.
fn checked_body(
    app: &AppState,
    draft: &Body,
    (checked, station): (&SafetyInput, StationId),
    overrides: &[OverrideInput],
) -> Body {
    let report = facts::run_new(app, checked, Some(station));
    let mut body = draft.clone();
    body.draft.overrides = answers(&report, overrides);
    body.report = report;
    body.rename(app);
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
