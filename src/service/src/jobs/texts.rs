//! Sends text messages, at least once each: one is claimed, handed over, and
//! only then noted as sent.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{Actor, AppState, Failure, letter::text_message};
use coordination::Topic;
use mail::TextSender;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>, sender: &Arc<TextSender>) {
    let sender = Arc::clone(sender);
    let turn = Turn { pause: Duration::from_secs(10), topic: Some(Topic::Letters) };
    jobs.every("text-messages", app, turn, move |app| {
        let sender = Arc::clone(&sender);
        async move { send_due(&app, &sender).await }
    });
}

/// Sends every message that is due; tells how many left.
///
/// # Errors
/// A fault of the storage. What the gateway refuses is no error: the message
/// waits for its next try, until it is of no more use.
pub async fn send_due(app: &Arc<AppState>, sender: &TextSender) -> Result<usize, Failure> {
    let (mut claimed, mut sent) = (text_message::claim_due(app).await?, 0);
    for text in std::mem::take(&mut claimed.texts) {
        let id = text.id;
        match sender.send(&id.to_string(), &text.to, &text.body).await {
            Ok(()) => {
                let now = app.now();
                sent += 1;
                let noted = app.write(Actor::System, move |tx| text_message::finish(tx, id, Some(now))).await;
                if !claimed.note(noted) {
                    break;
                }
            }
            Err(error) => tracing::warn!(%id, %error, "a text message waits for its next try"),
        }
    }
    claimed.outcome(sent)
}
