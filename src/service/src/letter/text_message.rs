//! Text messages are written in the transaction of the verb that wants them,
//! and sent by a job afterwards. They hold a code and never health data.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    Actor, AppState, Failure, Hearers, Tx,
    jobs::rounds::{self, Done, Job},
};
use coordination::Topic;
use domain::{ids::TextMessageId, network::Phone, time::Timestamp};
use storage::letter::text_message::{self as store, DueText};

/// Messages looked at in one round.
const ROUND: i64 = 50;
/// Between two tries, while a message is still of use. Our default.
const PAUSE: TimeDelta = TimeDelta::seconds(20);

/// A message, claimed and opened for sending.
pub struct OpenText {
    /// Which; the same at every try.
    pub id: TextMessageId,
    /// Where it goes.
    pub to: String,
    /// What it says.
    pub body: String,
}

/// Puts a message into the outbox. It is given up at `expires_at`.
pub(crate) fn write(
    tx: &mut Tx<'_>,
    to: &Phone,
    body: &str,
    expires_at: Timestamp,
) -> Result<TextMessageId, Failure> {
    let id = TextMessageId::generate();
    let phone = tx.app.seal("text_message", "phone_sealed", id, to.as_str())?;
    let body = tx.app.seal("text_message", "body_sealed", id, body)?;
    store::text_add(tx.conn, id, &phone, &body, tx.now, expires_at)?;
    tx.record("text_message", id, "text_message.written", json!({}), Hearers::nobody())?;
    // One job looks after everything that waits to leave.
    tx.wake(Topic::Letters);
    Ok(id)
}

/// One round through the messages that are due.
pub struct Claimed {
    /// What is to be sent.
    pub texts: Vec<OpenText>,
    done: Done,
}

impl Claimed {
    /// Notes what was written of one; says whether the round can go on.
    pub fn note<T>(&mut self, written: Result<T, Failure>) -> bool {
        self.done.note(written)
    }

    /// The end of a round in which `sent` messages left.
    ///
    /// # Errors
    /// What was met on the way.
    pub fn outcome(self, sent: usize) -> Result<usize, Failure> {
        self.done.outcome().map(|_| sent)
    }
}

/// Claims the messages that are due. Whoever claims one has until its next try
/// to send it and say so; if they die, it is sent again.
///
/// # Errors
/// Faults of the storage.
pub async fn claim_due(app: &Arc<AppState>) -> Result<Claimed, Failure> {
    const JOB: Job = Job::new("text-messages");
    // Looked up first, so that a quiet outbox costs no write.
    let now = app.now();
    let due = app.read(Actor::System, move |conn, _| Ok(store::texts_due(conn, now, ROUND)?)).await?;
    let (texts, done) = rounds::walk(app, JOB, due, |row| row.id, claim).await;
    Ok(Claimed { texts: texts.into_iter().flatten().collect(), done })
}

fn claim(tx: &mut Tx<'_>, row: &DueText) -> Result<Option<OpenText>, Failure> {
    if row.expires_at <= tx.now {
        finish(tx, row.id, None)?;
        return Ok(None);
    }
    if !store::text_claim(tx.conn, row.id, row.tries, tx.now + PAUSE)? {
        return Ok(None);
    }
    Ok(Some(OpenText {
        id: row.id,
        to: tx.app.open("text_message", "phone_sealed", row.id, &row.phone_sealed)?,
        body: tx.app.open("text_message", "body_sealed", row.id, &row.body_sealed)?,
    }))
}

/// Notes that a message was handed over, or can never be.
///
/// # Errors
/// Faults of the storage.
pub fn finish(tx: &mut Tx<'_>, id: TextMessageId, sent_at: Option<Timestamp>) -> Result<(), Failure> {
    if store::text_finish(tx.conn, id, sent_at)? {
        let kind = if sent_at.is_some() { "text_message.sent" } else { "text_message.given_up" };
        tx.record("text_message", id, kind, json!({}), Hearers::nobody())?;
    }
    Ok(())
}
