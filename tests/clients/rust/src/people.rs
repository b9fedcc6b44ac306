//! The people and devices in the ready file of `waystation demo`, and how staff prove who they are.

use anyhow::Result;
use chrono::Utc;
use data_encoding::BASE32_NOPAD;
use serde::Deserialize;
use totp_rs::{Algorithm, TOTP};
use uuid::Uuid;
use waystation_client::{
    apis::{configuration::Configuration, identity_api::sign_in_staff},
    models::SignInInput,
};

#[derive(Deserialize)]
pub struct Ready {
    pub base_url: String,
    pub doctor: Credentials,
    pub pharmacist: Credentials,
    pub station: DeviceCredentials,
    pub cabinet: DeviceCredentials,
    pub worker: Card,
}

#[derive(Deserialize)]
pub struct Credentials {
    pub email: String,
    pub password: String,
    pub totp_secret: String,
    pub signing_pin: String,
}

#[derive(Deserialize)]
pub struct DeviceCredentials {
    pub device_id: Uuid,
    /// PKCS#8 in standard base64.
    pub private_key: String,
}

#[derive(Deserialize)]
pub struct Card {
    pub card_number: String,
    pub pin: String,
}

/// The API as the holder of a token uses it.
pub fn with_token(base_url: &str, token: Option<String>) -> Configuration {
    Configuration { base_path: base_url.to_owned(), bearer_access_token: token, ..Configuration::new() }
}

/// A new idempotency key.
pub fn key() -> String {
    Uuid::new_v4().to_string()
}

/// A signed-in member of staff.
pub struct Staff {
    pub api: Configuration,
    pub pin: String,
    totp: TOTP,
    last_step: u64,
}

impl Staff {
    /// Uses the one-time code of the step before this one, which leaves another for signing.
    pub async fn sign_in(base_url: &str, credentials: Credentials) -> Result<Self> {
        let secret = BASE32_NOPAD.decode(credentials.totp_secret.as_bytes())?;
        let totp = TOTP::new_unchecked(Algorithm::SHA1, 6, 1, STEP_S, secret);
        let last_step = u64::try_from(Utc::now().timestamp())? / STEP_S - 1;
        let code = totp.generate(last_step * STEP_S);
        let input = SignInInput::new(credentials.email, credentials.password, code);
        let tokens = sign_in_staff(&with_token(base_url, None), input, ENGLISH).await?;
        let api = with_token(base_url, Some(tokens.access_token));
        Ok(Self { api, pin: credentials.signing_pin, totp, last_step })
    }

    /// The code of a step that was not used yet.
    pub fn next_code(&mut self) -> String {
        self.last_step += 1;
        self.totp.generate(self.last_step * STEP_S)
    }
}

/// How long a one-time code is the newest.
const STEP_S: u64 = 30;

/// The language of the messages in problems.
pub const ENGLISH: Option<&str> = Some("en");
