//! Argon2id off the async threads and outside every transaction. At most two hashes run at once in
//! a process (38 MiB), and at most 64 callers are running or queued: further callers get
//! `Overloaded` rather than wait.

use tokio::sync::Semaphore;

use crate::Failure;
use crypto::password;
use storage::StoreError;

static HASHERS: Semaphore = Semaphore::const_new(2);
static QUEUE: Semaphore = Semaphore::const_new(64);

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
    let _queued = QUEUE.try_acquire().map_err(|_| Failure::Store(StoreError::Overloaded))?;
    let hasher =
        HASHERS.acquire().await.map_err(|error| Failure::caused("the hashing places are closed", error))?;
    tokio::task::spawn_blocking(move || {
        // Owned by the work itself: a caller who disconnects does not free it early.
        let _hasher = hasher;
        work()
    })
    .await
    .map_err(|_| Failure::Store(StoreError::Panicked))
}
