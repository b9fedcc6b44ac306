//! The alarm about repeated failed sign-ins: they are logged, and the owner of the account is
//! notified by a letter. The account itself is never locked.

use std::sync::Arc;

use crate::{Actor, AppState, Failure, Recipients, letter, rate_limit};
use crypto::{blind::BlindField, digest};
use domain::event::staff::SignInEvent;
use domain::ids::{Id, kind};
use domain::letter::LetterKind;

/// Logs that sign-ins as `email` failed too often, and writes to the owner, once a day at most. An
/// account that does not exist is logged in the same way, so that the duration does not reveal it.
///
/// # Errors
/// Faults of the storage.
pub(crate) async fn notify_owner(app: &Arc<AppState>, email: String) -> Result<(), Failure> {
    let write = rate_limit::SIGN_IN_LETTER.spend(app, &[&email]).await;
    app.write(Actor::Anyone, move |tx| {
        let owner = storage::staff::staff_by_email(tx.conn, &email)?.filter(|row| row.disabled_at.is_none());
        // Identifies the account without logging a mail address, which may belong to anybody.
        let account = digest::hex(&tx.app.keys.blind.of(BlindField::Email, &email)[..8]);
        let recipients = owner.as_ref().map_or(Recipients::nobody(), |row| Recipients::staff(row.id));
        let id: Id<kind::Session> = Id::generate();
        let staff = owner.as_ref().map(|row| row.id);
        tx.record(id, SignInEvent::FailedOften { account, staff }, recipients)?;
        if let Some(row) = owner.filter(|_| write) {
            // The link contains no token: the reader decides what to do.
            let link = tx.app.public_url.clone();
            letter::write(tx, LetterKind::SignInAlarm, row.id, None, &link)?;
        }
        Ok(())
    })
    .await
}
