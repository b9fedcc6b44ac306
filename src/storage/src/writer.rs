//! The single writer thread of the embedded database. It commits up to 128 queued closures at once,
//! each in its own savepoint, and answers only after the shared COMMIT: many acknowledged writes
//! share one disk sync.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::Instant,
};

use prometheus::Histogram;
use tracing::Span;

use super::{
    conn::{Conn, DatabaseUrl, Purpose},
    error::{Retryable, StoreError},
    statements::Statements,
    waits::Waits,
};
use base::telemetry::metrics;

/// At most this many closures share a commit.
const BATCH: usize = 128;
/// Longest queue: further closures are refused, and the caller should try later.
pub(super) const QUEUE: usize = 4096;

/// Passes the result of the shared transaction on to the caller of one closure.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Runs a closure; on `Err` it answers the caller with the error instead.
type Run = Box<dyn FnOnce(Result<&mut Conn, StoreError>) -> Answer + Send>;

/// A queued closure.
struct Job {
    /// Set once: by the writer that starts it, or by a caller whose wait timed out.
    decided: Arc<AtomicBool>,
    run: Run,
}

impl Job {
    /// The closure to run, unless its caller has given up.
    fn take(self) -> Option<Run> {
        (!self.decided.swap(true, Ordering::AcqRel)).then_some(self.run)
    }
}

/// Metrics of the batches, for operators.
#[derive(Debug)]
pub struct WriterMetrics {
    batches: AtomicU64,
    closures: AtomicU64,
    waiting: AtomicU64,
    /// Closures that shared a commit.
    pub batch_size: Histogram,
    /// Seconds of each commit, including the disk sync.
    pub commit_seconds: Histogram,
}

impl Default for WriterMetrics {
    fn default() -> Self {
        let sizes = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        Self {
            batches: AtomicU64::new(0),
            closures: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            batch_size: metrics::histogram("writer_batch_size", "Writes that shared a commit", sizes),
            commit_seconds: metrics::histogram(
                "writer_commit_seconds",
                "Seconds of a shared commit, the sync of the disk included",
                metrics::SECONDS,
            ),
        }
    }
}

impl WriterMetrics {
    /// Commits so far, and closures in them.
    pub fn read(&self) -> (u64, u64) {
        (self.batches.load(Ordering::Relaxed), self.closures.load(Ordering::Relaxed))
    }

    /// Queued closures that the writer has not started yet.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A handle to the writer thread; the thread ends with its last handle.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::SyncSender<Job>,
    metrics: Arc<WriterMetrics>,
    waits: Waits,
}

impl Writer {
    /// Opens the writing connection and starts its thread.
    pub fn start(url: DatabaseUrl, waits: Waits, statements: Statements) -> Result<Self, StoreError> {
        let conn = Conn::open(&url, Purpose::Write)?.prepare(&waits, &statements)?;
        let (jobs, waiting) = mpsc::sync_channel::<Job>(QUEUE);
        let metrics = Arc::new(WriterMetrics::default());
        let counted = Arc::clone(&metrics);
        std::thread::Builder::new()
            .name("waystation-writer".to_owned())
            .spawn(move || write_batches(conn, (&url, &waits, &statements), &waiting, &counted))
            .map_err(|error| StoreError::broken_by("the writer's thread", error))?;
        Ok(Self { jobs, metrics, waits })
    }

    pub fn metrics(&self) -> &WriterMetrics {
        &self.metrics
    }

    /// Submits a closure to the writer and waits for the commit that contains it.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full; `Busy` when the writer did not start it in time (then
    /// it never will); `Panicked` when the closure panicked (its work is undone, that of the other
    /// closures in the batch is not); the database error when the shared commit failed.
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let decided = Arc::new(AtomicBool::new(false));
        // The closure logs within the span of its request.
        let span = Span::current();
        let run: Run = Box::new(move |conn| {
            let outcome = match conn {
                Ok(conn) => span
                    .in_scope(|| catch_unwind(AssertUnwindSafe(|| conn.savepoint(work))))
                    .unwrap_or_else(|_| Err(StoreError::Panicked.into())),
                Err(why) => Err(why.into()),
            };
            Box::new(move |committed| {
                // The caller may be gone; its work is committed all the same.
                let _ = reply.send(match committed {
                    Ok(()) => outcome,
                    Err(error) => outcome.and(Err(error.into())),
                });
            })
        });
        self.metrics.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = self.jobs.try_send(Job { decided: Arc::clone(&decided), run });
        if sent.is_err() {
            self.metrics.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        match sent {
            Ok(()) => {
                let response = match tokio::time::timeout(self.waits.lock, &mut answer).await {
                    Ok(response) => response,
                    Err(_) if !decided.swap(true, Ordering::AcqRel) => {
                        return Err(StoreError::Busy("the writer").into());
                    }
                    // The writer is running it: only its end gives the result.
                    Err(_) => answer.await,
                };
                response.unwrap_or_else(|_| Err(StoreError::Panicked.into()))
            }
            Err(mpsc::TrySendError::Full(_)) => Err(StoreError::Overloaded.into()),
            Err(mpsc::TrySendError::Disconnected(_)) => {
                Err(StoreError::broken("the writer has stopped").into())
            }
        }
    }
}

fn write_batches(
    mut conn: Conn,
    (url, waits, statements): (&DatabaseUrl, &Waits, &Statements),
    waiting: &mpsc::Receiver<Job>,
    metrics: &WriterMetrics,
) {
    while let Ok(first) = waiting.recv() {
        metrics.waiting.fetch_sub(1, Ordering::Relaxed);
        let Some(first) = first.take() else { continue };
        let mut answers = Vec::with_capacity(BATCH);
        let committed = write_batch(&mut conn, first, waiting, metrics, &mut answers);
        metrics.batches.fetch_add(1, Ordering::Relaxed);
        metrics.closures.fetch_add(answers.len() as u64, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "at most a batch")]
        metrics.batch_size.observe(answers.len() as f64);
        if committed.is_err() {
            // A new connection is in a known state.
            match Conn::open(url, Purpose::Write).and_then(|conn| conn.prepare(waits, statements)) {
                Ok(fresh) => conn = fresh,
                Err(error) => tracing::error!(%error, "the writer cannot reopen the database"),
            }
        }
        for answer in answers {
            answer(committed.clone().map_err(StoreError::SharedTransaction));
        }
    }
}

fn write_batch(
    conn: &mut Conn,
    first: Run,
    waiting: &mpsc::Receiver<Job>,
    metrics: &WriterMetrics,
    answers: &mut Vec<Answer>,
) -> Result<(), Arc<StoreError>> {
    if let Err(error) = conn.begin_write() {
        // The caller must get an answer; outside a transaction the closure is not run. Another
        // process that has locked the file is an ordinary wait, not a fault.
        let locked = error.is_unclassified();
        let error = Arc::new(StoreError::from(error));
        let why = if locked {
            StoreError::Busy("the file")
        } else {
            StoreError::SharedTransaction(Arc::clone(&error))
        };
        answers.push(first(Err(why)));
        return Err(error);
    }
    answers.push(first(Ok(conn)));
    while answers.len() < BATCH {
        match waiting.try_recv() {
            Ok(job) => {
                metrics.waiting.fetch_sub(1, Ordering::Relaxed);
                if let Some(run) = job.take() {
                    answers.push(run(Ok(conn)));
                }
            }
            Err(_) => break,
        }
    }
    let began = Instant::now();
    conn.commit_write().map_err(|error| Arc::new(error.into()))?;
    metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
    Ok(())
}
