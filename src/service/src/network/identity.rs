//! How a person without a card is found again: by a phone that a code proved, together with the
//! name, or by an identity document that the station's reader read or an operator saw. A claim
//! without proof finds nobody.
//!
//! Two people who share a phone have separate records, because the name is part of the lookup. A
//! resident identity number identifies one person whatever their name; numbers of other documents
//! are looked up together with the name, since different countries issue the same numbers.

use crate::{AppState, Failure, Recipients, Tx};
use crypto::blind::BlindField;
use domain::{
    event::worker::WorkerEvent,
    ids::{IdentityId, WorkerId},
    network::{DocumentKind, DocumentNumber, Identified, IdentityKind, Phone, comparable_name},
    refusal::Code,
    words::Bilingual,
};
use storage::{
    Conn,
    network::{
        identity::{self as store, NewIdentity},
        worker::WorkerRow,
    },
    sql_types::At,
};

/// A proof or claim by which a person is found.
pub(crate) struct Key {
    pub kind: IdentityKind,
    /// Its keyed digest.
    pub lookup: [u8; 32],
    /// Its number in clear, to be sealed.
    value: String,
}

impl Key {
    /// A phone and a name.
    pub fn phone(app: &AppState, phone: &Phone, name: &str) -> Self {
        let both = format!("{}\n{}", phone.as_str(), comparable_name(name));
        Self {
            kind: IdentityKind::Phone,
            lookup: app.keys.blind.of(BlindField::PhoneAndName, &both),
            value: phone.as_str().to_owned(),
        }
    }

    /// A document; and a name, if its number alone does not identify a person.
    pub fn document(app: &AppState, document: &DocumentNumber, name: &str) -> Self {
        let lookup = match document.kind() {
            DocumentKind::ResidentId => app.keys.blind.of(BlindField::IdentityNumber, document.as_str()),
            DocumentKind::Passport | DocumentKind::Other => {
                let all = format!("{}\n{}\n{}", document.kind(), document.as_str(), comparable_name(name));
                app.keys.blind.of(BlindField::DocumentAndName, &all)
            }
        };
        Self { kind: IdentityKind::of(document.kind()), lookup, value: document.as_str().to_owned() }
    }
}

/// The result of [`find`].
pub(crate) enum Found {
    /// The record that the proof belongs to, and the row of the record into which it was merged
    /// (or the same).
    Person(WorkerId, Box<WorkerRow>),
    /// Nobody.
    Nobody {
        /// Digests of proofs that belong to somebody else; they must not be added again.
        others: Vec<[u8; 32]>,
    },
}

/// Finds the person of these proofs, strongest proof first, and locks their row.
///
/// A phone does not find a person who has another resident identity number than the one given:
/// that is somebody else with the same name and the same phone.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn find(tx: &mut Tx<'_>, keys: &[Key]) -> Result<Found, Failure> {
    let mut others = Vec::new();
    let resident = keys.iter().find(|key| key.kind == IdentityKind::ResidentId);
    for key in keys {
        let Some(owner) = store::identity_owner(tx.conn, &key.lookup)? else { continue };
        let worker = lock_root(tx, owner)?;
        if let Some(resident) = resident
            && key.kind != IdentityKind::ResidentId
        {
            let known = storage::network::worker::worker_with_merged(tx.conn, worker.id)?;
            let other = store::identities_checked(tx.conn, &known)?
                .into_iter()
                .any(|(_, kind, lookup)| kind == IdentityKind::ResidentId && lookup != resident.lookup);
            if other {
                others.push(key.lookup);
                continue;
            }
        }
        return Ok(Found::Person(owner, Box::new(worker)));
    }
    Ok(Found::Nobody { others })
}

/// Locks the worker into whom a record was merged, or the record's own worker. A merge that was
/// committed while this waited for the lock is followed as well.
pub(crate) fn lock_root(tx: &mut Tx<'_>, owner: WorkerId) -> Result<WorkerRow, Failure> {
    let mut id = storage::network::worker::worker_merged_root(tx.conn, owner)?;
    loop {
        let row = storage::network::worker::worker_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
        match row.merged_into {
            Some(next) => id = next,
            None => return Ok(row),
        }
    }
}

/// Whether a proof belongs to anybody.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn is_known(tx: &mut Tx<'_>, key: &Key) -> Result<bool, Failure> {
    Ok(store::identity_owner(tx.conn, &key.lookup)?.is_some())
}

/// Adds a proof to a worker who was registered in this transaction, after [`find`] found nobody.
/// If another transaction has added the same proof meanwhile, the unique index rejects this one;
/// the whole transaction is then retried and finds that worker.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn prove_first(tx: &mut Tx<'_>, worker: WorkerId, key: &Key) -> Result<(), Failure> {
    add(tx, worker, key, true)?;
    tx.record(worker, WorkerEvent::IdentityProved { kind: key.kind }, Recipients::worker(worker))
}

/// Adds a proof to a known worker. A proof that belongs to anybody already, also to this worker,
/// stays as it is. Returns whether it was added.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn prove(tx: &mut Tx<'_>, worker: WorkerId, key: &Key) -> Result<bool, Failure> {
    if store::identity_owner(tx.conn, &key.lookup)?.is_some() {
        return Ok(false);
    }
    store::claims_remove(tx.conn, worker, &key.lookup)?;
    add(tx, worker, key, true)?;
    tx.record(worker, WorkerEvent::IdentityProved { kind: key.kind }, Recipients::worker(worker))?;
    Ok(true)
}

/// Stores an unproved claim: only an operator finds the worker by it.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn claim(tx: &mut Tx<'_>, worker: WorkerId, key: &Key) -> Result<(), Failure> {
    store::claims_remove(tx.conn, worker, &key.lookup)?;
    add(tx, worker, key, false)
}

fn add(tx: &mut Tx<'_>, worker: WorkerId, key: &Key, checked: bool) -> Result<(), Failure> {
    let id = IdentityId::generate();
    let new = NewIdentity {
        id,
        worker_id: worker,
        kind: key.kind,
        lookup: key.lookup.to_vec(),
        value_sealed: tx.app.seal("worker_identity", "value_sealed", id, &key.value)?,
        created_at: At(tx.now),
        checked_at: checked.then_some(At(tx.now)),
    };
    Ok(store::identity_add(tx.conn, &new)?)
}

/// Whether both have resident identity numbers, and none in common.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn residents_differ(conn: &mut Conn, one: WorkerId, other: WorkerId) -> Result<bool, Failure> {
    let mut of = |who| -> Result<Vec<Vec<u8>>, Failure> {
        let everyone = storage::network::worker::worker_with_merged(conn, who)?;
        let proofs = store::identities_checked(conn, &everyone)?.into_iter();
        let resident = proofs.filter(|(_, kind, _)| *kind == IdentityKind::ResidentId);
        Ok(resident.map(|(_, _, lookup)| lookup).collect())
    };
    let (one, other) = (of(one)?, of(other)?);
    Ok(!one.is_empty() && !other.is_empty() && !one.iter().any(|lookup| other.contains(lookup)))
}

/// How surely a worker is identified, by the best proof of them or of any record merged into
/// them.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn standing(conn: &mut Conn, worker: &WorkerRow) -> Result<Identified, Failure> {
    Ok(standings(conn, &[worker])?[0])
}

/// As [`standing`], for several workers, in their order.
pub(crate) fn standings(conn: &mut Conn, workers: &[&WorkerRow]) -> Result<Vec<Identified>, Failure> {
    let without_card = workers.iter().filter(|worker| worker.card_index.is_none());
    let without_card: Vec<WorkerId> = without_card.map(|worker| worker.id).collect();
    let (mut everyone, mut proofs) = (Vec::new(), Vec::new());
    if !without_card.is_empty() {
        everyone = storage::network::worker::workers_with_merged(conn, &without_card)?;
        let members: Vec<WorkerId> = everyone.iter().map(|(_, member)| *member).collect();
        proofs = store::identities_checked(conn, &members)?;
    }
    let judge = |worker: &&WorkerRow| {
        if worker.card_index.is_some() {
            return Identified::Card;
        }
        let is_theirs = |owner| everyone.contains(&(worker.id, owner));
        let mut kinds = proofs.iter().filter(|(owner, ..)| is_theirs(*owner)).map(|(_, kind, _)| *kind);
        match kinds.next() {
            None => Identified::Unchecked,
            Some(IdentityKind::Phone) if kinds.all(|kind| kind == IdentityKind::Phone) => Identified::Phone,
            Some(_) => Identified::Document,
        }
    };
    Ok(workers.iter().map(judge).collect())
}

/// Sets or removes a worker's phone. The previous phone no longer finds them.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn set_phone(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    phone: Option<&Phone>,
    proved: bool,
) -> Result<(), Failure> {
    let everyone = storage::network::worker::worker_with_merged(tx.conn, worker)?;
    store::phones_remove(tx.conn, &everyone)?;
    let (sealed, index) = phone_columns(tx.app, worker, phone)?;
    let checked_at = (proved && phone.is_some()).then_some(tx.now);
    storage::network::worker::phone_set(tx.conn, worker, &sealed, &index, checked_at)?;
    Ok(())
}

/// Updates the lookups that include the name after a worker's name changed. A proof whose new
/// lookup belongs to somebody else is removed.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn rename(tx: &mut Tx<'_>, worker: WorkerId, name: &str) -> Result<(), Failure> {
    for (id, kind, sealed, checked) in store::identities_with_name(tx.conn, worker)? {
        let value = tx.app.open("worker_identity", "value_sealed", id, &sealed)?;
        let document = |kind| DocumentNumber::parse(kind, &value).ok();
        let key = match kind {
            IdentityKind::Phone => Phone::parse(&value).map(|phone| Key::phone(tx.app, &phone, name)),
            IdentityKind::Passport => {
                document(DocumentKind::Passport).map(|known| Key::document(tx.app, &known, name))
            }
            IdentityKind::Other => {
                document(DocumentKind::Other).map(|known| Key::document(tx.app, &known, name))
            }
            IdentityKind::ResidentId => None,
        };
        let key = key.ok_or_else(|| Failure::inconsistent("a kept phone or document number"))?;
        match store::identity_owner(tx.conn, &key.lookup)? {
            Some(owner) if owner == worker => {}
            Some(_) if checked => store::identity_remove(tx.conn, id)?,
            _ => store::identity_lookup_set(tx.conn, id, &key.lookup)?,
        }
    }
    Ok(())
}

/// A phone as stored: sealed, and its keyed digest. Without a phone the digest is random, so that
/// two people without a phone do not match.
///
/// # Errors
/// A fault of the cryptography.
pub(crate) fn phone_columns(
    app: &AppState,
    worker: WorkerId,
    phone: Option<&Phone>,
) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let text = phone.map_or("", Phone::as_str);
    let index = match phone {
        Some(phone) => app.keys.blind.of(BlindField::Phone, phone.as_str()),
        None => crypto::random::bytes::<32>(),
    };
    Ok((app.seal("worker", "phone_sealed", worker, text)?, index.to_vec()))
}

/// The problem code and message for an invalid document number.
pub(crate) fn document_problem(fault: domain::network::DocumentFault) -> (&'static str, Bilingual) {
    use domain::network::DocumentFault;
    match fault {
        DocumentFault::Format => (
            "bad_format",
            Bilingual::fixed(
                "证件号码格式不正确；居民身份证为 18 位。",
                "This is no number of such a document; a resident identity number has 18 places.",
            ),
        ),
        DocumentFault::CheckDigit => (
            "bad_check_digit",
            Bilingual::fixed("身份证号码校验位不正确。", "The check character of the number is wrong."),
        ),
        DocumentFault::BirthDate => (
            "bad_format",
            Bilingual::fixed("身份证号码中的出生日期无效。", "The day of birth in the number is none."),
        ),
    }
}
