//! The error type of all operations.

use std::{borrow::Cow, error::Error};

use crypto::CryptoError;
use domain::{event::ParseError, refusal::Refusal};
use storage::{QueryError, Retryable, StoreError};

/// A refusal is an answer to the caller; a fault is an error of the server.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The rules refuse the operation, with the reason.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// The storage failed; nothing was committed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An error of the server itself.
    #[error("{what}")]
    Fault {
        /// What could not be done, or which stored value is not as it must be.
        what: Cow<'static, str>,
        #[source]
        cause: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A job left this many items for its next round; the failure of each is in the log.
    #[error("{0} items are left for the next round")]
    Incomplete(usize),
}

impl Failure {
    /// A stored or computed value is not as it must be.
    pub fn inconsistent(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Fault { what: what.into(), cause: None }
    }

    /// An error of another crate, with what it concerned.
    pub fn caused(what: impl Into<Cow<'static, str>>, cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Fault { what: what.into(), cause: Some(Box::new(cause)) }
    }

    /// Whether the next operation will fail in the same way: the database is unreachable.
    pub(super) fn affects_all_callers(&self) -> bool {
        matches!(self, Self::Store(error) if error.affects_all_callers())
    }

    /// Whether the failure is only a timeout on a row that another transaction has locked.
    pub(super) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_lock_timeout())
    }
}

impl Retryable for Failure {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
    fn is_unclassified(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_unclassified())
    }

    fn should_back_off(&self) -> bool {
        matches!(self, Self::Store(error) if error.should_back_off())
    }
}
impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::caused("a stored event", error)
    }
}
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
impl From<domain::refusal::Code> for Failure {
    fn from(code: domain::refusal::Code) -> Self {
        Refusal::new(code).into()
    }
}
impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Store(StoreError::Database(error))
    }
}
impl From<CryptoError> for Failure {
    fn from(error: CryptoError) -> Self {
        Self::caused("a key, a sealed value or a signature", error)
    }
}
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::caused("stored JSON", error)
    }
}
