//! Limits on failures. They slow down whoever fails, and nobody else:
//!
//! - what is counted is tied to who failed: the account or the device together
//!   with the address, never the address alone. Many stations and people share
//!   one address;
//! - where a proof is cheap to check (a signature, a random token), it is checked
//!   first, and a right one passes whatever was counted; the counter then only
//!   turns further refusals into "too many";
//! - where it is not (a password, a PIN), a try is taken before the work and given
//!   back when it was right: many at once cannot all slip below the limit.
//!
//! What is counted may be lost and decides nothing durable; a card's own locks
//! stand in the database.

use std::time::Duration;

use super::{AppState, Failure};
use crypto::digest;
use domain::refusal::{Code, Refusal};

/// How many failures of one kind a subject may have in a window.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// What is counted.
    name: &'static str,
    /// So many in one window.
    most: u32,
    /// The window, in seconds.
    seconds: u32,
}

/// Failed sign-ins from one known device of one account. Our default.
pub const SIGN_IN_DEVICE: Limit = Limit { name: "sign-in-device", most: 10, seconds: 900 };
/// Failed sign-ins of one account from one address: beyond them the slow tries
/// below. Our default.
pub const SIGN_IN_SOURCE: Limit = Limit { name: "sign-in-account", most: 10, seconds: 900 };
/// Slow tries of one account from one address: the one-time code is looked at
/// alone, and the password only behind a right one, so who has both gets in from
/// where others guess. Our default.
pub const SIGN_IN_SLOW_SOURCE: Limit = Limit { name: "sign-in-slow-account", most: 30, seconds: 900 };
/// Slow tries of one account from anywhere. Three codes of a million are good at
/// a time: with the quick ones, who knows the password and guesses the code needs
/// seven weeks for an even chance, and the owner is told on the first day. Our
/// default.
pub const SIGN_IN_SLOW: Limit = Limit { name: "sign-in-slow", most: 80, seconds: 3600 };
/// Failed sign-ins from one address: beyond them the cheap proof, the one-time
/// code, is asked for before the dear one, the password. Our default.
pub const SIGN_IN_ADDRESS: Limit = Limit { name: "sign-in-address", most: 60, seconds: 900 };
/// Failed sign-ins of one account from anywhere: beyond them every try is a slow
/// one, and the owner is told. Our default.
pub const SIGN_IN_ANYWHERE: Limit = Limit { name: "sign-in-anywhere", most: 30, seconds: 900 };
/// Letters to one account that somebody tries to sign in as. Our default.
pub const SIGN_IN_LETTER: Limit = Limit { name: "sign-in-letter", most: 1, seconds: 86_400 };
/// Refresh tokens that are none, from one address. Our default.
pub const REFRESH_ADDRESS: Limit = Limit { name: "refresh-address", most: 60, seconds: 900 };
/// Assertions of one device that prove nothing, from one address. Our default.
pub const DEVICE_SOURCE: Limit = Limit { name: "device-source", most: 20, seconds: 900 };
/// Assertions of devices that are none, and enrolment codes that are none, from
/// one address. Our default.
pub const DEVICE_ADDRESS: Limit = Limit { name: "device-address", most: 60, seconds: 900 };
/// Links that are none, from one address. Our default.
pub const LINK_ADDRESS: Limit = Limit { name: "link-address", most: 20, seconds: 900 };
/// Requests of a new password from one address, right or wrong: each costs a
/// letter. Our default.
pub const RESET_ADDRESS: Limit = Limit { name: "reset-address", most: 30, seconds: 3600 };
/// Letters with a new link to one account. Our default.
pub const RESET_ACCOUNT: Limit = Limit { name: "reset-account", most: 3, seconds: 3600 };

/// Codes to one phone from one screen: each costs a message, and is a few tries.
/// Our default.
pub const PHONE_CODE_SOURCE: Limit = Limit { name: "phone-code-source", most: 5, seconds: 3600 };
/// Codes to one phone from all screens together. Our default.
pub const PHONE_CODE_PHONE: Limit = Limit { name: "phone-code-phone", most: 20, seconds: 3600 };
/// Codes to one phone from a screen when the others have spent those above: the
/// screen before which the phone's owner stands still sends them. Our default.
pub const PHONE_CODE_SPARE: Limit = Limit { name: "phone-code-spare", most: 2, seconds: 3600 };
/// Codes from one screen. Our default.
pub const PHONE_CODE_SCREEN: Limit = Limit { name: "phone-code-screen", most: 30, seconds: 3600 };
/// Wrong PINs at one station's screen, whatever the card: `most` in `seconds`
/// come from the policy.
pub const fn screen_pins(most: u32, seconds: u32) -> Limit {
    Limit { name: "screen-pins", most, seconds }
}

impl Limit {
    /// Subjects are addresses, mail addresses and ids; the counter sees a digest.
    fn key(self, subject: &[&str]) -> String {
        format!("{}:{}", self.name, digest::hex(&digest::sha256(subject.join("\n").as_bytes())))
    }

    fn window(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }

    fn refusal(self, app: &AppState) -> Failure {
        app.figures.limited(self.name);
        Refusal::new(Code::TooManyRequests).retry_after(self.seconds).into()
    }

    /// Takes a try before the work.
    ///
    /// # Errors
    /// `TooManyRequests` when all of this window are taken, with the window's
    /// length as the time to wait.
    pub async fn reserve(self, app: &AppState, subject: &[&str]) -> Result<Taken, Failure> {
        let key = self.key(subject);
        match app.coordination.take(&key, self.most, self.window(), app.now()).await {
            Some(number) => Ok(Taken { limit: self, key, number }),
            None => Err(self.refusal(app)),
        }
    }

    /// Whether the subject has failed as often as it may.
    pub async fn is_spent(self, app: &AppState, subject: &[&str]) -> bool {
        app.coordination.count(&self.key(subject), 0, self.window(), app.now()).await >= self.most
    }

    /// Counts one failure; tells how many there are in this window.
    pub async fn note(self, app: &AppState, subject: &[&str]) -> u32 {
        app.figures.counted(self.name);
        app.coordination.count(&self.key(subject), 1, self.window(), app.now()).await
    }

    /// Counts one failure of whoever proved nothing, and says what they are told:
    /// why, or beyond the limit only that it was too often.
    pub async fn refuse(self, app: &AppState, subject: &[&str], why: Failure) -> Failure {
        if self.note(app, subject).await > self.most { self.refusal(app) } else { why }
    }

    /// Counts one use; `false` when the subject has had all of them.
    pub async fn spend(self, app: &AppState, subject: &[&str]) -> bool {
        let within = self.note(app, subject).await <= self.most;
        if !within {
            app.figures.limited(self.name);
        }
        within
    }

    /// Whether `number` is the last that a window has.
    pub const fn is_last(self, number: u32) -> bool {
        number == self.most
    }
}

/// A try that was taken. Dropped, it stays counted: whoever hangs up before the
/// answer has tried all the same.
#[derive(Debug)]
#[must_use]
pub struct Taken {
    limit: Limit,
    key: String,
    number: u32,
}

impl Taken {
    /// It was right, or was never looked at: it does not count.
    pub async fn give_back(&self, app: &AppState) {
        app.coordination.give_back(&self.key, app.now()).await;
    }

    /// It was wrong: it counts. Tells whether it was the last of its window.
    pub fn keep(&self, app: &AppState) -> bool {
        app.figures.counted(self.limit.name);
        self.limit.is_last(self.number)
    }
}
