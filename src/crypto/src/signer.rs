//! Signatures over bytes that are stored elsewhere: a detached JWS (RFC 7515,
//! appendix F) contains the header and the signature, not the bytes themselves.
//!
//! The algorithm is a trait on both sides: Ed25519 inside, and SM2 by the service of
//! a certificate authority (`sm2.rs`). The required algorithm is
//! defined by the key that is found, never by the signature's header.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};

use super::{CryptoError, keys::PurposeKey, public_key::Ed25519PublicKey};

/// The JWS name of Ed25519 (RFC 8037, section 3.1).
pub(super) const EDDSA: &str = "EdDSA";
/// Bytes; our headers and signatures are far shorter.
const LONGEST_JWS: usize = 4096;

/// A signing key in memory, or a module that holds one.
pub trait Signer: Send + Sync {
    /// The JWS name of the algorithm.
    fn algorithm(&self) -> &str;
    /// The id by which a verifier finds the key.
    fn key_id(&self) -> &str;
    /// Signs the bytes.
    ///
    /// # Errors
    /// [`CryptoError::OperationFailed`] if the module refuses or cannot be reached.
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, CryptoError>;
}

/// The public side of a [`Signer`].
pub trait Verifier: Send + Sync {
    /// The JWS name of the only algorithm that this key may be used with.
    fn algorithm(&self) -> &str;
    /// Checks a signature.
    ///
    /// # Errors
    /// [`CryptoError::SignatureInvalid`] if it does not match.
    fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), CryptoError>;
}

impl Verifier for Ed25519PublicKey {
    fn algorithm(&self) -> &str {
        EDDSA
    }
    fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        Ed25519PublicKey::verify(self, bytes, signature)
    }
}

/// A [`Signer`] with an Ed25519 key in memory.
#[derive(Clone)]
pub struct Ed25519Signer {
    key_id: String,
    pair: Ed25519KeyPair,
}

impl Ed25519Signer {
    /// A new key; its id is its thumbprint.
    ///
    /// # Errors
    /// [`CryptoError::OperationFailed`] if the backend fails.
    pub fn generate() -> Result<Self, CryptoError> {
        Ok(Self::from_pair(Ed25519KeyPair::generate().map_err(|_| CryptoError::OperationFailed)?))
    }

    /// A key as stored (sealed) in the database; its id is its thumbprint.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] if it is not an Ed25519 key in PKCS#8.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self::from_pair(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| CryptoError::KeyInvalid)?))
    }

    /// A key that is derived rather than stored: prescriptions and the audit head.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] if the backend refuses the seed.
    pub(crate) fn from_purpose_key(key: &PurposeKey) -> Result<Self, CryptoError> {
        Self::from_seed(key.expose())
    }

    /// The key of a 32-byte seed.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] if the backend refuses the seed.
    pub fn from_seed(seed: &[u8]) -> Result<Self, CryptoError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| CryptoError::KeyInvalid)?;
        Ok(Self::from_pair(pair))
    }

    /// The same key under another id.
    pub fn named(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = key_id.into();
        self
    }

    /// The private key as PKCS#8, to be sealed.
    ///
    /// # Errors
    /// [`CryptoError::OperationFailed`] if the backend fails.
    pub fn to_pkcs8(&self) -> Result<SecretSlice<u8>, CryptoError> {
        let document = self.pair.to_pkcs8().map_err(|_| CryptoError::OperationFailed)?;
        Ok(document.as_ref().to_vec().into())
    }

    pub fn public_key(&self) -> Ed25519PublicKey {
        public_key_of(&self.pair)
    }

    fn from_pair(pair: Ed25519KeyPair) -> Self {
        Self { key_id: public_key_of(&pair).thumbprint(), pair }
    }
}

fn public_key_of(pair: &Ed25519KeyPair) -> Ed25519PublicKey {
    Ed25519PublicKey::from_bytes(pair.public_key().as_ref()).expect("an Ed25519 public key has 32 bytes")
}

impl Signer for Ed25519Signer {
    fn algorithm(&self) -> &str {
        EDDSA
    }
    fn key_id(&self) -> &str {
        &self.key_id
    }
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.pair.sign(bytes).as_ref().to_vec())
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// What a detached signature covers. It is part of the signed header (`typ`), so
/// that a signature made for one kind is never valid for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetachedKind {
    /// A prescription's canonical bytes.
    Prescription,
    /// The head of the audit chain.
    AuditHead,
    /// A device's request.
    Request,
}

impl DetachedKind {
    const fn typ(self) -> &'static str {
        match self {
            Self::Prescription => "prescription+jws",
            Self::AuditHead => "audit-head+jws",
            Self::Request => "request+jws",
        }
    }
}

/// Closed on purpose: `crit`, `b64`, `jwk`, `jku`, `x5u` and any other member are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DetachedHeader {
    alg: String,
    kid: String,
    typ: String,
}

/// Signs `bytes`, and returns `header..signature`.
///
/// # Errors
/// As [`Signer::sign`].
pub fn sign_detached(signer: &dyn Signer, kind: DetachedKind, bytes: &[u8]) -> Result<String, CryptoError> {
    let header = encoded_header(signer.algorithm(), signer.key_id(), kind)?;
    let signature = signer.sign(&input_under(&header, bytes))?;
    Ok(format!("{header}..{}", BASE64URL_NOPAD.encode(&signature)))
}

/// The bytes that a [`Signer`] with this algorithm and key id is given by [`sign_detached`]; for one
/// that signs elsewhere.
///
/// # Errors
/// [`CryptoError::OperationFailed`] if the header cannot be written.
pub fn signing_input(
    algorithm: &str,
    key_id: &str,
    kind: DetachedKind,
    bytes: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    Ok(input_under(&encoded_header(algorithm, key_id, kind)?, bytes))
}

fn encoded_header(algorithm: &str, key_id: &str, kind: DetachedKind) -> Result<String, CryptoError> {
    let header =
        DetachedHeader { alg: algorithm.to_owned(), kid: key_id.to_owned(), typ: kind.typ().to_owned() };
    let header = serde_json::to_vec(&header).map_err(|_| CryptoError::OperationFailed)?;
    Ok(BASE64URL_NOPAD.encode(&header))
}

/// Checks `header..signature` over `bytes` and returns the id of the signing key.
/// `find_key` returns the key for an id, or `None` if the id is unknown or no
/// longer trusted.
///
/// # Errors
/// [`CryptoError::Malformed`], [`CryptoError::WrongKind`] (another `typ` or
/// `alg`), [`CryptoError::KeyUnknown`] or [`CryptoError::SignatureInvalid`].
pub fn verify_detached(
    jws: &str,
    kind: DetachedKind,
    bytes: &[u8],
    find_key: impl FnOnce(&str) -> Option<Box<dyn Verifier>>,
) -> Result<String, CryptoError> {
    if jws.len() > LONGEST_JWS {
        return Err(CryptoError::Malformed);
    }
    let (encoded, signature) = jws.split_once("..").ok_or(CryptoError::Malformed)?;
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| CryptoError::Malformed);
    let header: DetachedHeader =
        serde_json::from_slice(&decode(encoded)?).map_err(|_| CryptoError::Malformed)?;
    let signature = decode(signature)?;
    if header.typ != kind.typ() {
        return Err(CryptoError::WrongKind);
    }
    let key = find_key(&header.kid).ok_or(CryptoError::KeyUnknown)?;
    if header.alg != key.algorithm() {
        return Err(CryptoError::WrongKind);
    }
    key.verify(&input_under(encoded, bytes), &signature)?;
    Ok(header.kid)
}

/// The key id in the header of `header..signature`, unverified: only to look the key up.
///
/// # Errors
/// [`CryptoError::Malformed`].
pub fn claimed_key_id(jws: &str) -> Result<String, CryptoError> {
    if jws.len() > LONGEST_JWS {
        return Err(CryptoError::Malformed);
    }
    let (encoded, _) = jws.split_once("..").ok_or(CryptoError::Malformed)?;
    let header = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| CryptoError::Malformed)?;
    let header: DetachedHeader = serde_json::from_slice(&header).map_err(|_| CryptoError::Malformed)?;
    Ok(header.kid)
}

fn input_under(encoded_header: &str, bytes: &[u8]) -> Vec<u8> {
    format!("{encoded_header}.{}", BASE64URL_NOPAD.encode(bytes)).into_bytes()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;
    use crate::keys::{MasterSecret, Purpose};

    const BYTES: &[u8] = b"{\"lines\":[\"ibuprofen\"]}";

    fn check(
        signer: &Ed25519Signer,
        kind: DetachedKind,
        jws: &str,
        bytes: &[u8],
    ) -> Result<String, CryptoError> {
        let (id, key) = (signer.key_id().to_owned(), signer.public_key());
        verify_detached(jws, kind, bytes, |kid| (kid == id).then(|| -> Box<dyn Verifier> { Box::new(key) }))
    }

    fn with_header(signer: &Ed25519Signer, header: &serde_json::Value) -> String {
        let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        let signature = signer.sign(&input_under(&header, BYTES)).unwrap();
        format!("{header}..{}", BASE64URL_NOPAD.encode(&signature))
    }

    #[test]
    fn a_signature_matches_its_bytes_kind_and_key_only() {
        use DetachedKind::{AuditHead, Prescription};
        let signer = Ed25519Signer::generate().unwrap();
        let jws = sign_detached(&signer, Prescription, BYTES).unwrap();
        assert_eq!(check(&signer, Prescription, &jws, BYTES), Ok(signer.key_id().to_owned()));
        assert_eq!(check(&signer, Prescription, &jws, b"other"), Err(CryptoError::SignatureInvalid));
        assert_eq!(check(&signer, AuditHead, &jws, BYTES), Err(CryptoError::WrongKind));
        let other = Ed25519Signer::generate().unwrap();
        assert_eq!(check(&other, Prescription, &jws, BYTES), Err(CryptoError::KeyUnknown));
        let impostor = other.named(signer.key_id());
        assert_eq!(check(&impostor, Prescription, &jws, BYTES), Err(CryptoError::SignatureInvalid));
    }

    #[test]
    fn headers_with_extra_or_changed_members_are_refused() {
        let signer = Ed25519Signer::generate().unwrap();
        let good = json!({ "alg": "EdDSA", "kid": signer.key_id(), "typ": "prescription+jws" });
        let verdict = |header: &serde_json::Value| {
            check(&signer, DetachedKind::Prescription, &with_header(&signer, header), BYTES)
        };
        assert!(verdict(&good).is_ok());
        for (name, value) in [
            ("crit", json!(["b64"])),
            ("b64", json!(false)),
            ("jku", json!("https://attacker.example/keys")),
            ("jwk", json!({ "kty": "OKP" })),
            ("x5u", json!("https://attacker.example/cert")),
        ] {
            let mut header = good.clone();
            header[name] = value;
            assert_eq!(verdict(&header), Err(CryptoError::Malformed), "{name}");
        }
        for alg in ["none", "HS256", "ES256", "eddsa", "SM2"] {
            let mut header = good.clone();
            header["alg"] = json!(alg);
            assert_eq!(verdict(&header), Err(CryptoError::WrongKind), "{alg}");
        }
        assert_eq!(
            verdict(&json!({ "alg": "EdDSA", "typ": "prescription+jws" })),
            Err(CryptoError::Malformed)
        );
    }

    #[test]
    fn broken_texts_are_refused() {
        let signer = Ed25519Signer::generate().unwrap();
        let jws = sign_detached(&signer, DetachedKind::Prescription, BYTES).unwrap();
        let attached = jws.replace("..", &format!(".{}.", BASE64URL_NOPAD.encode(BYTES)));
        let longer = format!("{jws}.AA");
        let padded = format!("{jws}=");
        for bad in ["", "..", ".", &attached, &longer, &padded, &jws.replace("..", "...")] {
            let found = check(&signer, DetachedKind::Prescription, bad, BYTES);
            assert_eq!(found, Err(CryptoError::Malformed), "{bad}");
        }
        let unsigned = format!("{}..", jws.split_once("..").unwrap().0);
        let found = check(&signer, DetachedKind::Prescription, &unsigned, BYTES);
        assert_eq!(found, Err(CryptoError::SignatureInvalid));
    }

    #[test]
    fn keys_read_back_and_derive_again() {
        let signer = Ed25519Signer::generate().unwrap();
        let again = Ed25519Signer::from_pkcs8(signer.to_pkcs8().unwrap().expose_secret()).unwrap();
        assert_eq!((again.key_id(), again.public_key()), (signer.key_id(), signer.public_key()));
        assert_eq!(Ed25519Signer::from_pkcs8(b"rubbish").err(), Some(CryptoError::KeyInvalid));
        let master = MasterSecret::generate();
        let derived = || Ed25519Signer::from_purpose_key(&master.derive(Purpose::Audit(1))).unwrap();
        assert_eq!(derived().public_key(), derived().public_key());
        assert!(!format!("{signer:?}").contains("pair"));
    }

    /// Another algorithm behind the same two traits, as SM2 would be.
    struct Toy;
    impl Signer for Toy {
        fn algorithm(&self) -> &str {
            "TOY"
        }
        fn key_id(&self) -> &str {
            "toy"
        }
        fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
            Ok(crate::digest::sha256(bytes).to_vec())
        }
    }
    impl Verifier for Toy {
        fn algorithm(&self) -> &str {
            "TOY"
        }
        fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
            (self.sign(bytes)? == signature).then_some(()).ok_or(CryptoError::SignatureInvalid)
        }
    }

    #[test]
    fn another_algorithm_can_be_plugged_in() {
        let jws = sign_detached(&Toy, DetachedKind::Prescription, BYTES).unwrap();
        let found = verify_detached(&jws, DetachedKind::Prescription, BYTES, |_| Some(Box::new(Toy)));
        assert_eq!(found.as_deref(), Ok("toy"));
        let key = Ed25519Signer::generate().unwrap().public_key();
        let found = verify_detached(&jws, DetachedKind::Prescription, BYTES, |_| Some(Box::new(key)));
        assert_eq!(found, Err(CryptoError::WrongKind));
    }
}
