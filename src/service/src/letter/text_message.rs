//! The outbox of text messages. A message is stored in the transaction of the operation that
//! needs it, and sent by a job afterwards. It contains a code and never health data.

use std::sync::Arc;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    Actor, AppState, Failure, Recipients, Tx,
    jobs::rounds::{self, Done, Job},
};
use coordination::Topic;
use domain::{event::letter::TextMessageEvent, ids::TextMessageId, network::Phone, time::Timestamp};
use storage::{
    Conn,
    letter::text_message::{self as store, DueText},
};

const JOB: Job = Job::new("text-messages");
/// Messages handled per round, at most.
const MAX_PER_ROUND: usize = 50;
/// How many are read at once.
const PAGE: i64 = 50;
/// Time between two tries, until a message expires. Our default.
const PAUSE: TimeDelta = TimeDelta::seconds(20);

/// A claimed message, decrypted for sending.
pub struct OpenText {
    /// The same at every try.
    pub id: TextMessageId,
    pub to: String,
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
    tx.record(id, TextMessageEvent::Written {}, Recipients::nobody())?;
    // The letter topic also wakes the job that sends text messages.
    tx.wake(Topic::Letters);
    Ok(id)
}

/// The messages claimed in one round.
pub struct Claimed {
    pub texts: Vec<OpenText>,
    done: Done,
}

impl Claimed {
    /// Adds the result of recording a message; returns whether the round can go on.
    pub fn note<T>(&mut self, written: Result<T, Failure>) -> bool {
        self.done.note(JOB, written)
    }

    /// Ends a round in which `sent` messages were sent.
    ///
    /// # Errors
    /// The failure of the round, if any.
    pub fn outcome(self, sent: usize) -> Result<usize, Failure> {
        self.done.outcome().map(|_| sent)
    }
}

/// Claims the messages that are due. The claimant has until the next try to send a message and
/// record it; after a crash it is sent again.
///
/// # Errors
/// Faults of the storage.
pub async fn claim_due(app: &Arc<AppState>) -> Result<Claimed, Failure> {
    // Read first, so that an empty outbox costs no write.
    let now = app.now();
    let mut claimed = Claimed { texts: Vec::new(), done: Done::default() };
    let mut after = TextMessageId::from_uuid(Uuid::nil());
    // Those that cannot be claimed do not use up the round.
    while claimed.texts.len() < MAX_PER_ROUND {
        let due = move |conn: &mut Conn, _: &AppState| Ok(store::texts_due(conn, now, after, PAGE)?);
        let due = app.read(Actor::System, due).await?;
        let Some(last) = due.last() else { break };
        after = last.id;
        let (texts, done) = rounds::walk(app, JOB, due, |row| row.id, claim).await;
        claimed.texts.extend(texts.into_iter().flatten());
        claimed.done = claimed.done.and(done);
        if claimed.done.is_stopped() {
            break;
        }
    }
    Ok(claimed)
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

/// Records that a message was handed to the gateway, or, without `sent_at`, given up.
///
/// # Errors
/// Faults of the storage.
pub fn finish(tx: &mut Tx<'_>, id: TextMessageId, sent_at: Option<Timestamp>) -> Result<(), Failure> {
    if store::text_finish(tx.conn, id, sent_at)? {
        let event = if sent_at.is_some() { TextMessageEvent::Sent {} } else { TextMessageEvent::GivenUp {} };
        tx.record(id, event, Recipients::nobody())?;
    }
    Ok(())
}
