//! The crate's error type. No variant carries data, because errors reach logs.

/// Why a key, a sealed value, a token or a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The text or bytes cannot be read as what they claim to be.
    #[error("the value cannot be read")]
    Malformed,
    /// Key material of the wrong kind, length or strength.
    #[error("the key cannot be used")]
    KeyInvalid,
    /// No live key has the id that the value names.
    #[error("the key is not known")]
    KeyUnknown,
    /// The signature does not match the bytes and the key.
    #[error("the signature is wrong")]
    SignatureInvalid,
    /// Signed with another algorithm or as another type (`alg`, `typ`).
    #[error("the value is of another kind")]
    WrongKind,
    /// Signed, but for another issuer, audience, subject or epoch (`iss`, `aud`, `sub`).
    #[error("the value is meant for somebody else")]
    WrongAudience,
    /// Past its expiry, or its lifetime is longer than its kind may have.
    #[error("the value has expired")]
    Expired,
    #[error("the value is not valid yet")]
    NotYetValid,
    /// A sealed value was changed, or moved from another row, column, table or network.
    #[error("the sealed value does not open")]
    OpenFailed,
    /// The signing, sealing or hashing itself failed.
    #[error("the operation failed")]
    OperationFailed,
}
