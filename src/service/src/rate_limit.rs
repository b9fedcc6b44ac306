//! Rate limits on failures. They slow down only the caller who fails:
//!
//! - a failure is counted for the account or the device together with the address, never for the
//!   address alone: many stations and people share one address;
//! - where a proof is cheap to check (a signature, a random token), it is checked first, and a
//!   valid one is accepted whatever was counted; the counter only turns further refusals into "too
//!   many";
//! - where it is expensive (a password, a PIN), a try is reserved before the check and given back
//!   when it was right: concurrent tries cannot all pass below the limit.
//!
//! The counters may be lost and decide nothing durable; a card's own locks are in the database.

use std::time::Duration;

use super::{AppState, Failure};
use crypto::digest;
use domain::refusal::{Code, Refusal};

/// How many failures of one kind a subject may have in a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    name: &'static str,
    /// The number allowed in one window.
    most: u32,
    /// The window, in seconds.
    seconds: u32,
}

/// Failed sign-ins from one known device of one account. Our default.
pub(crate) const SIGN_IN_DEVICE: RateLimit = RateLimit { name: "sign-in-device", most: 10, seconds: 900 };
/// Failed sign-ins of one account from one address: after that, slow tries apply (below). Our
/// default.
pub(crate) const SIGN_IN_SOURCE: RateLimit = RateLimit { name: "sign-in-account", most: 10, seconds: 900 };
/// Slow tries of one account from one address: the one-time code is checked first, and the password
/// only after a right code, so the owner can still sign in from an address from which others guess.
/// Our default.
pub(crate) const SIGN_IN_SLOW_SOURCE: RateLimit =
    RateLimit { name: "sign-in-slow-account", most: 30, seconds: 900 };
/// Slow tries of one account from anywhere. Three codes of a million are valid at a time: including
/// the quick tries, an attacker who knows the password and guesses the code needs seven weeks for
/// an even chance, and the owner is notified on the first day. Our default.
pub(crate) const SIGN_IN_SLOW: RateLimit = RateLimit { name: "sign-in-slow", most: 80, seconds: 3600 };
/// Failed sign-ins from one address: after that the cheap proof, the one-time code, is checked
/// before the expensive one, the password. Our default.
pub(crate) const SIGN_IN_ADDRESS: RateLimit = RateLimit { name: "sign-in-address", most: 60, seconds: 900 };
/// Failed sign-ins of one account from anywhere: after that every try is a slow one, and the owner
/// is notified. Our default.
pub(crate) const SIGN_IN_ANYWHERE: RateLimit = RateLimit { name: "sign-in-anywhere", most: 30, seconds: 900 };
/// Warning letters to the owner of one account. Our default.
pub(crate) const SIGN_IN_LETTER: RateLimit = RateLimit { name: "sign-in-letter", most: 1, seconds: 86_400 };
/// Unknown refresh tokens from one address. Our default.
pub(crate) const REFRESH_ADDRESS: RateLimit = RateLimit { name: "refresh-address", most: 60, seconds: 900 };
/// Invalid assertions of one device from one address. Our default.
pub(crate) const DEVICE_SOURCE: RateLimit = RateLimit { name: "device-source", most: 20, seconds: 900 };
/// Assertions of unknown devices and invalid enrolment codes from one address. Our default.
pub(crate) const DEVICE_ADDRESS: RateLimit = RateLimit { name: "device-address", most: 60, seconds: 900 };
/// Unknown links from one address. Our default.
pub(crate) const LINK_ADDRESS: RateLimit = RateLimit { name: "link-address", most: 20, seconds: 900 };
/// Requests of a new password from one address, right or wrong: each costs a
/// letter. Our default.
pub(crate) const RESET_ADDRESS: RateLimit = RateLimit { name: "reset-address", most: 30, seconds: 3600 };
/// Letters with a new link to one account. Our default.
pub(crate) const RESET_ACCOUNT: RateLimit = RateLimit { name: "reset-account", most: 3, seconds: 3600 };

/// Papers of prescriptions that are not known, from one address. Our default.
pub(crate) const PAPER_ADDRESS: RateLimit = RateLimit { name: "paper-address", most: 60, seconds: 900 };

/// Codes to one phone from one screen: each costs a message and allows a few tries. Our default.
pub(crate) const PHONE_CODE_SOURCE: RateLimit =
    RateLimit { name: "phone-code-source", most: 5, seconds: 3600 };
/// Codes to one phone from all screens together. Our default.
pub(crate) const PHONE_CODE_PHONE: RateLimit =
    RateLimit { name: "phone-code-phone", most: 20, seconds: 3600 };
/// Codes to one phone from one screen after other screens have used up the limit above: the screen
/// that the phone's owner uses can still send them. Our default.
pub(crate) const PHONE_CODE_SPARE: RateLimit = RateLimit { name: "phone-code-spare", most: 2, seconds: 3600 };
/// Codes from one screen. Our default.
pub(crate) const PHONE_CODE_SCREEN: RateLimit =
    RateLimit { name: "phone-code-screen", most: 30, seconds: 3600 };
/// Wrong PINs at one station's screen, whatever the card: `most` in `seconds`
/// come from the policy.
pub(crate) const fn screen_pins(most: u32, seconds: u32) -> RateLimit {
    RateLimit { name: "screen-pins", most, seconds }
}

impl RateLimit {
    /// Subjects are addresses, mail addresses and ids; the counter sees a digest.
    fn key(self, subject: &[&str]) -> String {
        format!("{}:{}", self.name, digest::hex(&digest::sha256(subject.join("\n").as_bytes())))
    }

    fn window(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }

    fn refusal(self, app: &AppState) -> Failure {
        app.metrics.limited(self.name);
        Refusal::new(Code::TooManyRequests).retry_after(self.seconds).into()
    }

    /// Reserves a try before the check.
    ///
    /// # Errors
    /// `TooManyRequests` when all tries of this window are used, with the window's length as the
    /// time to wait.
    pub async fn reserve(self, app: &AppState, subject: &[&str]) -> Result<Taken, Failure> {
        let key = self.key(subject);
        match app.coordination.take(&key, self.most, self.window(), app.now()).await {
            Some(number) => Ok(Taken { limit: self, key, number }),
            None => Err(self.refusal(app)),
        }
    }

    /// Whether the subject has failed as often as it may.
    pub(crate) async fn is_spent(self, app: &AppState, subject: &[&str]) -> bool {
        app.coordination.count(&self.key(subject), 0, self.window(), app.now()).await >= self.most
    }

    /// Counts one failure and returns the number in this window.
    pub async fn note(self, app: &AppState, subject: &[&str]) -> u32 {
        app.metrics.counted(self.name);
        app.coordination.count(&self.key(subject), 1, self.window(), app.now()).await
    }

    /// Counts one failed proof and returns the refusal: `why`, or beyond the limit
    /// `TooManyRequests`.
    pub async fn refuse(self, app: &AppState, subject: &[&str], why: Failure) -> Failure {
        if self.note(app, subject).await > self.most { self.refusal(app) } else { why }
    }

    /// Counts one use; `false` beyond the limit.
    pub(crate) async fn spend(self, app: &AppState, subject: &[&str]) -> bool {
        let within = self.note(app, subject).await <= self.most;
        if !within {
            app.metrics.limited(self.name);
        }
        within
    }

    /// Whether `number` is the last one allowed in a window.
    pub(crate) const fn is_last(self, number: u32) -> bool {
        number == self.most
    }
}

/// A reserved try. Dropped, it stays counted: a caller who disconnects before the answer has used a
/// try.
#[derive(Debug)]
#[must_use]
pub struct Taken {
    limit: RateLimit,
    key: String,
    number: u32,
}

impl Taken {
    /// The try was right or was not checked: it does not count.
    pub async fn give_back(&self, app: &AppState) {
        app.coordination.give_back(&self.key, app.now()).await;
    }

    /// The try was wrong: it counts. Returns whether it was the last of its window.
    pub fn keep(&self, app: &AppState) -> bool {
        app.metrics.counted(self.limit.name);
        self.limit.is_last(self.number)
    }
}
