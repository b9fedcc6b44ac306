//! Sends the outbox, each letter at least once: a letter is claimed, handed to the mail
//! server, and only then marked as sent. After a crash in between it is sent again with the
//! same Message-ID.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{
    Actor, AppState, Failure,
    letter::{self, Outbox},
};
use coordination::Topic;
use mail::{Letter, Mailer};

/// Letters sent per round, at most, so that the job can be stopped.
const MAX_PER_ROUND: usize = 50;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>, mailer: &Arc<Mailer>) {
    let mailer = Arc::clone(mailer);
    let schedule = Schedule { pause: Duration::from_secs(30), topic: Some(Topic::Letters) };
    jobs.every("letters", app, schedule, move |app| {
        let mailer = Arc::clone(&mailer);
        async move { send_due(&app, &mailer).await }
    });
}

/// Sends every letter that is due; returns how many were sent. Ends early when the mail
/// server accepts none: the others keep their place and their count of tries.
///
/// # Errors
/// Faults of the storage. A refusal by the mail server is no error: the letter waits for
/// its next try, or becomes dead, where an operator finds it.
pub async fn send_due(app: &Arc<AppState>, mailer: &Mailer) -> Result<usize, Failure> {
    let (mut outbox, mut sent) = (Outbox::open(app).await?, 0);
    for _ in 0..MAX_PER_ROUND {
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
            // Without a lock timeout: if this write failed, the letter would be sent again.
            if outbox.note(app.write(Actor::System, move |tx| letter::sent(tx, claim)).await) {
                continue;
            }
            break;
        };
        let (trouble, code) = error.trouble();
        let noted = app.write(Actor::System, move |tx| letter::not_taken(tx, claim, trouble, code)).await;
        let state = noted.as_ref().ok().map(tracing::field::display);
        tracing::warn!(%id, %error, state, tries = letter.tries, "a letter was not taken");
        if !outbox.note(noted) || error.is_server_side() {
            break;
        }
    }
    outbox.outcome(sent)
}
