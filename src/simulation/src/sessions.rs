//! Authentication of simulated people and machines: staff by password and one-time
//! code, devices by a signed assertion, workers through the station where they
//! checked in. Tokens are renewed before they expire.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::Mutex;

use super::{
    api::{DeviceToken, SigningWindow, StaffToken, WorkerToken},
    client::{Api, As, Call, CallError},
};
use crypto::{
    device::{DeviceKey, make_assertion},
    random,
    totp::{self, TotpSecret},
};
use domain::{
    ids::{CheckInId, DeviceId},
    time::Timestamp,
};

/// A token that expires within this time is renewed first.
const EARLY: TimeDelta = TimeDelta::seconds(45);
/// A signing window that ends within this time is opened again.
const WINDOW_EARLY: TimeDelta = TimeDelta::seconds(20);
/// How long to wait for the next step of one-time codes.
const NEXT_STEP: std::time::Duration = std::time::Duration::from_secs(2);
/// One step that may be used already, and one that cannot be: more tries cannot help.
const CODE_TRIES: usize = 2;

/// A member of the sample staff.
pub struct Staff {
    api: Api,
    pub email: String,
    password: String,
    totp: TotpSecret,
    /// Empty for roles that sign nothing.
    pub signing_pin: String,
    signed_in: Mutex<SignedIn>,
}

#[derive(Default)]
struct SignedIn {
    token: Option<StaffToken>,
    expires_at: Timestamp,
    last_step: u64,
    signing_until: Timestamp,
}

impl Staff {
    /// Not signed in yet.
    ///
    /// # Errors
    /// When `totp` is not a usable secret.
    pub fn new(
        api: Api,
        email: &str,
        password: &str,
        totp: &[u8],
        signing_pin: String,
    ) -> Result<Self, CallError> {
        Ok(Self {
            api,
            email: email.to_owned(),
            password: password.to_owned(),
            totp: TotpSecret::from_bytes(totp)?,
            signing_pin,
            signed_in: Mutex::default(),
        })
    }

    /// Codes up to `step` were used in an earlier run: trying them again would count as
    /// wrong codes and in the end lock the account.
    pub(crate) fn used_up_to(mut self, step: u64) -> Self {
        self.signed_in.get_mut().last_step = step;
        self
    }

    /// A token that is valid for a while.
    ///
    /// # Errors
    /// When neither the refresh token nor the password is accepted.
    pub async fn token(&self) -> Result<String, CallError> {
        let mut signed_in = self.signed_in.lock().await;
        if let Some(token) = &signed_in.token
            && self.api.clock.now() + EARLY < signed_in.expires_at
        {
            return Ok(token.access_token.clone());
        }
        if let Some(old) = signed_in.token.take() {
            let body = json!({"refresh_token": old.refresh_token});
            // Without retries: a refresh token used again after some seconds ends the session.
            let fresh = self.api.call(As::Nobody, Call::post_plain("/api/v1/tokens/refresh", &body).once());
            if let Ok(fresh) = fresh.await {
                return Ok(self.store(&mut signed_in, fresh));
            }
        }
        signed_in.signing_until = Timestamp::default();
        let fresh: StaffToken =
            self.with_code(&mut signed_in, |code| (As::Nobody, self.sign_in_call(&code))).await?;
        Ok(self.store(&mut signed_in, fresh))
    }

    /// Signs in with the code of exactly this step.
    ///
    /// # Errors
    /// When the code was used before, or anything else is wrong.
    pub(crate) async fn sign_in_at(&self, step: u64) -> Result<(), CallError> {
        let mut signed_in = self.signed_in.lock().await;
        signed_in.last_step = step;
        let call = self.sign_in_call(&totp::code_at(&self.totp, step));
        let fresh: StaffToken = self.api.call(As::Nobody, call).await?;
        self.store(&mut signed_in, fresh);
        Ok(())
    }

    fn sign_in_call(&self, code: &str) -> Call {
        let body = json!({"email": self.email, "password": self.password, "totp": code});
        Call::post_plain("/api/v1/tokens/staff", &body).may_refuse(&[401])
    }

    fn store(&self, signed_in: &mut SignedIn, token: StaffToken) -> String {
        signed_in.expires_at = self.api.clock.now() + TimeDelta::seconds(token.expires_in);
        let access = token.access_token.clone();
        signed_in.token = Some(token);
        access
    }

    /// The next call to `token` requests a new one.
    pub(crate) async fn forget_token(&self) {
        self.signed_in.lock().await.expires_at = Timestamp::default();
    }

    /// Ensures that the signing window stays open for a while.
    ///
    /// # Errors
    /// When no one-time code is accepted.
    pub async fn open_signing_window(&self) -> Result<(), CallError> {
        // Sign in first if necessary: it uses a code of its own.
        self.token().await?;
        let mut signed_in = self.signed_in.lock().await;
        if self.api.clock.now() + WINDOW_EARLY < signed_in.signing_until {
            return Ok(());
        }
        let token = signed_in.token.as_ref().map(|token| token.access_token.clone()).unwrap_or_default();
        let pass = WorkerPass::fixed(&self.api, token);
        let opened: SigningWindow = self
            .with_code(&mut signed_in, |code| {
                let call = Call::post("/api/v1/session/signing-window", &json!({"totp": code}));
                (As::Worker(&pass), call.may_refuse(&[401, 409]))
            })
            .await?;
        signed_in.signing_until = opened.signing_until;
        Ok(())
    }

    /// Calls with the code of the earliest step that may be unused. Each step is
    /// accepted once; starting with the previous step leaves a code for opening a
    /// window right after signing in.
    async fn with_code<'p, T: serde::de::DeserializeOwned>(
        &self,
        signed_in: &mut SignedIn,
        call: impl Fn(String) -> (As<'p>, Call),
    ) -> Result<T, CallError> {
        let mut tries = 0;
        loop {
            let now = totp::step_of(self.api.clock.now());
            let step = now.saturating_sub(1).max(signed_in.last_step + 1);
            if step > now + 1 {
                tokio::time::sleep(NEXT_STEP).await;
                continue;
            }
            signed_in.last_step = step;
            let (who, call) = call(totp::code_at(&self.totp, step));
            match Box::pin(self.api.call(who, call)).await {
                // Used in an earlier run of this simulation, or the step has just passed.
                // No step that the server accepts now is surely unused; guessing would
                // count as wrong codes, so wait for the next step.
                Err(error)
                    if matches!(error.code(), "totp_used" | "credentials_wrong") && tries < CODE_TRIES =>
                {
                    tries += 1;
                    signed_in.last_step = totp::step_of(self.api.clock.now()) + 1;
                }
                outcome => return outcome,
            }
        }
    }
}

/// A station's or cabinet's enrolled key.
pub struct Device {
    api: Api,
    pub id: DeviceId,
    pub key: DeviceKey,
    token: Mutex<Option<(String, Timestamp)>>,
}

impl Device {
    pub fn new(api: Api, id: DeviceId, key: DeviceKey) -> Self {
        Self { api, id, key, token: Mutex::default() }
    }

    /// A token that is valid for a while.
    ///
    /// # Errors
    /// When the assertion is not accepted.
    pub async fn token(&self) -> Result<String, CallError> {
        let mut cached = self.token.lock().await;
        let now = self.api.clock.now();
        if let Some((token, expires_at)) = cached.as_ref()
            && now + EARLY < *expires_at
        {
            return Ok(token.clone());
        }
        let path = "/api/v1/tokens/device";
        let audience = format!("{}{path}", self.api.base());
        let jti = random::token_128();
        let assertion = make_assertion(&self.key, self.id, &audience, jti.expose_secret(), now)?;
        let body = json!({"client_assertion": assertion});
        // Without retries: an assertion is valid once, and the caller makes another.
        let fresh: DeviceToken = self.api.call(As::Nobody, Call::post_plain(path, &body).once()).await?;
        *cached = Some((fresh.access_token.clone(), now + TimeDelta::seconds(fresh.expires_in)));
        Ok(fresh.access_token)
    }

    /// The next call to `token` requests a new one.
    pub(crate) async fn forget_token(&self) {
        *self.token.lock().await = None;
    }
}

/// A worker's token, renewed by the station at which they checked in.
pub struct WorkerPass {
    api: Api,
    renewal: Option<(Arc<Device>, CheckInId)>,
    token: Mutex<(String, Timestamp)>,
}

impl WorkerPass {
    /// From the response of a check-in at `station`.
    pub fn new(api: &Api, station: Arc<Device>, check_in: CheckInId, token: String, expires_in: i64) -> Self {
        let until = api.clock.now() + TimeDelta::seconds(expires_in);
        Self { api: api.clone(), renewal: Some((station, check_in)), token: Mutex::new((token, until)) }
    }

    /// A token that is not renewed.
    fn fixed(api: &Api, token: String) -> Self {
        let until = api.clock.now() + TimeDelta::seconds(300);
        Self { api: api.clone(), renewal: None, token: Mutex::new((token, until)) }
    }

    /// A token that is valid for a while.
    ///
    /// # Errors
    /// When the check-in has ended.
    pub async fn token(&self) -> Result<String, CallError> {
        let mut cached = self.token.lock().await;
        let now = self.api.clock.now();
        if let Some((station, check_in)) = &self.renewal
            && now + EARLY >= cached.1
        {
            let path = format!("/api/v1/check-ins/{check_in}/token");
            let call = Call::post(path, &json!({}));
            let fresh: WorkerToken = self.api.call(As::Station(station), call).await?;
            *cached = (fresh.access_token, now + TimeDelta::seconds(fresh.expires_in));
        }
        Ok(cached.0.clone())
    }

    /// The next call to `token` requests a new one.
    pub(crate) async fn forget_token(&self) {
        self.token.lock().await.1 = Timestamp::default();
    }
}
