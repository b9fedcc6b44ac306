//! A signature by the signing service of a certificate authority. It is made before the transaction
//! that signs, which never waits for another machine: first everything is checked and the bytes are
//! composed; then the service signs their digest; then the transaction composes them again, and takes the
//! signature only if they are the same. Whatever fails on the way leaves a draft.

use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use super::sign::{Composed, SignInput, compose};
use crate::{Actor, AppState, Failure, caller::StaffCaller, keys::doctor};
use crypto::{
    certificate::Certificate,
    signer::{DetachedKind, sign_detached, signing_input, verify_detached},
    sm2::{self, SM2},
};
use domain::{
    ids::{DoctorKeyId, PrescriptionId},
    keys::SigningAlgorithm,
    refusal::{Code, Refusal},
    time::{Timestamp, civil_day},
};
use signing::{Asked, Signed, SigningError, SigningService};

/// For how long a signature may be taken into a prescription. Our default: longer than all tries of the
/// service together.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(90);
/// By how much the service's clock may differ from ours. Our default.
const CLOCK_DIFFERENCE: TimeDelta = TimeDelta::minutes(5);

/// A signature that a service made.
#[derive(Debug)]
pub struct SignedElsewhere {
    bytes: Vec<u8>,
    jws: String,
    pub(super) signed_at: Timestamp,
    /// The id under which the signature names its key.
    pub(super) key: DoctorKeyId,
    pub(super) certificate: Certificate,
}

impl SignedElsewhere {
    /// The signature, if it is for these bytes, and not too old.
    pub(super) fn signature_of(&self, bytes: &[u8], now: Timestamp) -> Option<String> {
        let recent = now - self.signed_at <= LONGEST_WAIT && civil_day(now) == civil_day(self.signed_at);
        (recent && self.bytes == bytes).then(|| self.jws.clone())
    }
}

impl AppState {
    /// Whether doctors' signatures are made by a service.
    pub fn signs_elsewhere(&self) -> bool {
        self.signing.service.is_some()
    }
}

/// Has the service sign a draft, after every check that signing makes. Nothing is written but the tries
/// of the PIN.
///
/// # Errors
/// As [`super::sign::sign`]; `SigningRefused`; `SigningUnavailable` when the service cannot be reached
/// in time, or answers nonsense.
pub async fn prepare(
    app: &Arc<AppState>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: Arc<SignInput>,
) -> Result<SignedElsewhere, Failure> {
    let service = app.signing.service.as_ref().ok_or_else(|| Failure::inconsistent("no signing service"))?;
    let composed = app
        .write(Actor::Staff(caller), move |tx| compose(tx, caller, id, &input, tx.now).map(Document::from));
    let document = composed.await?;
    // Which certificate the doctor has, the service knows: its answer may bring a new one, and then the
    // signature must name a new key.
    let mut key = document.known.as_ref().map_or_else(DoctorKeyId::generate, |(key, _)| *key);
    for _ in 0..2 {
        let made = ask(app, service, &document, key).await.map_err(refusal)?;
        let is_known = match &document.known {
            Some((known, certificate)) if *known == key => certificate == made.certificate.der(),
            Some(_) | None => true,
        };
        if is_known {
            return Ok(made);
        }
        key = DoctorKeyId::generate();
    }
    Err(refusal(SigningError::Nonsense("each answer has another certificate")))
}

/// What the service signs, and for whom.
struct Document {
    bytes: Vec<u8>,
    signed_at: Timestamp,
    licence_no: String,
    /// The service's key that the doctor used last, with its certificate.
    known: Option<(DoctorKeyId, Vec<u8>)>,
}

impl From<Composed> for Document {
    fn from(composed: Composed) -> Self {
        let known = composed.live_key.filter(|row| row.algorithm == SigningAlgorithm::Sm2);
        Self {
            bytes: composed.bytes,
            signed_at: composed.signed_at,
            licence_no: composed.signer.licence_no,
            known: known.map(|row| (row.id, row.certificate)),
        }
    }
}

async fn ask(
    app: &AppState,
    service: &SigningService,
    document: &Document,
    key: DoctorKeyId,
) -> Result<SignedElsewhere, SigningError> {
    let unusable = |_| SigningError::Nonsense("the signature does not verify");
    let kid = key.to_string();
    let input = signing_input(SM2, &kid, DetachedKind::Prescription, &document.bytes).map_err(unusable)?;
    let digest = sm2::sm3(&input);
    let asked = Asked { id: Uuid::now_v7(), licence_no: &document.licence_no, digest };
    let Signed { signature, certificate, signed_at } = service.sign(asked).await?;
    if (signed_at - document.signed_at).abs() > CLOCK_DIFFERENCE {
        return Err(SigningError::Nonsense("its time is another"));
    }
    if !certificate.may_sign_at(document.signed_at)
        || !doctor::is_of_authority(app, &certificate, &document.licence_no, document.signed_at)
    {
        return Err(SigningError::Nonsense("the certificate is not the doctor's by a trusted authority"));
    }
    let signer = sm2::SignedElsewhere { key_id: kid, digest, signature };
    let jws = sign_detached(&signer, DetachedKind::Prescription, &document.bytes).map_err(unusable)?;
    verify_detached(&jws, DetachedKind::Prescription, &document.bytes, |_| Some(certificate.verifier()))
        .map_err(unusable)?;
    Ok(SignedElsewhere {
        bytes: document.bytes.clone(),
        jws,
        signed_at: document.signed_at,
        key,
        certificate,
    })
}

fn refusal(error: SigningError) -> Failure {
    tracing::warn!(%error, "no signature of the signing service");
    match error {
        SigningError::Refused(_) => Code::SigningRefused.into(),
        SigningError::NoAnswer | SigningError::Failed(_) | SigningError::Nonsense(_) => {
            Refusal::new(Code::SigningUnavailable).retry_after(RETRY_SECONDS).into()
        }
    }
}

/// When to try again. Our default.
const RETRY_SECONDS: u32 = 5;
