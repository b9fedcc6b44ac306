//! Sends text messages, each at least once: one is claimed, handed to the gateway, and only
//! then marked as sent.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{Actor, AppState, Failure, letter::text_message};
use coordination::Topic;
use mail::SmsSender;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>, sender: &Arc<SmsSender>) {
    let sender = Arc::clone(sender);
    let schedule = Schedule { pause: Duration::from_secs(10), topic: Some(Topic::Letters) };
    jobs.every("text-messages", app, schedule, move |app| {
        let sender = Arc::clone(&sender);
        async move { send_due(&app, &sender).await }
    });
}

/// Sends every message that is due; returns how many were sent.
///
/// # Errors
/// Faults of the storage. A refusal by the gateway is no error: the message waits for its
/// next try, until it expires.
pub async fn send_due(app: &Arc<AppState>, sender: &SmsSender) -> Result<usize, Failure> {
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
