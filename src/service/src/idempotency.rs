//! Idempotency: key, work and saved answer commit together. The same key with the same body gives
//! the same answer; with another body it is refused. A refusal is an answer and is saved, unless it
//! contains a time to retry; a fault rolls everything back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Actor, AppState, Failure, Tx};
use crate::{
    formulary::edition,
    health_access::RecordAccess,
    packed::PackedColumn,
    tx::run::{Answered, Done, RolledBack},
};
use crypto::{digest, seal::FieldPlace};
use domain::refusal::{Code, Refusal};
use storage::{
    idempotency::{AnswerId, NewAnswer, SavedAnswer},
    sql_types::At,
};

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

/// Where answers are stored. The dictionary has an answer of each verb of a journey, without its ids
/// and times.
const ANSWERS: PackedColumn = PackedColumn {
    table: "saved_answer",
    name: "answer_sealed",
    dictionary: include_str!("idempotency/answers.jsonl"),
};

impl IdempotentRequest {
    fn answer_id(&self) -> AnswerId {
        answer_id(&self.principal, &self.route, &self.key)
    }
}

/// Under what an answer is saved.
fn answer_id(principal: &str, route: &str, key: &str) -> AnswerId {
    digest::id_of(&format!("{principal}\n{route}\n{key}"))
}

/// What came of a request.
enum Outcome {
    Answered(Saved),
    Replayed(Saved),
    /// The key came with another body before.
    KeyReused,
}

impl AppState {
    /// Runs an operation once per idempotency key. Of two requests with one key at the same time, the
    /// one that is committed later is rolled back by its last step, and finds the other's answer.
    pub async fn run_idempotent<T: Serialize + Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        request: IdempotentRequest,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Answer, Failure> {
        edition::ensure_recent(self).await?;
        let key = request.answer_id();
        let asked = request.clone();
        let done = self.transact(None, actor, Some(key), move |tx, saved| {
            if let Some(saved) = saved {
                return replay(tx, &asked, &saved);
            }
            let saved = match work(tx) {
                Ok(value) => Saved::of(serde_json::to_value(value)?, tx.shown.noted()),
                Err(Failure::Refused(refusal)) if tx.commits_on_refusal() => Saved::Refused(*refusal),
                Err(failure) => return Err(failure),
            };
            answered(tx, &asked, saved)
        });
        let outcome = match done.await {
            // A refusal rolls back the work; it is an answer all the same, and is saved.
            Err(RolledBack::Refused { refusal, accesses }) => {
                self.save_refusal(actor, request, *refusal, accesses).await
            }
            done => done,
        };
        let (saved, replayed) = match outcome {
            Ok(Outcome::Answered(saved)) => (saved, false),
            Ok(Outcome::Replayed(saved)) => (saved, true),
            Ok(Outcome::KeyReused) => return Err(Code::IdempotencyKeyReused.into()),
            Err(RolledBack::Refused { refusal, .. }) => return Err(Failure::Refused(refusal)),
            Err(RolledBack::Failed(failure)) => return Err(failure),
        };
        if replayed {
            self.metrics.replays.inc();
        }
        let outcome = match saved {
            Saved::Done(body) | Saved::Shown { body, .. } => Ok(body),
            Saved::Refused(refusal) => Err(Box::new(refusal)),
        };
        Ok(Answer { outcome, replayed })
    }

    /// Saves a refusal whose work was rolled back, unless another request with this key has been
    /// answered meanwhile.
    async fn save_refusal(
        self: &Arc<Self>,
        actor: Actor,
        request: IdempotentRequest,
        refusal: Refusal,
        accesses: Vec<RecordAccess>,
    ) -> Result<Outcome, RolledBack> {
        let key = request.answer_id();
        self.transact(None, actor, Some(key), move |tx, saved| {
            tx.shown.extend(accesses.clone());
            match saved {
                Some(saved) => replay(tx, &request, &saved),
                None => answered(tx, &request, Saved::Refused(refusal.clone())),
            }
        })
        .await
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
        let (app, key) = (Arc::clone(self), request.answer_id());
        let known = self.store.read(move |conn| {
            let (_, saved) = actor.open(conn, app.now(), Some(key))?;
            Ok::<_, Failure>(saved.is_some())
        });
        if !known.await? {
            return Ok(None);
        }
        // The answer is read by an operation, so that the health data it shows is recorded again. A
        // key that is deleted at this moment is a fault; the next request with it is new.
        let gone = |_: &mut Tx<'_>| Err::<(), _>(Failure::inconsistent("a kept answer was forgotten"));
        self.run_idempotent(actor, request.clone(), gone).await.map(Some)
    }
}

impl Saved {
    fn of(body: serde_json::Value, readings: Vec<RecordAccess>) -> Self {
        if readings.is_empty() { Self::Done(body) } else { Self::Shown { body, readings } }
    }

    /// A refusal with a retry time is temporary: the retry is a new request.
    fn is_final(&self) -> bool {
        !matches!(self, Self::Refused(refusal) if refusal.retry_after_s.is_some())
    }
}

fn replay(
    tx: &mut Tx<'_>,
    request: &IdempotentRequest,
    saved: &SavedAnswer,
) -> Result<Done<Outcome>, Failure> {
    if saved.body_digest != request.body_digest {
        return Ok(Done { value: Outcome::KeyReused, answer: None });
    }
    let saved: Saved = ANSWERS.open(tx.app, request.answer_id(), &saved.answer_sealed)?;
    if let Saved::Shown { readings, .. } = &saved {
        tx.shown.extend(readings.clone());
    }
    Ok(Done { value: Outcome::Replayed(saved), answer: None })
}

fn answered(tx: &Tx<'_>, request: &IdempotentRequest, saved: Saved) -> Result<Done<Outcome>, Failure> {
    let answer = if saved.is_final() {
        let id = request.answer_id();
        let sealed = ANSWERS.seal(tx.app, id, &saved)?;
        Some(Answered { id, body_digest: request.body_digest, sealed })
    } else {
        None
    };
    Ok(Done { value: Outcome::Answered(saved), answer })
}

/// Answers that one transaction of [`move_old_answers`] moves.
const MOVED_AT_ONCE: i64 = 500;

/// Moves the answers of the table `idempotency`, where they were saved before version 0.3, to where
/// requests look for them. Run before serving.
///
/// # Errors
/// Faults of the storage; an answer that cannot be opened.
pub async fn move_old_answers(app: &Arc<AppState>) -> Result<usize, Failure> {
    let mut moved = 0;
    loop {
        let state = Arc::clone(app);
        let batch = app.store.write(move |conn| {
            let sealer = &state.keys.sealer;
            let network = &state.policy.network;
            let rows = storage::idempotency::old_answers(conn, MOVED_AT_ONCE)?;
            for row in &rows {
                let Some(sealed) = &row.answer_sealed else { continue };
                let old = FieldPlace::of_text(network, "idempotency", "answer_sealed", &row.key);
                let id = answer_id(&row.principal, &row.route, &row.key);
                let saved: Saved = serde_json::from_slice(&sealer.open(&old, sealed)?)?;
                let sealed = ANSWERS.seal(&state, id, &saved)?;
                let (body_digest, answer_sealed, created_at) =
                    (&row.body_digest, &sealed, At(row.created_at));
                let new = NewAnswer { id, body_digest, answer_sealed, created_at };
                storage::idempotency::answer_save(conn, &new)?;
            }
            storage::idempotency::old_answers_delete(conn, &rows)?;
            Ok::<_, Failure>(rows.len())
        });
        match batch.await? {
            0 => return Ok(moved),
            rows => moved += rows,
        }
    }
}
