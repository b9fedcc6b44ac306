//! Tokens, signatures, password hashes and field sealing.
//!
//! This crate reads no clock (time is an argument), no file, socket or setting,
//! and it never logs. Its only input from outside is random bytes (`random.rs`).
//! Every primitive comes from one backend, AWS-LC: two backends in one process
//! would mean two sets of defaults to get wrong. The exceptions are SM2 and SM3,
//! which AWS-LC lacks; this crate only verifies with them.
//!
//! Secrets have types whose `Debug` is redacted, so that a log line or an error
//! cannot leak them. Errors carry no data for the same reason.

pub mod blind;
pub mod certificate;
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
pub mod sm2;
pub mod tokens;
pub mod totp;
pub mod vend_auth;

pub use error::CryptoError;
