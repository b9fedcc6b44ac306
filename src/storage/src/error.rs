//! Storage errors. They are never business answers: the transaction is rolled back and the caller
//! is asked to try again.

use diesel::result::{DatabaseErrorKind as Kind, Error};

/// What [`StoreError::Busy`] names when a row lock timed out.
const A_ROW: &str = "a row";

/// Errors of the storage layer.
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
    /// The connection was lost during COMMIT: it is unknown whether it was committed.
    #[error("connection lost while committing: {0}")]
    CommitUnknown(String),
    /// The wait for a row lock, a connection or the writer timed out; nothing was written.
    #[error("waited in vain for {0}")]
    Busy(&'static str),
    /// Another transaction has locked a row that this one may not wait for; all its work was
    /// undone.
    #[error("a row that must not be waited for is being changed")]
    Contended,
    /// Too many queued writes.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The closure panicked; its work was undone.
    #[error("a write panicked and was undone")]
    Panicked,
    /// The shared commit failed, or the writer has stopped.
    #[error("storage is broken: {0}")]
    Broken(String),
    /// A stored value cannot be decoded.
    #[error("stored value: {0}")]
    Corrupt(String),
}

/// Whether a transaction that failed, and was rolled back, may succeed when it is run again.
pub trait Retryable {
    /// True for a conflict or a lost connection, not a fault of the work itself.
    fn is_retryable(&self) -> bool;

    /// True for an error that diesel does not classify: a deadlock, or a lock timeout. Only the
    /// elapsed time tells them apart.
    fn is_unclassified(&self) -> bool {
        false
    }

    /// True where a retry should first wait a moment for the other transaction.
    fn should_back_off(&self) -> bool {
        false
    }
}

impl Retryable for StoreError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Database(error) => error.is_retryable(),
            Self::Contended => true,
            _ => false,
        }
    }

    fn should_back_off(&self) -> bool {
        matches!(self, Self::Contended)
    }
    fn is_unclassified(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_unclassified())
    }
}

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        match self {
            Self::DatabaseError(
                // Another transaction wrote the same row first: the next try sees it, and refuses
                // with a business error.
                Kind::UniqueViolation
                | Kind::SerializationFailure
                // The server closed the connection, or was restarted.
                | Kind::ClosedConnection
                | Kind::UnableToSendCommand
                // diesel does not classify deadlocks, and the message is in the server's language.
                | Kind::Unknown,
                _,
            )
            | Self::BrokenTransactionManager => true,
            _ => false,
        }
    }
    fn is_unclassified(&self) -> bool {
        matches!(self, Self::DatabaseError(Kind::Unknown, _))
    }
}

impl StoreError {
    /// The wait for a row lock timed out.
    pub(super) const LOCK_TIMEOUT: Self = Self::Busy(A_ROW);

    /// Whether this affects all callers now, not only those who need the same rows.
    pub fn affects_all_callers(&self) -> bool {
        match self {
            Self::Busy(what) => *what != A_ROW,
            Self::Contended | Self::Database(Error::DatabaseError(Kind::SerializationFailure, _)) => false,
            Self::Broken(_) => true,
            other => other.is_unreachable(),
        }
    }

    /// Whether it was only a row lock that another transaction has.
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Contended) || matches!(self, Self::Busy(what) if *what == A_ROW)
    }

    /// Whether the database cannot be reached, or not at the moment.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Pool(_) | Self::CommitUnknown(_) => true,
            Self::Contended | Self::Overloaded | Self::Busy(_) => true,
            Self::Database(Error::BrokenTransactionManager) => true,
            Self::Database(Error::DatabaseError(kind, _)) => {
                matches!(
                    kind,
                    Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::SerializationFailure
                )
            }
            _ => false,
        }
    }
}
