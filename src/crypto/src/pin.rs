//! PINs: a keyed digest with a salt per person.
//!
//! Six digits can be brute-forced at once whatever the hash, so a slow hash gains
//! nothing and would cost 1.7 cores at 100 check-ins a second. Source: the
//! project's security checks, people. A PIN is protected by the key, which is not
//! in the database, and by the count of failed tries, which is.

use aws_lc_rs::hmac;

use super::{digest, keys::PurposeKey, random};
use domain::{refusal::FieldProblem, words::Bilingual};

/// The salt of one person's PIN, generated for each new PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinSalt(pub [u8; 16]);

impl PinSalt {
    pub fn generate() -> Self {
        Self(random::bytes())
    }
}

/// Digests and checks PINs of one kind: there is one for workers and one for
/// staff, with different keys.
pub struct PinHasher(hmac::Key);

impl PinHasher {
    /// A hasher under a key derived for `Purpose::WorkerPin` or `Purpose::StaffPin`.
    pub fn new(key: &PurposeKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The value that is stored for a PIN.
    pub fn mac(&self, salt: &PinSalt, pin: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&salt.0);
        context.update(pin.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// Whether `pin` matches `stored`; constant time.
    pub fn verify(&self, salt: &PinSalt, pin: &str, stored: &[u8]) -> bool {
        digest::same_bytes(&self.mac(salt, pin), stored)
    }
}

impl std::fmt::Debug for PinHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinHasher([redacted])")
    }
}

/// Checks a worker's new PIN: six digits that are not easy to guess.
///
/// # Errors
/// The problem of this field: `bad_format` or `too_simple`.
pub fn check_worker_pin(field: &str, pin: &str) -> Result<(), FieldProblem> {
    let message = Bilingual::fixed("密码须为 6 位数字。", "A PIN is six digits.");
    check(field, pin, 6..=6, message)
}

/// Checks the new signing PIN of a member of staff: six to twelve digits.
///
/// # Errors
/// The problem of this field: `bad_format` or `too_simple`.
pub fn check_signing_pin(field: &str, pin: &str) -> Result<(), FieldProblem> {
    let message = Bilingual::fixed("签名密码须为 6 至 12 位数字。", "A signing PIN is six to twelve digits.");
    check(field, pin, 6..=12, message)
}

fn check(
    field: &str,
    pin: &str,
    lengths: std::ops::RangeInclusive<usize>,
    format: Bilingual,
) -> Result<(), FieldProblem> {
    let problem = |code: &str, message| FieldProblem { field: field.into(), code: code.into(), message };
    if !lengths.contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(problem("bad_format", format));
    }
    if is_weak(pin.as_bytes()) {
        let message = Bilingual::fixed(
            "密码过于简单：请避免相同、连续或重复的数字。",
            "The PIN is too simple: avoid equal, running or repeating digits.",
        );
        return Err(problem("too_simple", message));
    }
    Ok(())
}

/// All digits equal, a run up or down (also past 9 or 0), or a repeated group of
/// two or three digits.
fn is_weak(digits: &[u8]) -> bool {
    let runs_by = |step: u8| digits.windows(2).all(|pair| (pair[0] - b'0' + step) % 10 == pair[1] - b'0');
    let repeats = |period: usize| digits.iter().zip(&digits[period..]).all(|(one, other)| one == other);
    runs_by(0) || runs_by(1) || runs_by(9) || repeats(2) || repeats(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{MasterSecret, Purpose};

    #[test]
    fn a_pin_needs_its_salt_and_its_key() {
        let master = MasterSecret::generate();
        let workers = PinHasher::new(&master.derive(Purpose::WorkerPin));
        let staff = PinHasher::new(&master.derive(Purpose::StaffPin));
        let salt = PinSalt::generate();
        let stored = workers.mac(&salt, "402917");
        assert!(workers.verify(&salt, "402917", &stored));
        assert!(!workers.verify(&salt, "402918", &stored));
        assert!(!workers.verify(&salt, "", &stored));
        assert!(!workers.verify(&PinSalt::generate(), "402917", &stored));
        assert!(!staff.verify(&salt, "402917", &stored));
        assert!(!workers.verify(&salt, "402917", &stored[..31]));
        assert!(!workers.verify(&salt, "402917", &[]));
        assert_eq!(format!("{workers:?}"), "PinHasher([redacted])");
    }

    #[test]
    fn first_guesses_are_refused() {
        let weak = ["000000", "777777", "123456", "654321", "890123", "210987", "121212", "123123", "998998"];
        for pin in weak {
            assert_eq!(check_worker_pin("pin", pin).unwrap_err().code, "too_simple", "{pin}");
            assert_eq!(check_signing_pin("pin", pin).unwrap_err().code, "too_simple", "{pin}");
        }
        for pin in ["402917", "123457", "112233", "135790"] {
            assert_eq!(check_worker_pin("pin", pin), Ok(()), "{pin}");
        }
    }

    #[test]
    fn only_ascii_digits_of_the_right_count_pass() {
        for pin in ["", "40291", "4029171", "40291a", "４０２９１７", " 40291", "-40291"] {
            assert_eq!(check_worker_pin("pin", pin).unwrap_err().code, "bad_format", "{pin}");
        }
        assert!(check_signing_pin("pin", "40291738").is_ok());
        assert_eq!(check_signing_pin("pin", "4029173840291").unwrap_err().code, "bad_format");
    }
}
