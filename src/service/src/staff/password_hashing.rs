//! Argon2id off the async threads and outside every transaction. A process hashes on few threads of
//! its own (19 MiB each), which the system runs after all others: hundreds of sign-ins at once delay
//! each other, and nobody else. At most 64 callers are running or queued: further callers get
//! `Overloaded` rather than wait.

use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};

use tokio::sync::{Semaphore, oneshot};

use crate::Failure;
use crypto::password;
use storage::StoreError;

/// At most so many threads, and always fewer than cores, where there are several. Our default.
const MOST_HASHERS: usize = 2;
/// How far the threads that hash give way to others. Our default.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;
static QUEUE: Semaphore = Semaphore::const_new(64);
static HASHERS: LazyLock<mpsc::Sender<Work>> = LazyLock::new(start_hashers);

type Work = Box<dyn FnOnce() + Send>;

fn start_hashers() -> mpsc::Sender<Work> {
    let (sender, receiver) = mpsc::channel::<Work>();
    let receiver = Arc::new(Mutex::new(receiver));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..cores.saturating_sub(1).clamp(1, MOST_HASHERS) {
        let receiver = Arc::clone(&receiver);
        let hash = move || {
            // On Linux a thread has a niceness of its own.
            #[cfg(target_os = "linux")]
            if let Err(error) = rustix::process::nice(NICENESS) {
                tracing::warn!(%error, "passwords are hashed with the priority of requests");
            }
            let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            while let Ok(work) = next() {
                // A panic reaches the caller, whose answer is dropped; the thread goes on.
                let _caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            }
        };
        let started = std::thread::Builder::new().name("waystation-hasher".to_owned()).spawn(hash);
        if let Err(error) = started {
            tracing::error!(%error, "a thread that hashes passwords cannot start");
        }
    }
    sender
}

/// The result of verifying a password.
#[derive(Debug)]
pub(crate) struct Verified {
    /// Whether it is the right one.
    pub right: bool,
    /// The hash with the current parameters, if the stored one has older ones.
    pub rehashed: Option<String>,
}

/// Verifies a password; an account without one costs the same work.
///
/// # Errors
/// `Overloaded` when the queue is full.
pub async fn verify(stored: Option<String>, typed: String) -> Result<Verified, Failure> {
    off_thread(move || {
        let right = password::verify(stored.as_deref(), &typed);
        let old = right && stored.as_deref().is_some_and(password::needs_rehash);
        let rehashed = if old { password::hash(&typed).ok() } else { None };
        Verified { right, rehashed }
    })
    .await
}

/// Hashes a new password.
///
/// # Errors
/// `Overloaded` when the queue is full; a fault of the backend.
pub async fn hash(typed: String) -> Result<String, Failure> {
    Ok(off_thread(move || password::hash(&typed)).await??)
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let queued = QUEUE.try_acquire().map_err(|_| Failure::Store(StoreError::Overloaded))?;
    let (answer, answered) = oneshot::channel();
    let work = Box::new(move || {
        // Owned by the work itself: a caller who disconnects does not free the place early. Nobody
        // waits for work whose caller is gone.
        let _queued = queued;
        if !answer.is_closed() {
            let _gone = answer.send(work());
        }
    });
    let gone = |_| Failure::caused("no thread hashes passwords", mpsc::SendError(()));
    HASHERS.send(work).map_err(gone)?;
    answered.await.map_err(|_| Failure::Store(StoreError::Panicked))
}
