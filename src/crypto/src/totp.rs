//! One-time codes of staff (TOTP, RFC 6238): SHA-1, six digits, thirty seconds,
//! the only settings that every authenticator app supports.
//!
//! Each step is accepted once. The last used step is stored in the database and
//! passed in as an argument, so an observed code cannot be replayed.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use totp_rs::{Algorithm, TOTP};

use super::{CryptoError, digest, random};
use domain::time::Timestamp;

const STEP_SECONDS: u64 = 30;
const DIGITS: usize = 6;
/// How many steps a clock may be off, either way.
const SKEW: u64 = 1;
/// RFC 4226, section 4: at least 128 bits, 160 recommended.
const SHORTEST_SECRET: usize = 16;
const LONGEST_SECRET: usize = 64;

/// The secret that a member of staff shares with their authenticator.
pub struct TotpSecret(SecretBox<[u8]>);

impl TotpSecret {
    /// A fresh secret of 160 bits.
    pub fn generate() -> Self {
        Self(random::bytes::<20>().to_vec().into())
    }

    /// A secret as stored (sealed) in the database.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for less than 16 or more than 64 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        if !(SHORTEST_SECRET..=LONGEST_SECRET).contains(&bytes.len()) {
            return Err(CryptoError::KeyInvalid);
        }
        Ok(Self(bytes.to_vec().into()))
    }

    /// A secret as authenticators write it; blanks and letter case do not matter.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] if it is not base32, or too short or long.
    pub fn from_base32(text: &str) -> Result<Self, CryptoError> {
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '=')).collect();
        let bytes = BASE32_NOPAD
            .decode(plain.to_ascii_uppercase().as_bytes())
            .map_err(|_| CryptoError::KeyInvalid)?;
        Self::from_bytes(&bytes)
    }

    pub fn expose_bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The secret as authenticators write it, for typing it in by hand.
    pub fn to_base32(&self) -> SecretString {
        BASE32_NOPAD.encode(self.expose_bytes()).into()
    }

    /// The `otpauth:` address for the QR code.
    pub fn uri(&self, issuer: &str, account: &str) -> SecretString {
        let issuer = percent_encoded(issuer);
        let account = percent_encoded(account);
        let secret = self.to_base32();
        let secret = secret.expose_secret();
        format!(
            "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
        )
        .into()
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret([redacted])")
    }
}

/// Why a code was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TotpFailure {
    /// No step within the allowed skew has this code.
    #[error("the one-time code is wrong")]
    Wrong,
    /// The code is right, but its step or a later one was used before.
    #[error("the one-time code was already used")]
    AlreadyUsed,
}

/// The thirty-second step that contains `at`; 0 before 1970.
pub fn step_of(at: Timestamp) -> u64 {
    u64::try_from(at.timestamp()).unwrap_or(0) / STEP_SECONDS
}

pub fn code_at(secret: &TotpSecret, step: u64) -> String {
    TOTP::new_unchecked(Algorithm::SHA1, DIGITS, 0, STEP_SECONDS, secret.expose_bytes().to_vec())
        .generate(step.saturating_mul(STEP_SECONDS))
}

/// Accepts a code of the step before, at or after `now`, if that step is later
/// than the last one used, and returns the step to store as used. If two steps
/// have the same code, the earlier one is used. The caller's conditional UPDATE
/// on the last used step keeps this single-use under concurrent requests.
///
/// # Errors
/// [`TotpFailure::Wrong`], or [`TotpFailure::AlreadyUsed`] if only used steps match.
pub fn verify(
    secret: &TotpSecret,
    code: &str,
    now: Timestamp,
    last_used_step: Option<u64>,
) -> Result<u64, TotpFailure> {
    let current = step_of(now);
    let mut fresh = None;
    let mut matches_used = false;
    // Every step is compared, so that the time does not reveal which one matched.
    for step in current.saturating_sub(SKEW)..=current.saturating_add(SKEW) {
        if digest::same_bytes(code_at(secret, step).as_bytes(), code.as_bytes()) {
            if last_used_step.is_some_and(|used| step <= used) {
                matches_used = true;
            } else {
                fresh = fresh.or(Some(step));
            }
        }
    }
    fresh.ok_or(if matches_used { TotpFailure::AlreadyUsed } else { TotpFailure::Wrong })
}

/// RFC 3986, section 2.1: encodes everything except the unreserved characters.
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn codes_match_the_published_examples() {
        // RFC 6238, appendix B (SHA-1), cut to six digits
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let examples = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, code) in examples {
            assert_eq!(code_at(&secret, step_of(at(seconds))), code);
            assert_eq!(verify(&secret, code, at(seconds), None), Ok(step_of(at(seconds))));
        }
    }

    #[test]
    fn one_step_of_skew_and_no_more() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let now = at(1_111_111_111);
        let step = step_of(now);
        for offered in [step - 1, step, step + 1] {
            assert_eq!(verify(&secret, &code_at(&secret, offered), now, None), Ok(offered));
        }
        for offered in [step - 2, step + 2] {
            assert_eq!(verify(&secret, &code_at(&secret, offered), now, None), Err(TotpFailure::Wrong));
        }
    }

    #[test]
    fn a_step_is_used_once() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let now = at(1_111_111_111);
        let step = step_of(now);
        let code = code_at(&secret, step);
        let used = verify(&secret, &code, now, None).unwrap();
        assert_eq!(verify(&secret, &code, now, Some(used)), Err(TotpFailure::AlreadyUsed));
        let earlier = code_at(&secret, step - 1);
        assert_eq!(verify(&secret, &earlier, now, Some(used)), Err(TotpFailure::AlreadyUsed));
        let next = code_at(&secret, step + 1);
        assert_eq!(verify(&secret, &next, now + TimeDelta::seconds(30), Some(used)), Ok(step + 1));
        assert_eq!(verify(&secret, "000001", now, Some(used)), Err(TotpFailure::Wrong));
    }

    #[test]
    fn of_two_steps_with_one_code_the_smallest_unused_is_taken() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        // One pair of adjacent steps in a million shares a code; this is the secret's first.
        let step: u64 = 910_738;
        assert_eq!(code_at(&secret, step - 1), code_at(&secret, step));
        let now = at(i64::try_from(step * STEP_SECONDS).unwrap());
        let code = code_at(&secret, step);
        assert_eq!(verify(&secret, &code, now, None), Ok(step - 1));
        assert_eq!(verify(&secret, &code, now, Some(step - 1)), Ok(step));
        assert_eq!(verify(&secret, &code, now, Some(step)), Err(TotpFailure::AlreadyUsed));
    }

    #[test]
    fn odd_codes_and_times_are_wrong_and_never_panic() {
        let secret = TotpSecret::generate();
        for code in ["", "1", "12345a", "1234567", "１２３４５６"] {
            assert_eq!(verify(&secret, code, at(1_111_111_111), None), Err(TotpFailure::Wrong));
        }
        assert_eq!(step_of(at(-5)), 0);
        let _ = verify(&secret, "123456", at(-5), None);
        let _ = code_at(&secret, u64::MAX);
    }

    #[test]
    fn a_secret_is_read_from_any_base32_spelling() {
        let secret = TotpSecret::generate();
        let text = secret.to_base32().expose_secret().to_lowercase();
        assert_eq!(text.len(), 32);
        let spaced = format!("{} {}", &text[..16], &text[16..]);
        assert_eq!(TotpSecret::from_base32(&spaced).unwrap().expose_bytes(), secret.expose_bytes());
        for bad in ["", "MFRGG", "1!", &"A".repeat(200)] {
            assert_eq!(TotpSecret::from_base32(bad).err(), Some(CryptoError::KeyInvalid), "{bad}");
        }
        assert_eq!(format!("{secret:?}"), "TotpSecret([redacted])");
    }

    #[test]
    fn the_address_is_encoded() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        assert_eq!(
            secret.uri("驿站 A", "li+wei@example.org").expose_secret(),
            "otpauth://totp/%E9%A9%BF%E7%AB%99%20A:li%2Bwei%40example.org\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=%E9%A9%BF%E7%AB%99%20A\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
