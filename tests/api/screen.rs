//! Station screens sign what they send to change something; here the harness
//! signs for them, so that a test posts as a screen like as anybody else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::harness::TestApp;
use crypto::device::{BoundRequest, DeviceKey, sign_bound_request};
use domain::{ids::DeviceId, staff::role::Role};

/// The keys of the devices that a test has, each by its device's id.
#[derive(Clone, Default)]
pub struct DeviceKeys(Arc<Mutex<HashMap<DeviceId, DeviceKey>>>);

impl DeviceKeys {
    /// Keeps the key of a device that was enrolled.
    pub fn keep(&self, device: DeviceId, key: &DeviceKey) {
        self.0.lock().expect("whole").insert(device, key.clone());
    }

    pub fn of(&self, device: DeviceId) -> Option<DeviceKey> {
        self.0.lock().expect("whole").get(&device).cloned()
    }
}

/// The role and the device that a token names; nothing of it is checked.
pub fn device_of(token: &str) -> Option<(Role, DeviceId)> {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some((Role::parse(claims["role"].as_str()?)?, claims["dev"].as_str()?.parse().ok()?))
}

impl TestApp {
    /// What the screen that holds `token` puts into `Waystation-Signature`;
    /// nothing for any other token.
    pub fn screen_signature(
        &self,
        token: &str,
        (method, path): (&str, &str),
        key: &[u8],
        body: &[u8],
    ) -> Option<String> {
        let (role, device) = device_of(token)?;
        let signer = self.keys.of(device).filter(|_| role == Role::Station && method != "GET")?;
        let request = BoundRequest { method, path, body, access_token: token, idempotency_key: key };
        sign_bound_request(&signer, device, &request).ok()
    }
}
