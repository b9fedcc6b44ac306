//! Station screens sign the requests that change something. The harness signs for
//! them, so that a test posts as a screen in the same way as for anybody else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::TestApp;
use crypto::device::{BoundRequest, DeviceKey, sign_bound_request};
use domain::{ids::DeviceId, staff::role::Role};

/// The keys of the devices of a test, by device id.
#[derive(Clone, Default)]
pub struct DeviceKeys(Arc<Mutex<HashMap<DeviceId, DeviceKey>>>);

impl DeviceKeys {
    /// Stores the key of a device that was enrolled.
    pub fn keep(&self, device: DeviceId, key: &DeviceKey) {
        self.0.lock().expect("not poisoned").insert(device, key.clone());
    }

    pub fn of(&self, device: DeviceId) -> Option<DeviceKey> {
        self.0.lock().expect("not poisoned").get(&device).cloned()
    }
}

/// The role and the device in a token, which is not verified.
pub fn device_of(token: &str) -> Option<(Role, DeviceId)> {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some((Role::parse(claims["role"].as_str()?)?, claims["dev"].as_str()?.parse().ok()?))
}

impl TestApp {
    /// The `Waystation-Signature` of a request with a screen's token; `None` for any
    /// other token.
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
