//! Sends the outbox, at least once each: a letter is claimed, handed over, and
//! only then noted as sent. A crash in between sends it again with the same
//! Message-ID.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{
    Actor, AppState, Failure,
    letter::{self, Outbox},
};
use coordination::Topic;
use mail::{Letter, Mailer};

/// Letters sent in one round at most, so that the job can be ended.
const ROUND: usize = 50;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>, mailer: &Arc<Mailer>) {
    let mailer = Arc::clone(mailer);
    let turn = Turn { pause: Duration::from_secs(30), topic: Some(Topic::Letters) };
    jobs.every("letters", app, turn, move |app| {
        let mailer = Arc::clone(&mailer);
        async move { send_due(&app, &mailer).await }
    });
}

/// Sends every letter that is due; tells how many left. Ends early when the
/// mail server takes none: the others keep their turn and their count of tries.
///
/// # Errors
/// A fault of the storage. What the mail server refuses is no error: the
/// letter waits for its next try, or an operator finds it among the dead.
pub async fn send_due(app: &Arc<AppState>, mailer: &Mailer) -> Result<usize, Failure> {
    let (mut outbox, mut sent) = (Outbox::open(app).await?, 0);
    for _ in 0..ROUND {
        let Some(letter) = outbox.claim_next().await? else { break };
        let (claim, id) = (letter.claim, letter.claim.letter);
        let outcome = mailer
            .send(&Letter {
                id: id.to_string(),
                kind: letter.kind,
                to: &letter.email,
                name_zh: &letter.name_zh,
                name_en: &letter.name_en,
                link: &letter.link,
                written_at: letter.written_at,
            })
            .await;
        let Err(error) = outcome else {
            sent += 1;
            // Waited for as long as need be: else it would leave again.
            if outbox.note(app.write(Actor::System, move |tx| letter::sent(tx, claim)).await) {
                continue;
            }
            break;
        };
        let (trouble, code) = error.trouble();
        let noted = app.write(Actor::System, move |tx| letter::not_taken(tx, claim, trouble, code)).await;
        let state = noted.as_ref().ok().map(tracing::field::display);
        tracing::warn!(%id, %error, state, tries = letter.tries, "a letter was not taken");
        if !outbox.note(noted) || error.is_of_the_server() {
            break;
        }
    }
    outbox.outcome(sent)
}
