//! Argon2id off the async threads and out of every transaction. At most two at
//! once hash in a process (38 MiB), and at most 64 stand in line: whoever comes
//! beyond that is told to try later rather than made to wait.

use tokio::sync::Semaphore;

use crate::Failure;
use crypto::password;
use storage::StoreError;

static PLACES: Semaphore = Semaphore::const_new(2);
static LINE: Semaphore = Semaphore::const_new(64);

/// What came of looking at a password.
#[derive(Debug)]
pub struct Looked {
    /// Whether it is the right one.
    pub right: bool,
    /// The same password under today's parameters, where the stored hash is older.
    pub rehashed: Option<String>,
}

/// Looks at a password; for an account without one the same work is done.
///
/// # Errors
/// `Overloaded` when too many stand in line.
pub async fn verify(stored: Option<String>, typed: String) -> Result<Looked, Failure> {
    off_thread(move || {
        let right = password::verify(stored.as_deref(), &typed);
        let old = right && stored.as_deref().is_some_and(password::needs_rehash);
        let rehashed = if old { password::hash(&typed).ok() } else { None };
        Looked { right, rehashed }
    })
    .await
}

/// Hashes a new password.
///
/// # Errors
/// `Overloaded` when too many stand in line; a fault of the backend.
pub async fn hash(typed: String) -> Result<String, Failure> {
    Ok(off_thread(move || password::hash(&typed)).await??)
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let _in_line = LINE.try_acquire().map_err(|_| Failure::Store(StoreError::Overloaded))?;
    let place = PLACES.acquire().await.map_err(|_| Failure::Fault("the hashing places are closed".into()))?;
    tokio::task::spawn_blocking(move || {
        // Held by the work itself: a caller who goes away frees no place early.
        let _place = place;
        work()
    })
    .await
    .map_err(|_| Failure::Store(StoreError::Panicked))
}
