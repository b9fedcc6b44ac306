//! A signed prescription outside of this service: the document as it was signed, with everything that
//! somebody else needs to verify it; its forms to print; and the check that anybody who holds the paper
//! may make, which says nothing about health.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::Body, readable, signature};
use crate::{Actor, AppState, Failure, HealthAccess, Part, rate_limit};
use crypto::{
    blind::BlindField,
    certificate::{self, to_pem},
    digest,
    signer::claimed_key_id,
};
use domain::{
    ids::{DoctorKeyId, PrescriptionId},
    keys::SigningAlgorithm,
    prescription::{PrescriptionDocument, PrescriptionState},
    refusal::{Code, Refusal},
};
use storage::{
    Conn,
    keys::doctor::doctor_key_fetch,
    prescription::{self as store, PrescriptionRow},
};

/// The document that a doctor signed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SignedDocument {
    /// Canonical JSON, byte for byte as it was signed.
    pub document: String,
    /// A detached JWS (RFC 7515, appendix F) over these bytes.
    pub signature: String,
    /// How it is signed; none for one that the network's key signed, until version 0.3.
    pub algorithm: Option<SigningAlgorithm>,
    /// The doctor's certificate and those of its issuers, in PEM.
    pub certificates: Vec<String>,
    /// When it was signed.
    pub signed_at: DateTime<Utc>,
    /// Whether the signature is valid, and what is stored agrees with the document.
    pub signature_valid: bool,
    /// Where anybody who holds the paper can check it, without health data.
    pub check_url: Option<String>,
}

/// What the printed forms show.
#[derive(Debug)]
pub struct Paper {
    pub document: PrescriptionDocument,
    pub state: PrescriptionState,
    pub check_url: String,
}

/// What anybody may know about a prescription whose paper they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaperStanding {
    /// Signed; a pharmacist has not approved it yet.
    NotInEffect,
    Valid,
    /// Withdrawn, or returned to its doctor.
    Void,
    Expired,
    /// Every pack was dispensed.
    Redeemed,
    /// The signature does not fit, or its key does not count.
    Invalid,
}

/// The answer to the check of a paper.
#[derive(Debug)]
pub struct PaperCheck {
    pub standing: PaperStanding,
    pub issued_on: NaiveDate,
    pub hospital: String,
}

/// The document as it was signed, for those who may read the prescription.
///
/// # Errors
/// As [`super::fetch`]; `StateMovedOn` for one that is not signed.
pub fn signed_document(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    actor: Actor,
    id: PrescriptionId,
) -> Result<SignedDocument, Failure> {
    let (_, row) = readable(conn, actor, id)?;
    shown.note(row.worker_id, Part::Prescription, id);
    let body = Body::open(app, &row)?;
    let unsigned = || Refusal::moved_on(row.state);
    let (signature, signed_at) = row.signature.clone().zip(row.signed_at).ok_or_else(unsigned)?;
    let bytes = body.canonical(&row).ok_or_else(unsigned)?;
    let (algorithm, certificates) = match body.document() {
        Some(_) => certificates(conn, app, &signature)?,
        None => (None, Vec::new()),
    };
    Ok(SignedDocument {
        signature_valid: signature::shown(conn, app, &row, &body)?.unwrap_or(false),
        check_url: body.document().map(|_| check_url(app, id, &bytes)),
        document: String::from_utf8(bytes).map_err(|error| Failure::caused("a signed document", error))?,
        signature,
        algorithm,
        certificates,
        signed_at,
    })
}

fn certificates(
    conn: &mut Conn,
    app: &AppState,
    signature: &str,
) -> Result<(Option<SigningAlgorithm>, Vec<String>), Failure> {
    let id = claimed_key_id(signature).ok().and_then(|kid| kid.parse::<DoctorKeyId>().ok());
    let Some(row) = id.map(|id| doctor_key_fetch(conn, id)).transpose()?.flatten() else {
        return Ok((None, Vec::new()));
    };
    let mut found = vec![to_pem(&row.certificate)];
    match row.algorithm {
        SigningAlgorithm::EdDsa => {
            if let Some((since, key)) = app.keys.prescriptions.find(&row.issued_by) {
                found.push(to_pem(&certificate::authority(&key, &app.policy.network, since)?));
            }
        }
        SigningAlgorithm::Sm2 => found.extend(app.signing.authorities.iter().map(|one| to_pem(one.der()))),
    }
    Ok((Some(row.algorithm), found))
}

/// What the forms to print show. Nothing is printed whose signature is not valid.
///
/// # Errors
/// As [`super::fetch`]; `StateMovedOn` for one that is not signed, or was returned, withdrawn or has
/// expired; `PrescriptionSignatureInvalid`; `NotFound` for one that version 0.3 or an earlier one
/// signed: its document lacks what the form must show.
pub fn paper(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    actor: Actor,
    id: PrescriptionId,
) -> Result<Paper, Failure> {
    let (_, row) = readable(conn, actor, id)?;
    shown.note(row.worker_id, Part::Prescription, id);
    match row.state {
        PrescriptionState::Signed | PrescriptionState::Approved | PrescriptionState::Fulfilled => {}
        PrescriptionState::Draft
        | PrescriptionState::Returned
        | PrescriptionState::Void
        | PrescriptionState::Expired => return Err(Refusal::moved_on(row.state).into()),
    }
    let body = Body::open(app, &row)?;
    if signature::shown(conn, app, &row, &body)? != Some(true) {
        return Err(Refusal::new(Code::PrescriptionSignatureInvalid).in_state(row.state).into());
    }
    let document = body.document().ok_or(Code::NotFound)?.clone();
    let check_url = check_url(app, id, &document.canonical_bytes());
    Ok(Paper { document, state: row.state, check_url })
}

fn check_url(app: &AppState, id: PrescriptionId, bytes: &[u8]) -> String {
    format!("{}/verify/{}", app.public_url, check_code(app, id, bytes))
}

/// The id and a keyed digest of exactly this document: nobody can guess one, and the paper of a document
/// that was replaced finds nothing.
fn check_code(app: &AppState, id: PrescriptionId, bytes: &[u8]) -> String {
    let subject = format!("{id}\n{}", digest::hex(&digest::sha256(bytes)));
    let keyed = app.keys.blind.of(BlindField::PrescriptionCheck, &subject);
    BASE64URL_NOPAD.encode(&[id.uuid().as_bytes(), &keyed[..16]].concat())
}

/// Checks a paper by the code on it.
///
/// # Errors
/// `TooManyRequests` for an address that asks too often; `NotFound`.
pub async fn check(app: &Arc<AppState>, address: &str, code: &str) -> Result<PaperCheck, Failure> {
    let taken = rate_limit::PAPER_ADDRESS.reserve(app, &[address]).await?;
    let code = code.to_owned();
    let found = app.read_snapshot(Actor::Anyone, move |conn, app| find(conn, app, &code)).await;
    if found.is_ok() {
        // Only failures count: many people share an address.
        taken.give_back(app).await;
    }
    found
}

fn find(conn: &mut Conn, app: &AppState, code: &str) -> Result<PaperCheck, Failure> {
    let bytes = BASE64URL_NOPAD.decode(code.as_bytes()).map_err(|_| Code::NotFound)?;
    let id: [u8; 16] = bytes.get(..16).and_then(|id| id.try_into().ok()).ok_or(Code::NotFound)?;
    let id = PrescriptionId::from_uuid(uuid::Uuid::from_bytes(id));
    let row = store::prescription_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let body = Body::open(app, &row).map_err(|_| Code::NotFound)?;
    let document = body.document().ok_or(Code::NotFound)?;
    if check_code(app, id, &document.canonical_bytes()) != code {
        return Err(Code::NotFound.into());
    }
    Ok(PaperCheck {
        standing: standing(conn, app, &row, &body)?,
        issued_on: document.issued_on,
        hospital: document.hospital.name.clone(),
    })
}

fn standing(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
    body: &Body,
) -> Result<PaperStanding, Failure> {
    if signature::shown(conn, app, row, body)? != Some(true) {
        return Ok(PaperStanding::Invalid);
    }
    let has_expired = row.valid_until.is_none_or(|until| until < app.now());
    Ok(match row.state {
        PrescriptionState::Fulfilled => PaperStanding::Redeemed,
        PrescriptionState::Void | PrescriptionState::Returned | PrescriptionState::Draft => {
            PaperStanding::Void
        }
        PrescriptionState::Expired => PaperStanding::Expired,
        PrescriptionState::Signed | PrescriptionState::Approved if has_expired => PaperStanding::Expired,
        PrescriptionState::Signed => PaperStanding::NotInEffect,
        PrescriptionState::Approved => PaperStanding::Valid,
    })
}
