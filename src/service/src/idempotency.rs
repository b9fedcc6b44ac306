//! Idempotency: key, work and saved answer commit together. The same key with the same body gives
//! the same answer; with another body it is refused. A refusal is an answer and is saved, unless it
//! contains a time to retry; a fault rolls everything back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Actor, AppState, Failure, Tx};
use crate::{formulary::edition, health_access::RecordAccess};
use crypto::seal::FieldPlace;
use domain::refusal::{Code, Refusal};

/// A request that must take effect request.
#[derive(Debug, Clone)]
pub struct IdempotentRequest {
    /// The caller: a key is unique per principal,
    pub principal: String,
    /// and per route.
    pub route: String,
    pub key: String,
    /// SHA-256 of the body as received.
    pub body_digest: [u8; 32],
}

/// The answer, new or saved.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The value as JSON, or the refusal.
    pub outcome: Result<serde_json::Value, Box<Refusal>>,
    /// Whether this is the saved answer of an earlier request.
    pub replayed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Saved {
    Done(serde_json::Value),
    /// An answer that shows health data, with the accesses to record again when it is replayed.
    Shown {
        body: serde_json::Value,
        readings: Vec<RecordAccess>,
    },
    Refused(Refusal),
}

impl AppState {
    /// Runs an operation once per idempotency key.
    pub async fn run_idempotent<T: Serialize + Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        request: IdempotentRequest,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Answer, Failure> {
        edition::ensure_recent(self).await?;
        let (saved, replayed) = self
            .write(actor, move |tx| {
                if let Some(saved) = claim_key_or_replay(tx, &request)? {
                    if let Saved::Shown { readings, .. } = &saved {
                        tx.shown.extend(readings.clone());
                    }
                    return Ok((saved, true));
                }
                let saved = match run_in_savepoint(tx, &work) {
                    Ok(value) => {
                        let (body, readings) = (serde_json::to_value(value)?, tx.shown.take());
                        tx.shown.extend(readings.clone());
                        if readings.is_empty() { Saved::Done(body) } else { Saved::Shown { body, readings } }
                    }
                    Err(Failure::Refused(refusal)) => Saved::Refused(*refusal),
                    Err(failure) => return Err(failure),
                };
                match &saved {
                    // A refusal with a retry time is temporary: the retry is a new request.
                    Saved::Refused(refusal) if refusal.retry_after_s.is_some() => {
                        storage::idempotency::key_forget(
                            tx.conn,
                            &request.principal,
                            &request.route,
                            &request.key,
                        )?;
                    }
                    _ => save(tx, &request, &saved)?,
                }
                Ok((saved, false))
            })
            .await?;
        if replayed {
            self.metrics.replays.inc();
        }
        let outcome = match saved {
            Saved::Done(body) | Saved::Shown { body, .. } => Ok(body),
            Saved::Refused(refusal) => Err(Box::new(refusal)),
        };
        Ok(Answer { outcome, replayed })
    }

    /// The saved answer of this key, if there is one. Call it before taking a try from a limit, or
    /// before expensive work, that precedes an operation: a repeated request then costs its caller
    /// nothing and is never refused as too frequent.
    ///
    /// # Errors
    /// As [`AppState::run_idempotent`] with a known key.
    pub async fn saved_answer(
        self: &Arc<Self>,
        actor: Actor,
        request: &IdempotentRequest,
    ) -> Result<Option<Answer>, Failure> {
        let asked = request.clone();
        let known = self
            .read(actor, move |conn, _| {
                Ok(storage::idempotency::key_fetch(conn, &asked.principal, &asked.route, &asked.key)?
                    .is_some())
            })
            .await?;
        if !known {
            return Ok(None);
        }
        // The answer is read by an operation, so that the health data it shows is recorded again. A
        // key that is deleted at this moment is a fault; the next request with it is new.
        let gone = |_: &mut Tx<'_>| Err::<(), _>(Failure::inconsistent("a kept answer was forgotten"));
        self.run_idempotent(actor, request.clone(), gone).await.map(Some)
    }
}

/// The key is claimed first: a second request with it waits for the first one's commit (PostgreSQL)
/// or queues behind it (SQLite), and then finds its answer.
fn claim_key_or_replay(tx: &mut Tx<'_>, request: &IdempotentRequest) -> Result<Option<Saved>, Failure> {
    if storage::idempotency::key_claim(
        tx.conn,
        &request.principal,
        &request.route,
        &request.key,
        &request.body_digest,
        tx.now,
    )? {
        return Ok(None);
    }
    let row = storage::idempotency::key_fetch(tx.conn, &request.principal, &request.route, &request.key)?
        .ok_or_else(|| Failure::inconsistent("a claimed idempotency key is not there"))?;
    if row.body_digest != request.body_digest {
        return Err(Code::IdempotencyKeyReused.into());
    }
    let sealed = row.answer_sealed.ok_or_else(|| Failure::inconsistent("a saved answer is not there"))?;
    let plain = tx.app.keys.sealer.open(&place(tx, request), &sealed)?;
    Ok(Some(serde_json::from_slice(&plain)?))
}

/// A refusal rolls back the work but not the claim of the key.
fn run_in_savepoint<T>(
    tx: &mut Tx<'_>,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let app = tx.app;
    let actor = tx.actor;
    let now = tx.now;
    let standing = tx.standing();
    let mut refused_accesses = Vec::new();
    let done = tx.conn.savepoint(|conn| {
        let mut inner = Tx::new(conn, app, actor, standing);
        inner.now = now;
        let outcome = work(&mut inner);
        let (after, keep) = inner.finish();
        match outcome {
            Err(Failure::Refused(refusal)) if keep => Ok((Err(Failure::Refused(refusal)), after)),
            Err(failure) => {
                refused_accesses = after.accesses;
                Err(failure)
            }
            Ok(value) => Ok((Ok(value), after)),
        }
    });
    // A refusal may reveal a record.
    tx.shown.extend(refused_accesses);
    let (outcome, after) = done?;
    tx.merge(after);
    outcome
}

fn save(tx: &mut Tx<'_>, request: &IdempotentRequest, saved: &Saved) -> Result<(), Failure> {
    let sealed = tx.app.keys.sealer.seal(&place(tx, request), &serde_json::to_vec(saved)?)?;
    storage::idempotency::answer_save(tx.conn, &request.principal, &request.route, &request.key, &sealed)?;
    Ok(())
}

fn place<'a>(tx: &'a Tx<'_>, request: &'a IdempotentRequest) -> FieldPlace<'a> {
    FieldPlace::of_text(&tx.app.policy.network, "idempotency", "answer_sealed", &request.key)
}
