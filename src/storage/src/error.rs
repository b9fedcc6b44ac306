//! Faults of the storage. They are never answers: the transaction is rolled
//! back and the caller is told to try again.

use diesel::result::{DatabaseErrorKind as Kind, Error};

/// What is waited for where somebody holds a row.
const A_ROW: &str = "a row";

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
    /// The connection ended during COMMIT: nobody knows whether it was kept.
    #[error("connection lost while committing: {0}")]
    Unsure(String),
    /// A row, a connection or the writer was waited for too long; nothing was kept.
    #[error("waited in vain for {0}")]
    Busy(&'static str),
    /// Another transaction is changing a row that this one may not wait for;
    /// all of its work was undone.
    #[error("a row that must not be waited for is being changed")]
    Contended,
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

/// Whether a transaction that failed, and was undone, may well succeed when it
/// is simply run again.
pub trait TryAgain {
    /// True where the database itself, and not the work, was in the way.
    fn may_pass(&self) -> bool;

    /// True where diesel cannot say what was in the way: a deadlock, or a wait
    /// that took too long. Only the time that has passed tells them apart.
    fn is_unnamed(&self) -> bool {
        false
    }

    /// True where the other transaction should be given a moment first.
    fn should_pause(&self) -> bool {
        false
    }
}

impl TryAgain for StoreError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => error.may_pass(),
            Self::Contended => true,
            _ => false,
        }
    }

    fn should_pause(&self) -> bool {
        matches!(self, Self::Contended)
    }
    fn is_unnamed(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_unnamed())
    }
}

impl TryAgain for Error {
    fn may_pass(&self) -> bool {
        match self {
            Self::DatabaseError(
                // Somebody wrote the same row first: the next try sees it, and
                // refuses in words.
                Kind::UniqueViolation
                | Kind::SerializationFailure
                // The server went away, or was started anew.
                | Kind::ClosedConnection
                | Kind::UnableToSendCommand
                // diesel tells no deadlock apart, and its text is in the server's language.
                | Kind::Unknown,
                _,
            )
            | Self::BrokenTransactionManager => true,
            _ => false,
        }
    }
    fn is_unnamed(&self) -> bool {
        matches!(self, Self::DatabaseError(Kind::Unknown, _))
    }
}

impl StoreError {
    /// A row was waited for in vain.
    pub(super) const ROW: Self = Self::Busy(A_ROW);

    /// Whether everybody meets this now, and not only who needs the same rows.
    pub fn concerns_all(&self) -> bool {
        match self {
            Self::Busy(what) => *what != A_ROW,
            Self::Contended | Self::Database(Error::DatabaseError(Kind::SerializationFailure, _)) => false,
            Self::Broken(_) => true,
            other => other.is_unreachable(),
        }
    }

    /// Whether it was only a row that somebody else holds.
    pub fn is_held_row(&self) -> bool {
        matches!(self, Self::Contended) || matches!(self, Self::Busy(what) if *what == A_ROW)
    }

    /// Whether the database cannot be reached, or not now.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Pool(_) | Self::Unsure(_) => true,
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
