//! Ed25519 public keys, single and as the published set (JWKS, RFC 7517 and 8037).

use std::{collections::BTreeMap, fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

use super::{CryptoError, digest};

/// An Ed25519 public key. On the wire it is 43 base64url characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ed25519PublicKey([u8; 32]);

impl Ed25519PublicKey {
    /// # Errors
    /// [`CryptoError::KeyInvalid`] unless there are 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        bytes.try_into().map(Self).map_err(|_| CryptoError::KeyInvalid)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`CryptoError::SignatureInvalid`] if it does not match.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| CryptoError::SignatureInvalid)
    }

    /// The key's thumbprint (RFC 7638): a key id that no other key can have.
    pub fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#);
        BASE64URL_NOPAD.encode(&digest::sha256(canonical.as_bytes()))
    }

    pub(super) fn decoding_key(&self) -> DecodingKey {
        // "DER" in its name only: the backend takes the 32 raw bytes.
        DecodingKey::from_ed_der(&self.0)
    }
}

impl fmt::Display for Ed25519PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}
impl fmt::Debug for Ed25519PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519PublicKey({self})")
    }
}
impl FromStr for Ed25519PublicKey {
    type Err = CryptoError;
    fn from_str(text: &str) -> Result<Self, CryptoError> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| CryptoError::KeyInvalid)?;
        Self::from_bytes(&bytes)
    }
}

/// The server's public keys by key id, as stored by a cabinet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(BTreeMap<String, Ed25519PublicKey>);

impl PublicKeys {
    /// Reads a JWKS document. Keys of other types are skipped, as RFC 7517 section 5
    /// requires; an Ed25519 key without an id or with a wrong length is an error.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if it is not a JWKS, [`CryptoError::KeyInvalid`]
    /// for a bad key or a duplicate id.
    pub fn from_jwks(jwks: &Value) -> Result<Self, CryptoError> {
        let listed = jwks.get("keys").and_then(Value::as_array).ok_or(CryptoError::Malformed)?;
        let mut keys = BTreeMap::new();
        for entry in listed {
            let text = |name: &str| entry.get(name).and_then(Value::as_str);
            if (text("kty"), text("crv")) != (Some("OKP"), Some("Ed25519")) {
                continue;
            }
            let (Some(id), Some(x)) = (text("kid"), text("x")) else {
                return Err(CryptoError::KeyInvalid);
            };
            if keys.insert(id.to_owned(), x.parse()?).is_some() {
                return Err(CryptoError::KeyInvalid);
            }
        }
        Ok(Self(keys))
    }

    /// The JWKS document of these keys.
    pub(crate) fn to_jwks(&self) -> Value {
        let keys = self.0.iter().map(|(id, key)| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": id, "x": key.to_string(),
            })
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }

    pub fn get(&self, key_id: &str) -> Option<&Ed25519PublicKey> {
        self.0.get(key_id)
    }

    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, Ed25519PublicKey)> for PublicKeys {
    fn from_iter<I: IntoIterator<Item = (String, Ed25519PublicKey)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A.
    const EXAMPLE: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    #[test]
    fn the_published_example_verifies() {
        let key: Ed25519PublicKey = EXAMPLE.parse().unwrap();
        assert_eq!(key.to_string(), EXAMPLE);
        // RFC 8037, appendices A.3 and A.4
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = BASE64URL_NOPAD
            .decode(b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
            .unwrap();
        assert_eq!(key.verify(message, &signature), Ok(()));
        assert_eq!(key.verify(b"another", &signature), Err(CryptoError::SignatureInvalid));
        assert_eq!(key.verify(message, &signature[..63]), Err(CryptoError::SignatureInvalid));
    }

    #[test]
    fn wrong_lengths_and_letters_are_refused() {
        for bad in ["", "AAAA", &EXAMPLE[1..], &format!("{EXAMPLE}A"), &EXAMPLE.replace('_', "/")] {
            assert_eq!(bad.parse::<Ed25519PublicKey>(), Err(CryptoError::KeyInvalid), "{bad}");
        }
    }

    #[test]
    fn a_jwks_reads_back_and_skips_other_types() {
        let keys = PublicKeys::from_iter([("one".to_owned(), EXAMPLE.parse().unwrap())]);
        let mut jwks = keys.to_jwks();
        assert_eq!(PublicKeys::from_jwks(&jwks), Ok(keys.clone()));
        assert!(jwks["keys"][0].get("d").is_none());
        jwks["keys"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "kty": "RSA", "kid": "two", "n": "AA", "e": "AQAB" }));
        assert_eq!(PublicKeys::from_jwks(&jwks), Ok(keys.clone()));
        assert_eq!(keys.key_ids().collect::<Vec<_>>(), ["one"]);
        assert!(keys.get("two").is_none());
    }

    #[test]
    fn a_bad_jwks_is_refused() {
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": EXAMPLE });
        let nameless = json!({ "kty": "OKP", "crv": "Ed25519", "x": EXAMPLE });
        let short = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AAAA" });
        assert_eq!(PublicKeys::from_jwks(&json!([])), Err(CryptoError::Malformed));
        for bad in [vec![key.clone(), key], vec![nameless], vec![short]] {
            assert_eq!(PublicKeys::from_jwks(&json!({ "keys": bad })), Err(CryptoError::KeyInvalid));
        }
    }
}
