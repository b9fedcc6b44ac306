//! How a read and a transaction run for a caller. A read checks the caller's authority in its first
//! statement. A transaction checks it in its last one, which also appends the events and saves the
//! answer under the request's key: nothing is committed for a caller whose authority has ended, and
//! nothing twice for one key.
//!
//! On PostgreSQL the first try of a transaction does not look at either before that, since the token
//! proved the authority a moment ago and most keys are new. Such a try counts only if it succeeds, and
//! saves its answer: nobody is refused, and nothing fails, before both were looked at. Later tries look
//! first.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::Tx;
use crate::{
    Actor, AppState, Failure,
    health_access::{self, RecordAccess},
};
use coordination::Topic;
use domain::refusal::{Code, Refusal};
use storage::{
    Conn, Live, QueryError, Retryable, StoreError,
    authority::Activity,
    idempotency::{AnswerId, NewAnswer, SavedAnswer},
    last_step::{self, LastCheck, LastStep},
    sql_types::At,
};

/// A write whose caller's row another transaction is changing is rolled back and run again this
/// many times; after that it waits for the row.
const WAIT_AFTER_TRIES: u32 = 3;

/// What the work of a transaction returns.
pub(crate) struct Done<T> {
    pub value: T,
    /// To be saved under the request's key.
    pub answer: Option<Answered>,
}

/// An answer to be saved.
pub(crate) struct Answered {
    pub id: AnswerId,
    /// SHA-256 of the body that was answered.
    pub body_digest: [u8; 32],
    pub sealed: Vec<u8>,
}

/// Why a transaction was rolled back.
pub(crate) enum RolledBack {
    /// Its work was refused. What it has shown until then must still be recorded.
    Refused { refusal: Box<Refusal>, accesses: Vec<RecordAccess> },
    /// The caller's authority has ended, or a fault.
    Failed(Failure),
}

impl From<Failure> for RolledBack {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
impl From<StoreError> for RolledBack {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
impl From<QueryError> for RolledBack {
    fn from(error: QueryError) -> Self {
        Self::Failed(error.into())
    }
}

impl Retryable for RolledBack {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.is_retryable())
    }
    fn is_unclassified(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.is_unclassified())
    }
    fn should_back_off(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.should_back_off())
    }
}

impl AppState {
    /// Runs a read after checking that the caller's authority still holds: one statement, or several
    /// that need not agree, such as the candidates of a job. A read that shows another person's
    /// health data uses [`AppState::read_health`] instead.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(self);
        self.store
            .read(move |conn| {
                actor.ensure_live(conn, app.now())?;
                work(conn, &app)
            })
            .await
    }

    /// Runs a read of one statement, a poll, that finds rows only while the caller's authority holds,
    /// and asks whether it still does when there are none.
    ///
    /// # Errors
    /// Those of `work`; the refusal once the authority has ended.
    pub async fn poll<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState, Live) -> Result<Option<T>, Failure> + Send + 'static,
    ) -> Result<Option<T>, Failure> {
        let app = Arc::clone(self);
        self.store
            .read(move |conn| {
                let now = app.now();
                let found = work(conn, &app, Live::of(actor.authority(now)));
                if !matches!(found, Ok(Some(_))) {
                    actor.ensure_live(conn, now)?;
                }
                found
            })
            .await
    }

    /// As [`AppState::poll`], for what must exist.
    ///
    /// # Errors
    /// As there; `NotFound`.
    pub async fn poll_found<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState, Live) -> Result<Option<T>, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.poll(actor, work).await?.ok_or_else(|| Code::NotFound.into())
    }

    /// As [`AppState::read`], for several statements whose results are shown together: all of them
    /// see the same state of the database.
    pub async fn read_snapshot<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(self);
        self.store
            .read_snapshot(move |conn| {
                actor.ensure_live(conn, app.now())?;
                work(conn, &app)
            })
            .await
    }

    /// Runs an operation in one transaction, then wakes the listeners it concerns. The database may
    /// run `work` more than once ([`storage::Store::write`]); its effects are committed once.
    ///
    /// The caller's authority is checked in the last step: nothing is committed for a caller whose
    /// authority ended meanwhile, and they are told of no other refusal.
    ///
    /// # Errors
    /// A refusal rolls the operation back, unless it called `commit_on_refusal`; a fault always does.
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.write_with_lock_timeout(None, actor, work).await
    }

    /// As [`AppState::write`], but each locked row is waited for once, for `lock_timeout`: for
    /// jobs, which do in the next round what they cannot do now.
    pub(crate) async fn write_with_lock_timeout<T: Send + 'static>(
        self: &Arc<Self>,
        lock_timeout: Option<Duration>,
        actor: Actor,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let done = self.transact(lock_timeout, actor, None, move |tx, _| {
            let value = match work(tx) {
                Err(Failure::Refused(refusal)) if tx.commits_on_refusal() => Err(refusal),
                outcome => Ok(outcome?),
            };
            Ok(Done { value, answer: None })
        });
        match done.await {
            Ok(outcome) => outcome.map_err(Failure::Refused),
            Err(RolledBack::Refused { refusal, accesses }) => {
                self.record_accesses(actor, accesses).await?;
                Err(Failure::Refused(refusal))
            }
            Err(RolledBack::Failed(failure)) => Err(failure),
        }
    }

    /// Runs `work` in one transaction. With `key`, it is passed the answer that is saved there.
    pub(crate) async fn transact<T: Send + 'static>(
        self: &Arc<Self>,
        lock_timeout: Option<Duration>,
        actor: Actor,
        key: Option<AnswerId>,
        work: impl Fn(&mut Tx<'_>, Option<SavedAnswer>) -> Result<Done<T>, Failure> + Send + 'static,
    ) -> Result<T, RolledBack> {
        let app = Arc::clone(self);
        let tries = AtomicU32::new(0);
        let committed = self.store.write_with_lock_timeout(lock_timeout, move |conn| {
            let earlier_tries = tries.fetch_add(1, Ordering::Relaxed);
            // On SQLite the writer runs it once.
            let looks = earlier_tries > 0 || matches!(conn, Conn::Sqlite(_));
            let (activity, saved) = match looks.then(|| actor.open(conn, app.now(), key)).transpose()? {
                Some((activity, saved)) => (Some(activity), saved),
                None => (None, None),
            };
            let mut tx = Tx::new(conn, &app, actor, activity);
            let may_have_answer = !looks && key.is_some();
            let done = match work(&mut tx, saved) {
                Ok(done) if !may_have_answer || done.answer.is_some() => done,
                Err(Failure::Refused(refusal)) => {
                    if !looks && actor.open(tx.conn, tx.now, key)?.1.is_some() {
                        return Err(StoreError::Contended.into());
                    }
                    return Err(RolledBack::Refused { refusal, accesses: tx.shown.take() });
                }
                Err(failure) if !may_have_answer || failure.is_retryable() || failure.is_unclassified() => {
                    return Err(failure.into());
                }
                // It fails, or succeeds without saving its answer, perhaps because it was done before.
                Ok(_) | Err(_) => return Err(StoreError::Contended.into()),
            };
            tx.end(earlier_tries >= WAIT_AFTER_TRIES, done.answer.as_ref())?;
            Ok((done.value, tx.now, tx.after))
        });
        let (value, now, after) = committed.await?;
        if let Some((authority, activity)) = actor.authority(now).zip(after.activity) {
            self.activity.note(authority, activity);
        }
        if let Some(reader) = actor.any_id() {
            for access in &after.recorded {
                self.recorded_accesses.note(reader, access, now);
            }
        }
        self.wake(after.wakes);
        for fact in after.facts {
            self.metrics.count(fact);
        }
        Ok(value)
    }

    /// Wakes listeners, each topic once.
    pub(crate) fn wake(&self, mut topics: Vec<Topic>) {
        let mut seen = std::collections::HashSet::new();
        topics.retain(|topic| seen.insert(*topic));
        for topic in topics {
            self.coordination.wake(topic);
        }
    }
}

impl Tx<'_> {
    /// The last step: records the accesses to health data, that the caller was active, and the
    /// events; saves the answer; and checks that what the token proved still holds and will hold
    /// until the commit.
    fn end(&mut self, wait: bool, answer: Option<&Answered>) -> Result<(), Failure> {
        let shown = self.shown.take();
        for (access, event) in health_access::record(self.conn, self.app, self.actor, shown, self.now)? {
            self.wake(Topic::Operators);
            self.after.recorded.push(access);
            self.events.push(event);
        }
        let mut authority = self.actor.authority(self.now);
        if self.after.ended_own {
            // Ending a check-in has found it open; ending a session has not compared its version.
            if self.activity.is_none() && matches!(self.actor, Actor::Staff(_)) {
                return Err(StoreError::Contended.into());
            }
            authority = None;
        }
        if let Some(checked) = authority
            && let Some(in_person) = self.touch_due()?
            && storage::authority::authority_touch(self.conn, checked, self.now, in_person)?
        {
            let attended_at =
                if in_person { Some(self.now) } else { self.activity.and_then(|before| before.attended_at) };
            self.activity = Some(Activity { active_at: Some(self.now), attended_at });
            // The row is locked now.
            authority = None;
        }
        self.after.activity = self.activity;
        let step = LastStep {
            authority,
            wait,
            events: &self.events,
            answer: answer.map(|answer| NewAnswer {
                id: answer.id,
                body_digest: &answer.body_digest,
                answer_sealed: &answer.sealed,
                created_at: At(self.now),
            }),
        };
        match last_step::run(self.conn, &step)? {
            LastCheck::Holds => Ok(()),
            LastCheck::Ended => Err(self.actor.ended().into()),
            LastCheck::Contended => Err(StoreError::Contended.into()),
        }
    }
}
