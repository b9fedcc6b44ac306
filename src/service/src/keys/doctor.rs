//! The keys with which doctors sign. One that is made here gets a certificate of the network's own key,
//! which names the doctor, the licence and the hospital; it is made when the doctor first signs, and
//! replaced when the certificate ends, names an old fact, or was issued by an earlier key of the network.
//! A key ends with the account or the licence; what it signed before stays valid, unless the key was
//! compromised.

use chrono::{SubsecRound, TimeDelta};
use secrecy::ExposeSecret;

use super::KeyError;
use crate::{Actor, AppState, Failure, Recipients, Tx};
use crypto::{
    certificate::{self, Certificate, Holder, Validity},
    seal::FieldPlace,
    signer::{Ed25519Signer, Signer, Verifier, claimed_key_id},
};
use domain::{
    event::staff::StaffEvent,
    ids::{DoctorKeyId, Id, StaffId},
    keys::{KeyEnd, SigningAlgorithm},
    prescription::PrescriptionDocument,
    time::{Timestamp, civil_day, end_of_civil_day},
};
use storage::{
    Conn,
    events::NewEvent,
    keys::doctor::{self as store, BY_SERVICE, DoctorKeyRow, SignerRow},
};

/// The longest validity of a certificate. Our default: a year, as authorities have it.
const LONGEST_VALIDITY: TimeDelta = TimeDelta::days(365);

/// The key with which a doctor signs at `at`; made where there is none that may be used. Call it with
/// the doctor's row locked: two signatures of one doctor then use one key.
///
/// # Errors
/// Faults of the storage; a key that does not open.
pub(crate) fn signing_key(
    tx: &mut Tx<'_>,
    staff: StaffId,
    (signer, live): (&SignerRow, Option<&DoctorKeyRow>),
    at: Timestamp,
) -> Result<Ed25519Signer, Failure> {
    let issuer = tx.app.keys.prescriptions.signing(at)?;
    if let Some(live) = live {
        if let Some(key) = usable(tx.app, live, signer, issuer.key_id(), at)? {
            return Ok(key);
        }
        end(tx, live, KeyEnd::Superseded)?;
    }
    let key = Ed25519Signer::generate()?;
    let until = end_of_licence(signer, at).min(at + LONGEST_VALIDITY).trunc_subsecs(0);
    let validity = Validity { from: at.trunc_subsecs(0), until };
    let (network, id) = (&tx.app.policy.network, DoctorKeyId::generate());
    let row = DoctorKeyRow {
        id,
        staff_id: staff,
        algorithm: SigningAlgorithm::EdDsa,
        private_sealed: Some(tx.app.keys.sealer.seal(&place(tx.app, id), key.to_pkcs8()?.expose_secret())?),
        certificate: certificate::issue(
            &issuer,
            network,
            (staff, &holder(signer)),
            key.public_key(),
            validity,
        )?,
        issued_by: issuer.key_id().to_owned(),
        valid_from: validity.from,
        valid_until: validity.until,
        created_at: tx.now,
        ended_at: None,
        end_reason: None,
    };
    add(tx, &row)?;
    Ok(key.named(id.to_string()))
}

/// Takes up the certificate of a signing service as that of the doctor's live key, under the id that a
/// signature names already.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn adopt(
    tx: &mut Tx<'_>,
    staff: StaffId,
    (id, certificate): (DoctorKeyId, &Certificate),
    live: Option<&DoctorKeyRow>,
) -> Result<(), Failure> {
    if let Some(live) = live {
        if live.id == id {
            return Ok(());
        }
        end(tx, live, KeyEnd::Superseded)?;
    }
    let row = DoctorKeyRow {
        id,
        staff_id: staff,
        algorithm: SigningAlgorithm::Sm2,
        private_sealed: None,
        certificate: certificate.der().to_vec(),
        issued_by: BY_SERVICE.to_owned(),
        valid_from: certificate.validity.from,
        valid_until: certificate.validity.until,
        created_at: tx.now,
        ended_at: None,
        end_reason: None,
    };
    add(tx, &row)
}

fn add(tx: &mut Tx<'_>, row: &DoctorKeyRow) -> Result<(), Failure> {
    store::doctor_key_add(tx.conn, row)?;
    let event =
        StaffEvent::SigningKeyAdded { key: row.id, algorithm: row.algorithm, valid_until: row.valid_until };
    tx.record(row.staff_id, event, Recipients::staff(row.staff_id))
}

fn end(tx: &mut Tx<'_>, live: &DoctorKeyRow, reason: KeyEnd) -> Result<(), Failure> {
    if store::doctor_key_end(tx.conn, live.id, reason, tx.now)? {
        let event = StaffEvent::SigningKeyEnded { key: live.id, reason };
        tx.record(live.staff_id, event, Recipients::staff(live.staff_id))?;
    }
    Ok(())
}

/// Ends the live key of a member of staff, if they have one.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn end_live(tx: &mut Tx<'_>, staff: StaffId, reason: KeyEnd) -> Result<(), Failure> {
    let live = store::doctor_keys_of(tx.conn, staff)?.into_iter().find(|row| row.ended_at.is_none());
    live.map_or(Ok(()), |live| end(tx, &live, reason))
}

/// All keys of a doctor, the newest last.
///
/// # Errors
/// Faults of the storage.
pub fn list(conn: &mut Conn, staff: StaffId) -> Result<Vec<DoctorKeyRow>, Failure> {
    Ok(store::doctor_keys_of(conn, staff)?)
}

/// Ends a key from the command line: the doctor's next signature makes another. One that is
/// compromised is marked so even after its end.
///
/// # Errors
/// `Unknown` for a key that is not there, or has ended with as much.
pub fn revoke(conn: &mut Conn, id: DoctorKeyId, reason: KeyEnd, now: Timestamp) -> Result<(), KeyError> {
    let row = store::doctor_key_fetch(conn, id)?.ok_or(KeyError::Unknown)?;
    let changed = match reason {
        _ if row.ended_at.is_none() => store::doctor_key_end(conn, id, reason, now)?,
        KeyEnd::Compromised => store::doctor_key_compromised(conn, id)?,
        KeyEnd::Superseded | KeyEnd::Disabled | KeyEnd::LicenceEnded => false,
    };
    if !changed {
        return Err(KeyError::Unknown);
    }
    let event = NewEvent {
        stream_id: Id::from_uuid(row.staff_id.uuid()),
        event: StaffEvent::SigningKeyEnded { key: id, reason }.into(),
        actor_role: Actor::System.role_name(),
        actor_id: None,
        worker_id: None,
        staff_id: Some(row.staff_id),
        at: now,
    };
    storage::events::events_append(conn, &[event])?;
    Ok(())
}

/// The key of the doctor of `document` that made `signature`, if it counts: it was live when the
/// document was signed, it is not compromised, and its certificate was valid then, names the doctor and
/// comes from the network's key, as that counts at `network_at`, or from an authority.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn verifier(
    conn: &mut Conn,
    app: &AppState,
    signature: &str,
    document: &PrescriptionDocument,
    network_at: Timestamp,
) -> Result<Option<Box<dyn Verifier>>, Failure> {
    let id = claimed_key_id(signature).ok().and_then(|kid| kid.parse::<DoctorKeyId>().ok());
    let Some(row) = id.map(|id| store::doctor_key_fetch(conn, id)).transpose()?.flatten() else {
        return Ok(None);
    };
    let Ok(certificate) = Certificate::parse(&row.certificate) else { return Ok(None) };
    Ok(counts(app, &row, &certificate, document, network_at).then(|| certificate.verifier()))
}

fn counts(
    app: &AppState,
    row: &DoctorKeyRow,
    certificate: &Certificate,
    document: &PrescriptionDocument,
    network_at: Timestamp,
) -> bool {
    let prescriber = &document.prescriber;
    let was_live = row.ended_at.is_none_or(|ended| document.signed_at <= ended);
    let is_theirs = row.staff_id == prescriber.staff
        && row.end_reason != Some(KeyEnd::Compromised)
        && was_live
        && certificate.may_sign_at(document.signed_at);
    is_theirs
        && match row.algorithm {
            SigningAlgorithm::EdDsa => {
                let holder = Holder {
                    name: prescriber.name.clone(),
                    licence_no: prescriber.licence_no.clone(),
                    hospital: document.hospital.name.clone(),
                };
                let issuer = app.keys.prescriptions.verifier(&row.issued_by, network_at);
                certificate.holder == holder
                    && issuer.is_some_and(|key| certificate.check_issued_by(key.as_ref()).is_ok())
            }
            SigningAlgorithm::Sm2 => {
                is_of_authority(app, certificate, &prescriber.licence_no, document.signed_at)
            }
        }
}

/// Whether a certificate authority that is trusted here issued it for this licence.
pub(crate) fn is_of_authority(
    app: &AppState,
    certificate: &Certificate,
    licence_no: &str,
    at: Timestamp,
) -> bool {
    certificate.names(licence_no) && certificate.check_authority(&app.signing.authorities, at).is_ok()
}

/// The live key, if it still signs at `at`: its certificate is that of this key, names what is true now,
/// and comes from the network's present key.
fn usable(
    app: &AppState,
    live: &DoctorKeyRow,
    signer: &SignerRow,
    issuer: &str,
    at: Timestamp,
) -> Result<Option<Ed25519Signer>, Failure> {
    let Ok(certificate) = Certificate::parse(&live.certificate) else { return Ok(None) };
    let may_sign = live.issued_by == issuer
        && certificate.holder == holder(signer)
        && certificate.may_sign_at(at)
        && certificate.validity.until <= end_of_licence(signer, at);
    let Some(sealed) = live.private_sealed.as_ref().filter(|_| may_sign) else { return Ok(None) };
    let key = Ed25519Signer::from_pkcs8(&app.keys.sealer.open(&place(app, live.id), sealed)?)?;
    Ok(certificate.certifies(&key.public_key()).then(|| key.named(live.id.to_string())))
}

fn holder(signer: &SignerRow) -> Holder {
    Holder {
        name: signer.name.clone(),
        licence_no: signer.licence_no.clone(),
        hospital: signer.hospital.clone(),
    }
}

fn end_of_licence(signer: &SignerRow, at: Timestamp) -> Timestamp {
    let days = (signer.licence_valid_until - civil_day(at)).num_days();
    end_of_civil_day(at, u32::try_from(days).unwrap_or(0))
}

fn place(app: &AppState, id: DoctorKeyId) -> FieldPlace<'_> {
    FieldPlace::of(&app.policy.network, "doctor_key", "private_sealed", id)
}
