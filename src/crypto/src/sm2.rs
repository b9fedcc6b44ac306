//! SM2 signatures (GB/T 32918.2) with SM3 (GB/T 32905), as certificate authorities in China make them
//! for doctors. This process only verifies: the private key is in the authority's service.

use sm2::dsa::{Signature, VerifyingKey, signature::Verifier as _};
use sm3::{Digest, Sm3};

use super::{
    CryptoError,
    signer::{Signer, Verifier},
};

/// The JWS name of the algorithm; none is registered.
pub const SM2: &str = "SM2";
/// The signer's id that everybody uses (GM/T 0009, section 7).
pub const SIGNER_ID: &str = "1234567812345678";

/// The SM3 digest.
pub fn sm3(bytes: &[u8]) -> [u8; 32] {
    Sm3::digest(bytes).into()
}

/// An SM2 public key.
#[derive(Debug, Clone)]
pub struct Sm2PublicKey(VerifyingKey);

impl Sm2PublicKey {
    /// A key as in a certificate: an uncompressed or compressed point (SEC 1).
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] unless it is a point of the curve.
    pub fn from_point(point: &[u8]) -> Result<Self, CryptoError> {
        VerifyingKey::from_sec1_bytes(SIGNER_ID, point).map(Self).map_err(|_| CryptoError::KeyInvalid)
    }

    /// Checks a signature in DER over `message`, as in a certificate.
    ///
    /// # Errors
    /// [`CryptoError::SignatureInvalid`] if it does not match.
    pub(super) fn verify_der(&self, message: &[u8], der: &[u8]) -> Result<(), CryptoError> {
        let signature = Signature::from_der(der).map_err(|_| CryptoError::SignatureInvalid)?;
        self.0.verify(message, &signature).map_err(|_| CryptoError::SignatureInvalid)
    }
}

/// The signed message is the SM3 digest of the bytes: the authority is sent no more than that, so it
/// learns nothing about the patient.
impl Verifier for Sm2PublicKey {
    fn algorithm(&self) -> &str {
        SM2
    }
    fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let signature = Signature::from_slice(signature).map_err(|_| CryptoError::SignatureInvalid)?;
        self.0.verify(&sm3(bytes), &signature).map_err(|_| CryptoError::SignatureInvalid)
    }
}

/// A signature as 64 bytes, from those or from DER (GM/T 0009, section 7.3).
///
/// # Errors
/// [`CryptoError::Malformed`] if it is neither.
pub fn signature_bytes(received: &[u8]) -> Result<[u8; 64], CryptoError> {
    let signature = Signature::from_slice(received).or_else(|_| Signature::from_der(received));
    Ok(signature.map_err(|_| CryptoError::Malformed)?.to_bytes().into())
}

/// A [`Signer`] whose one signature was made elsewhere: it signs only the bytes whose digest was sent.
#[derive(Debug, Clone)]
pub struct SignedElsewhere {
    pub key_id: String,
    /// SM3 of the bytes.
    pub digest: [u8; 32],
    pub signature: [u8; 64],
}

impl Signer for SignedElsewhere {
    fn algorithm(&self) -> &str {
        SM2
    }
    fn key_id(&self) -> &str {
        &self.key_id
    }
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if sm3(bytes) == self.digest {
            Ok(self.signature.to_vec())
        } else {
            Err(CryptoError::OperationFailed)
        }
    }
}

#[cfg(test)]
mod tests {
    use sm2::dsa::{SigningKey, signature::Signer as _};

    use super::*;
    use crate::signer::{DetachedKind, sign_detached, signing_input, verify_detached};

    #[test]
    fn sm3_is_that_of_the_standard() {
        // GB/T 32905-2016, annex A.1.
        let expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(crate::digest::hex(&sm3(b"abc")), expected);
    }

    #[test]
    fn a_signature_made_elsewhere_fits_its_bytes_only() {
        let private = SigningKey::from_slice(SIGNER_ID, &[7; 32]).unwrap();
        let public = Sm2PublicKey::from_point(&private.verifying_key().to_sec1_bytes()).unwrap();
        let input = signing_input(SM2, "k", DetachedKind::Prescription, b"bytes").unwrap();
        let digest = sm3(&input);
        let signature: Signature = private.sign(&digest);
        let raw = signature_bytes(&signature.to_bytes()).unwrap();
        let signer = SignedElsewhere { key_id: "k".into(), digest, signature: raw };
        let jws = sign_detached(&signer, DetachedKind::Prescription, b"bytes").unwrap();
        let check = |bytes: &[u8]| {
            verify_detached(&jws, DetachedKind::Prescription, bytes, |_| Some(Box::new(public.clone())))
        };
        assert_eq!(check(b"bytes").as_deref(), Ok("k"));
        assert_eq!(check(b"other"), Err(CryptoError::SignatureInvalid));
        assert_eq!(
            sign_detached(&signer, DetachedKind::Prescription, b"other"),
            Err(CryptoError::OperationFailed)
        );
        assert_eq!(signature_bytes(&[0; 64]).err(), Some(CryptoError::Malformed));
        assert_eq!(signature_bytes(b"nonsense").err(), Some(CryptoError::Malformed));
    }
}
