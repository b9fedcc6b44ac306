//! How a verb ends when it does not end well.

use crypto::CryptoError;
use domain::refusal::Refusal;
use storage::{QueryError, StoreError, TryAgain};

/// A refusal is an answer; a fault is ours.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The domain says no, and says why.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// The storage failed; nothing was kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that cannot be, was.
    #[error("fault: {0}")]
    Fault(String),
}

impl Failure {
    /// Whether whatever is done next meets it as well: the database is out of reach.
    pub(super) fn concerns_all(&self) -> bool {
        matches!(self, Self::Store(error) if error.concerns_all())
    }

    /// Whether somebody else only holds a row.
    pub(super) fn is_held_row(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_held_row())
    }
}

impl TryAgain for Failure {
    fn may_pass(&self) -> bool {
        matches!(self, Self::Store(error) if error.may_pass())
    }
    fn is_unnamed(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_unnamed())
    }

    fn should_pause(&self) -> bool {
        matches!(self, Self::Store(error) if error.should_pause())
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
        Self::Fault(error.to_string())
    }
}
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(format!("stored JSON: {error}"))
    }
}
