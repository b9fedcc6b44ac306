//! Limits on failures: per account and, because many stations share one
//! address, more widely per address. Only failures count, so that a right
//! answer is never spent. What is counted may be lost and decides nothing
//! durable; an account's own locks stand in the database.

use std::time::Duration;

use super::{Failure, House};
use crate::{
    crypto::digest,
    domain::refusal::{Code, Refusal},
};

/// How many failures of one kind a subject may have in a window.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// What is counted.
    name: &'static str,
    /// From this many on, nothing is looked at.
    most: u32,
    /// The window, in seconds.
    seconds: u32,
}

/// Sign-ins of one account. [P]
pub const SIGN_IN_ACCOUNT: Limit = Limit { name: "sign-in-account", most: 10, seconds: 900 };
/// Sign-ins from one address. [P]
pub const SIGN_IN_ADDRESS: Limit = Limit { name: "sign-in-address", most: 60, seconds: 900 };
/// Refresh tokens that are none, from one address. [P]
pub const REFRESH_ADDRESS: Limit = Limit { name: "refresh-address", most: 60, seconds: 900 };
/// Enrolment codes and device assertions that are none, from one address. [P]
pub const DEVICE_ADDRESS: Limit = Limit { name: "device-address", most: 60, seconds: 900 };
/// Links that are none, from one address. [P]
pub const LINK_ADDRESS: Limit = Limit { name: "link-address", most: 20, seconds: 900 };
/// Requests of a new password from one address, right or wrong: each costs a letter. [P]
pub const RESET_ADDRESS: Limit = Limit { name: "reset-address", most: 30, seconds: 3600 };
/// Letters with a new link to one account. [P]
pub const RESET_ACCOUNT: Limit = Limit { name: "reset-account", most: 3, seconds: 3600 };

/// Codes to one phone: each costs a message, and is a few tries. Our default.
pub const PHONE_CODE_PHONE: Limit = Limit { name: "phone-code-phone", most: 5, seconds: 3600 };
/// Codes from one screen. Our default.
pub const PHONE_CODE_SCREEN: Limit = Limit { name: "phone-code-screen", most: 30, seconds: 3600 };

impl Limit {
    /// Subjects are addresses and mail addresses; the counter sees a digest.
    fn key(self, subject: &str) -> String {
        format!("{}:{}", self.name, digest::hex(&digest::sha256(subject.as_bytes())))
    }

    /// Refuses while the subject has failed too often.
    ///
    /// # Errors
    /// `TooManyRequests`, with the window's length as the time to wait.
    pub async fn ensure_below(self, house: &House, subject: &str) -> Result<(), Failure> {
        if self.reached(house, subject, 0).await {
            house.figures.limited(self.name);
            return Err(Refusal::new(Code::TooManyRequests).retry_after(self.seconds).into());
        }
        Ok(())
    }

    /// Counts one failure.
    pub async fn count(self, house: &House, subject: &str) {
        house.figures.counted(self.name);
        self.reached(house, subject, 1).await;
    }

    /// Counts one use; `false` when the subject has had all of them.
    pub async fn spend(self, house: &House, subject: &str) -> bool {
        let window = Duration::from_secs(u64::from(self.seconds));
        house.figures.counted(self.name);
        let within = house.coordination.count(&self.key(subject), 1, window, house.now()).await <= self.most;
        if !within {
            house.figures.limited(self.name);
        }
        within
    }

    /// As [`Self::spend`], and refuses when the subject has had all of them.
    ///
    /// # Errors
    /// `TooManyRequests`, with the window's length as the time to wait.
    pub async fn spend_or_refuse(self, house: &House, subject: &str) -> Result<(), Failure> {
        if self.spend(house, subject).await {
            return Ok(());
        }
        Err(Refusal::new(Code::TooManyRequests).retry_after(self.seconds).into())
    }

    async fn reached(self, house: &House, subject: &str, by: u32) -> bool {
        let window = Duration::from_secs(u64::from(self.seconds));
        house.coordination.count(&self.key(subject), by, window, house.now()).await >= self.most
    }
}
