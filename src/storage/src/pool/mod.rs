//! Work on a connection of the pool: a place, a thread that may block, as many
//! tries as it takes, and an end to every wait.

pub(crate) mod figures;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::{
    Conn, Store, WriteDoor,
    error::{StoreError, TryAgain},
};

/// How often a transaction is tried that stood in another one's way.
const TRIES: u32 = 8;
/// Work that waits for a connection, at most: more is told at once to come
/// back later. Our default.
const LINE: i64 = 4096;

/// How work on a connection ended.
enum Ended<T, E> {
    /// With an answer.
    So(Result<T, E>),
    /// A row was waited for in vain; all of it was undone.
    Waited,
}

impl Store {
    /// Runs `work`, again where another transaction was in its way; it is told how
    /// long to wait for rows, where that is longer than at first. With an `only`
    /// wait, which is no longer than that, it does not wait again.
    pub(super) async fn on_pool<T, E>(
        &self,
        only: Option<Duration>,
        work: impl Fn(&mut Conn, Option<Duration>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + TryAgain + Send + 'static,
    {
        let began = Instant::now();
        let (mut work, mut guard) = (work, None);
        loop {
            let place = self.place(began).await?;
            let patience = match only {
                // So long a row is waited for anyway.
                Some(only) => Some(only).filter(|only| *only < self.waits.first()),
                None => guard.is_some().then(|| self.left(began).max(self.waits.first())),
            };
            let (back, ended) = self.on_connection(began, place, guard, patience, work).await?;
            match ended {
                Ended::So(outcome) => return outcome,
                Ended::Waited if only.or(patience).is_some() => return Err(StoreError::ROW.into()),
                Ended::Waited => work = back,
            }
            // Somebody holds the row. Whoever waits for it here has no connection.
            let line = Arc::clone(&self.patient).acquire_owned();
            guard = match tokio::time::timeout(self.left(began), line).await {
                Ok(Ok(permit)) => Some(permit),
                Ok(Err(_)) | Err(_) => return Err(StoreError::ROW.into()),
            };
        }
    }

    /// What is left of the time for rows.
    fn left(&self, began: Instant) -> Duration {
        self.waits.lock.saturating_sub(began.elapsed())
    }

    /// A place beside the other work, within its time.
    async fn place(&self, began: Instant) -> Result<(Instant, OwnedSemaphorePermit), StoreError> {
        if self.pool.waiting() >= LINE {
            return Err(StoreError::Overloaded);
        }
        let _waiting = self.pool.wait();
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.waits.checkout, place).await {
            Ok(Ok(place)) => Ok((began, place)),
            Ok(Err(_)) => Err(StoreError::Broken("the pool is closed".to_owned())),
            Err(_) => Err(StoreError::Busy("a connection")),
        }
    }

    /// Works on a connection, in a thread that may block. What guards the
    /// connections is held by the work itself: a caller who goes away frees
    /// nothing early, and leaves nothing behind.
    async fn on_connection<T, E, W>(
        &self,
        began: Instant,
        place: (Instant, OwnedSemaphorePermit),
        guard: Option<OwnedSemaphorePermit>,
        patience: Option<Duration>,
        work: W,
    ) -> Result<(W, Ended<T, E>), E>
    where
        T: Send + 'static,
        E: From<StoreError> + TryAgain + Send + 'static,
        W: Fn(&mut Conn, Option<Duration>) -> Result<T, E> + Send + 'static,
    {
        let (pool, figures) = (self.readers.clone(), Arc::clone(&self.pool));
        let taken = Arc::clone(&self.taken);
        let (waits, grouped) = (self.waits, matches!(self.writer, WriteDoor::Grouped(_)));
        // What the closure logs belongs to the request that it works for.
        let span = Span::current();
        tokio::task::spawn_blocking(move || {
            let _held = (place, guard);
            let _span = span.entered();
            let mut first = true;
            // After a restart of the server every connection in the pool may be
            // a dead one, and each is found out only by being used.
            let mut dead = pool.max_size();
            let mut tries = TRIES;
            let ended = loop {
                let mut conn = match pool.get() {
                    Ok(conn) => conn,
                    Err(error) => break Ended::So(Err(StoreError::Pool(error.to_string()).into())),
                };
                taken.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut first) {
                    figures.wait_seconds.observe(began.elapsed().as_secs_f64());
                }
                let tried = Instant::now();
                let outcome = work(&mut conn, patience);
                let lost = conn.is_lost();
                let left = if lost { &mut dead } else { &mut tries };
                match outcome {
                    // Deadlocks are found sooner than a wait ends.
                    Err(error)
                        if !grouped
                            && !lost
                            && error.is_unnamed()
                            && tried.elapsed() >= patience.unwrap_or(waits.first()) =>
                    {
                        break Ended::Waited;
                    }
                    Err(error) if error.may_pass() && *left > 1 && began.elapsed() < waits.lock * 2 => {
                        *left -= 1;
                        if error.should_pause() {
                            drop(conn);
                            // A thread that may block; nobody wakes it when the other one ends.
                            std::thread::park_timeout(Duration::from_millis(
                                1 << (TRIES - (*left).min(TRIES)),
                            ));
                        }
                    }
                    outcome => break Ended::So(outcome),
                }
            };
            (work, ended)
        })
        .await
        .map_err(|_| StoreError::Panicked.into())
    }
}
