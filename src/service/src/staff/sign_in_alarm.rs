//! Somebody tries to sign in as somebody else: it is logged, and the owner of
//! the account is told by a letter. The account itself is never locked.

use std::sync::Arc;

use serde_json::json;

use crate::{Actor, AppState, Failure, Hearers, letter, limits};
use crypto::{blind::BlindField, digest};
use domain::ids::{Id, kind};
use mail::LetterKind;

/// Logs that sign-ins as `email` failed too often, and writes to the owner, once
/// a day at most. An account that does not exist is logged alike, so that the
/// caller cannot tell it by the time that this takes.
///
/// # Errors
/// Faults of the storage.
pub async fn tell_owner(app: &Arc<AppState>, email: String) -> Result<(), Failure> {
    let write = limits::SIGN_IN_LETTER.spend(app, &[&email]).await;
    app.write(Actor::Anyone, move |tx| {
        let owner = storage::staff::staff_by_email(tx.conn, &email)?.filter(|row| row.disabled_at.is_none());
        // Who was meant, without a mail address that may be anybody's.
        let account = digest::hex(&tx.app.keys.blind.of(BlindField::Email, &email)[..8]);
        let hearers = owner.as_ref().map_or(Hearers::nobody(), |row| Hearers::staff(row.id));
        let id: Id<kind::Session> = Id::generate();
        let payload = json!({"account": account, "staff": owner.as_ref().map(|row| row.id)});
        tx.record("sign_in", id, "sign_in.failed_often", payload, hearers)?;
        if let Some(row) = owner.filter(|_| write) {
            // No link that opens anything: whoever reads it decides.
            let link = tx.app.public_url.clone();
            letter::write(tx, LetterKind::SignInAlarm, row.id, None, &link)?;
        }
        Ok(())
    })
    .await
}
