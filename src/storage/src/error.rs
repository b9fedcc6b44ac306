//! Storage errors. They are never business answers: the transaction is rolled back and the caller
//! is asked to try again.

use std::{borrow::Cow, error::Error, path::Path, sync::Arc};

use diesel::result::{DatabaseErrorKind as Kind, Error as QueryError};

/// What [`StoreError::Busy`] names when a row lock timed out.
const A_ROW: &str = "a row";

/// Errors of the storage layer. Texts name no cause: that is the source.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement.
    #[error("the database")]
    Database(#[from] diesel::result::Error),
    /// No connection could be made.
    #[error("no connection")]
    Connection(#[from] diesel::ConnectionError),
    /// No pooled connection could be made in time.
    #[error("no pooled connection")]
    Pool(#[from] diesel::r2d2::PoolError),
    /// The connection was lost during COMMIT: it is unknown whether it was committed.
    #[error("the connection was lost while committing")]
    CommitUnknown(#[source] diesel::result::Error),
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
    /// The transaction that this write shares with others could not begin or commit.
    #[error("the shared transaction failed")]
    SharedTransaction(#[source] Arc<StoreError>),
    /// Something other than a statement failed: a file, a thread, a migration.
    #[error("{what}")]
    Broken {
        what: Cow<'static, str>,
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
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

impl Retryable for QueryError {
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

    pub(super) fn broken(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Broken { what: what.into(), cause: None }
    }

    pub(super) fn broken_by(
        what: impl Into<Cow<'static, str>>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Broken { what: what.into(), cause: Some(cause.into()) }
    }

    /// The file at `path` cannot be used.
    pub(super) fn file(path: &Path, cause: std::io::Error) -> Self {
        Self::broken_by(path.display().to_string(), cause)
    }

    /// Whether this affects all callers now, not only those who need the same rows.
    pub fn affects_all_callers(&self) -> bool {
        match self {
            Self::Busy(what) => *what != A_ROW,
            Self::Contended | Self::Database(QueryError::DatabaseError(Kind::SerializationFailure, _)) => {
                false
            }
            Self::Broken { .. } | Self::SharedTransaction(_) => true,
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
            Self::Database(QueryError::BrokenTransactionManager) => true,
            Self::Database(QueryError::DatabaseError(kind, _)) => {
                matches!(
                    kind,
                    Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::SerializationFailure
                )
            }
            _ => false,
        }
    }
}
