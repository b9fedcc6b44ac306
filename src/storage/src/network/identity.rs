//! How a worker is identified: proved phones and identity documents.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::worker_identity, sql_types::At};
use domain::{
    ids::{IdentityId, WorkerId},
    network::IdentityKind,
};

/// An identity to be inserted.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = worker_identity, treat_none_as_default_value = false)]
pub struct NewIdentity {
    pub id: IdentityId,
    /// The worker whom it identifies.
    pub worker_id: WorkerId,
    pub kind: IdentityKind,
    /// Keyed digest of the number.
    pub lookup: Vec<u8>,
    /// Its number, sealed.
    pub value_sealed: Vec<u8>,
    pub created_at: At,
    /// When it was proved; `None` for a claim, which identifies nobody.
    pub checked_at: Option<At>,
}

/// Adds an identity.
///
/// # Errors
/// A unique violation when the number is proved for a worker already.
pub fn identity_add(conn: &mut Conn, new: &NewIdentity) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(worker_identity::table).values(new).execute(c)).map(|_| ())
}

/// The worker with this proved identity, before merges are followed.
pub fn identity_owner(conn: &mut Conn, lookup: &[u8]) -> QueryResult<Option<WorkerId>> {
    on_backend!(conn, c => worker_identity::table
        .filter(worker_identity::lookup.eq(lookup))
        .filter(worker_identity::checked_at.is_not_null())
        .select(worker_identity::worker_id)
        .first(c))
    .optional()
}

/// All workers with this identity, proved or not.
pub fn identity_claimants(conn: &mut Conn, lookup: &[u8], limit: i64) -> QueryResult<Vec<WorkerId>> {
    on_backend!(conn, c => worker_identity::table
        .filter(worker_identity::lookup.eq(lookup))
        .order(worker_identity::worker_id)
        .select(worker_identity::worker_id)
        .distinct()
        .limit(limit)
        .load(c))
}

/// The proved identities of these workers: worker, kind and digest.
pub fn identities_checked(
    conn: &mut Conn,
    workers: &[WorkerId],
) -> QueryResult<Vec<(WorkerId, IdentityKind, Vec<u8>)>> {
    on_backend!(conn, c => worker_identity::table
        .filter(worker_identity::worker_id.eq_any(workers.iter().copied()))
        .filter(worker_identity::checked_at.is_not_null())
        .select((worker_identity::worker_id, worker_identity::kind, worker_identity::lookup))
        .load(c))
}

/// Removes a worker's unproved claims of this number: it is proved now.
pub fn claims_remove(conn: &mut Conn, worker: WorkerId, lookup: &[u8]) -> QueryResult<()> {
    let claims = worker_identity::table
        .filter(worker_identity::worker_id.eq(worker))
        .filter(worker_identity::lookup.eq(lookup))
        .filter(worker_identity::checked_at.is_null());
    on_backend!(conn, c => diesel::delete(claims).execute(c)).map(|_| ())
}

/// Removes the phone identities of these workers.
pub fn phones_remove(conn: &mut Conn, workers: &[WorkerId]) -> QueryResult<usize> {
    let phones = worker_identity::table
        .filter(worker_identity::worker_id.eq_any(workers.iter().copied()))
        .filter(worker_identity::kind.eq(IdentityKind::Phone));
    on_backend!(conn, c => diesel::delete(phones).execute(c))
}

/// Id, kind, sealed number, and whether it was proved.
pub(crate) type NamedIdentity = (IdentityId, IdentityKind, Vec<u8>, bool);

/// The identities of a worker other than a resident id, which are shown together with the name.
pub fn identities_with_name(conn: &mut Conn, worker: WorkerId) -> QueryResult<Vec<NamedIdentity>> {
    on_backend!(conn, c => worker_identity::table
        .filter(worker_identity::worker_id.eq(worker))
        .filter(worker_identity::kind.ne(IdentityKind::ResidentId))
        .select((
            worker_identity::id,
            worker_identity::kind,
            worker_identity::value_sealed,
            worker_identity::checked_at.is_not_null(),
        ))
        .load(c))
}

/// Replaces the digest of an identity.
pub fn identity_lookup_set(conn: &mut Conn, id: IdentityId, lookup: &[u8]) -> QueryResult<()> {
    diesel::update(worker_identity::table.find(id))
        .set(worker_identity::lookup.eq(lookup))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Removes an identity.
pub fn identity_remove(conn: &mut Conn, id: IdentityId) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(worker_identity::table.find(id)).execute(c)).map(|_| ())
}
