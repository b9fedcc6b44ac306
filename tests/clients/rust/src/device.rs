//! What a station or a cabinet signs with its own key.

use anyhow::Result;
use chrono::Utc;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::{Signer, SigningKey, pkcs8::DecodePrivateKey};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use waystation_client::{
    apis::{configuration::Configuration, identity_api::sign_in_device},
    models::AssertionInput,
};

use crate::people::{DeviceCredentials, ENGLISH, with_token};

pub struct Device {
    pub id: Uuid,
    pub api: Configuration,
    /// The number of a cabinet's enrolment.
    pub epoch: i64,
    token: String,
    key: SigningKey,
}

impl Device {
    pub async fn sign_in(base_url: &str, credentials: &DeviceCredentials) -> Result<Self> {
        let id = credentials.device_id;
        let key = SigningKey::from_pkcs8_der(&BASE64.decode(credentials.private_key.as_bytes())?)?;
        let now = Utc::now().timestamp();
        let claims = json!({
            "iss": id, "sub": id, "aud": format!("{base_url}/api/v1/tokens/device"), "jti": Uuid::new_v4(),
            "iat": now, "nbf": now, "exp": now + 60,
        });
        let signed = format!("{}.{}", header(id, "client-auth+jwt"), encoded(&claims));
        let signature = BASE64URL_NOPAD.encode(&key.sign(signed.as_bytes()).to_bytes());
        let assertion = AssertionInput::new(format!("{signed}.{signature}"));
        let token = sign_in_device(&with_token(base_url, None), assertion, ENGLISH).await?;
        let api = with_token(base_url, Some(token.access_token.clone()));
        Ok(Self { id, api, epoch: token.epoch, token: token.access_token, key })
    }

    /// The signature of a cabinet's POST.
    pub fn signature(&self, path: &str, body: &impl Serialize) -> Result<String> {
        let body = serde_json::to_vec(body)?;
        Ok(self.detached(&["waystation-request-v1", "POST", path, &hex(&body)]))
    }

    /// The signature of a screen's POST: it also covers the token and the idempotency key.
    pub fn bound_signature(&self, path: &str, body: &[u8], key: &str) -> String {
        let (body, token, key) = (hex(body), hex(self.token.as_bytes()), hex(key.as_bytes()));
        self.detached(&["waystation-request-v2", "POST", path, &body, &token, &key])
    }

    fn detached(&self, lines: &[&str]) -> String {
        let header = header(self.id, "request+jws");
        let payload = BASE64URL_NOPAD.encode(lines.join("\n").as_bytes());
        let signature = self.key.sign(format!("{header}.{payload}").as_bytes());
        format!("{header}..{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
    }
}

/// SHA-256 in lower hex.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn header(device: Uuid, typ: &str) -> String {
    encoded(&json!({"alg": "EdDSA", "typ": typ, "kid": device}))
}

fn encoded(part: &Value) -> String {
    BASE64URL_NOPAD.encode(part.to_string().as_bytes())
}
