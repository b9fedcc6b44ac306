//! Runs work on a pooled connection: a permit, a blocking thread, retries, and a timeout for every
//! wait.

pub(crate) mod metrics;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::{
    Conn, Store, WritePath,
    error::{Retryable, StoreError},
};

/// How often a transaction is tried that conflicts with others.
const TRIES: u32 = 8;
/// Longest queue for a connection: further work is refused at once. Our default.
const QUEUE: i64 = 4096;

/// How work on a connection ended.
enum Ended<T, E> {
    /// With a result.
    Done(Result<T, E>),
    /// A row lock timed out; all of it was undone.
    LockTimeout,
}

impl Store {
    /// Runs `work`, and again after a conflict with another transaction; passes it the lock
    /// timeout, where that differs from the first one. With `only_timeout`, which is no longer than
    /// the first one, it does not try again after a lock timeout.
    pub(super) async fn on_pool<T, E>(
        &self,
        only_timeout: Option<Duration>,
        work: impl Fn(&mut Conn, Option<Duration>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Retryable + Send + 'static,
    {
        let began = Instant::now();
        let (mut work, mut guard) = (work, None);
        loop {
            let permit = self.permit(began).await?;
            let lock_timeout = match only_timeout {
                // A longer timeout has no effect: the first one applies anyway.
                Some(only) => Some(only).filter(|only| *only < self.waits.first_lock_timeout()),
                None => guard.is_some().then(|| self.left(began).max(self.waits.first_lock_timeout())),
            };
            let (back, ended) = self.on_connection(began, permit, guard, lock_timeout, work).await?;
            match ended {
                Ended::Done(outcome) => return outcome,
                Ended::LockTimeout if only_timeout.or(lock_timeout).is_some() => {
                    return Err(StoreError::LOCK_TIMEOUT.into());
                }
                Ended::LockTimeout => work = back,
            }
            // Another transaction has locked the row. Work that waits for its turn here uses no
            // connection.
            let turn = Arc::clone(&self.long_lock_timeout_permits).acquire_owned();
            guard = match tokio::time::timeout(self.left(began), turn).await {
                Ok(Ok(permit)) => Some(permit),
                Ok(Err(_)) | Err(_) => return Err(StoreError::LOCK_TIMEOUT.into()),
            };
        }
    }

    /// Time left for row locks.
    fn left(&self, began: Instant) -> Duration {
        self.waits.lock.saturating_sub(began.elapsed())
    }

    /// A permit to run, within the checkout timeout.
    async fn permit(&self, began: Instant) -> Result<(Instant, OwnedSemaphorePermit), StoreError> {
        if self.pool.waiting() >= QUEUE {
            return Err(StoreError::Overloaded);
        }
        let _waiting = self.pool.wait();
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.waits.checkout, permit).await {
            Ok(Ok(permit)) => Ok((began, permit)),
            Ok(Err(_)) => Err(StoreError::broken("the pool is closed")),
            Err(_) => Err(StoreError::Busy("a connection")),
        }
    }

    /// Runs the work on a connection, in a blocking thread. The work itself owns the permits of its
    /// connection: a caller who goes away releases nothing early, and leaks nothing.
    async fn on_connection<T, E, W>(
        &self,
        began: Instant,
        permit: (Instant, OwnedSemaphorePermit),
        guard: Option<OwnedSemaphorePermit>,
        lock_timeout: Option<Duration>,
        work: W,
    ) -> Result<(W, Ended<T, E>), E>
    where
        T: Send + 'static,
        E: From<StoreError> + Retryable + Send + 'static,
        W: Fn(&mut Conn, Option<Duration>) -> Result<T, E> + Send + 'static,
    {
        let (pool, metrics) = (self.readers.clone(), Arc::clone(&self.pool));
        let taken = Arc::clone(&self.taken);
        let (waits, grouped) = (self.waits, matches!(self.writer, WritePath::Grouped(_)));
        // The closure logs within the span of its request.
        let span = Span::current();
        tokio::task::spawn_blocking(move || {
            let _permits = (permit, guard);
            let _span = span.entered();
            let mut first = true;
            // After a restart of the server every pooled connection may be dead, which shows only
            // when it is used.
            let mut dead = pool.max_size();
            let mut tries = TRIES;
            let ended = loop {
                let mut conn = match pool.get() {
                    Ok(conn) => conn,
                    Err(error) => break Ended::Done(Err(StoreError::Pool(error).into())),
                };
                taken.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut first) {
                    metrics.wait_seconds.observe(began.elapsed().as_secs_f64());
                }
                let tried = Instant::now();
                let outcome = work(&mut conn, lock_timeout);
                let lost = conn.is_lost();
                let left = if lost { &mut dead } else { &mut tries };
                match outcome {
                    // A deadlock is detected sooner than the lock timeout.
                    Err(error)
                        if !grouped
                            && !lost
                            && error.is_unclassified()
                            && tried.elapsed() >= lock_timeout.unwrap_or(waits.first_lock_timeout()) =>
                    {
                        break Ended::LockTimeout;
                    }
                    Err(error) if error.is_retryable() && *left > 1 && began.elapsed() < waits.lock * 2 => {
                        *left -= 1;
                        if error.should_back_off() {
                            drop(conn);
                            // This thread may block; nothing notifies it when the other transaction
                            // ends.
                            std::thread::park_timeout(Duration::from_millis(
                                1 << (TRIES - (*left).min(TRIES)),
                            ));
                        }
                    }
                    outcome => break Ended::Done(outcome),
                }
            };
            (work, ended)
        })
        .await
        .map_err(|_| StoreError::Panicked.into())
    }
}
