//! FLOOR 1: tokens, signatures, password hashes, field sealing.
//!
//! It never reads a clock (time is an argument), a file, a socket or a
//! setting, and it never logs. Random bytes are the one thing it takes from
//! outside (`random.rs`). Every primitive comes from one backend, AWS-LC:
//! two backends in one process would mean two sets of defaults to get wrong.
//!
//! Secrets stand in types whose `Debug` is redacted, so that a log line or an
//! error can hold such a value without telling it. Errors carry no data for
//! the same reason.

pub mod blind;
pub mod device;
pub mod digest;
mod error;
mod jwt;
pub mod keyring;
pub mod keys;
pub mod password;
pub mod pin;
pub mod public_key;
pub mod qr;
pub mod random;
pub mod seal;
pub mod signer;
pub mod signer_ring;
pub mod tokens;
pub mod totp;
pub mod vend_auth;

pub use error::CryptoError;
