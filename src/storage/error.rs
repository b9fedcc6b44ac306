//! Faults of the storage. They are never answers: the transaction is rolled
//! back and the caller is told to try again.

/// What can go wrong below the services.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement.
    #[error("database: {0}")]
    Database(#[from] diesel::result::Error),
    /// No connection could be made.
    #[error("connection: {0}")]
    Connection(#[from] diesel::ConnectionError),
    /// No pooled connection became free in time.
    #[error("pool: {0}")]
    Pool(String),
    /// More writes wait than may.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The closure panicked; its work was undone.
    #[error("a write panicked and was undone")]
    Panicked,
    /// The shared commit failed, or the writer is gone.
    #[error("storage is broken: {0}")]
    Broken(String),
    /// A stored value cannot be read as what it should be.
    #[error("stored value: {0}")]
    Corrupt(String),
}
