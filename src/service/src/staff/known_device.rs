//! A device from which somebody has signed in, or set a password by a letter. The token that it was
//! given does not authenticate anybody: it only gives the device a sign-in counter of its own, so
//! that guesses from elsewhere, even from the same address, do not use up its tries. The server
//! checks it without a table: it is a keyed digest of the member of staff, the day of issue, and 96
//! random bits that name the device.
//!
//! Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".

use data_encoding::BASE64URL_NOPAD;

use crate::AppState;
use crypto::{blind::BlindField, digest, random};
use domain::{ids::StaffId, time::Timestamp};

/// Days for which the token is valid. Our default.
const DAYS: i64 = 180;
const NAME: usize = 12;
const DAY: usize = 4;
const PROOF: usize = 24;

/// A new token for a device of `staff`.
pub(crate) fn token(app: &AppState, staff: StaffId) -> String {
    let mut known = [0; DAY + NAME];
    known[..DAY].copy_from_slice(&day(app.now()).to_be_bytes());
    known[DAY..].copy_from_slice(&random::bytes::<NAME>());
    let proof = proof(app, staff, &known);
    BASE64URL_NOPAD.encode(&[&known[..], &proof].concat())
}

/// The name of the device, if `token` is valid for `staff`.
pub(crate) fn recognised(app: &AppState, staff: StaffId, token: &str) -> Option<String> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    let (known, given) = bytes.split_at_checked(DAY + NAME)?;
    let age = day(app.now()).checked_sub(u32::from_be_bytes(*known.first_chunk()?))?;
    let right = digest::same_bytes(given, &proof(app, staff, known));
    (right && i64::from(age) <= DAYS).then(|| digest::hex(&known[DAY..]))
}

fn proof(app: &AppState, staff: StaffId, known: &[u8]) -> [u8; PROOF] {
    let whole = app.keys.blind.of(BlindField::KnownDevice, &format!("{staff}\n{}", digest::hex(known)));
    let mut proof = [0; PROOF];
    proof.copy_from_slice(&whole[..PROOF]);
    proof
}

/// Days since 1970.
fn day(now: Timestamp) -> u32 {
    u32::try_from(now.timestamp().div_euclid(86_400)).unwrap_or(0)
}
