//! Sends the outbox, at least once each: a letter is claimed, handed over, and
//! only then noted as sent. A crash in between sends it again with the same
//! Message-ID.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{
    coordination::Topic,
    mail::{Letter, LetterKind, MailError, Mailer},
    service::{Actor, Failure, House, letters},
};

pub(super) fn start(jobs: &mut Jobs, house: &Arc<House>, mailer: &Arc<Mailer>) {
    let mailer = Arc::clone(mailer);
    let turn = Turn { pause: Duration::from_secs(30), topic: Some(Topic::Letters) };
    jobs.every("letters", house, turn, move |house| {
        let mailer = Arc::clone(&mailer);
        async move { send_due(&house, &mailer).await }
    });
}

/// Sends every letter that is due; tells how many left.
///
/// # Errors
/// A fault of the storage. What the mail server refuses is no error: the
/// letter waits for its next try.
pub async fn send_due(house: &Arc<House>, mailer: &Mailer) -> Result<usize, Failure> {
    let mut sent = 0;
    for letter in letters::claim_due(house).await? {
        let outcome = match LetterKind::parse(&letter.kind) {
            Some(kind) => {
                mailer
                    .send(&Letter {
                        id: letter.id.to_string(),
                        kind,
                        to: &letter.email,
                        name_zh: &letter.name_zh,
                        name_en: &letter.name_en,
                        link: &letter.link,
                        written_at: letter.written_at,
                    })
                    .await
            }
            None => Err(MailError::Unfit("its kind")),
        };
        let id = letter.id;
        match outcome {
            Ok(()) => {
                let now = house.now();
                house.write(Actor::System, move |tx| letters::finish(tx, id, Some(now))).await?;
                sent += 1;
            }
            Err(error @ MailError::Unfit(_)) => {
                tracing::error!(%id, %error, "a letter is given up");
                house.write(Actor::System, move |tx| letters::finish(tx, id, None)).await?;
            }
            Err(error) => tracing::warn!(%id, %error, "a letter waits for its next try"),
        }
    }
    Ok(sent)
}
