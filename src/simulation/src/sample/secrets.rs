//! The sample network's secrets, which are not secret: each is a digest of the seed
//! and a name, so that a script can sign in as anybody.
//!
//! Every derived value is `SHA-256("waystation-sample/<use>/<seed>/<name>")`
//! with the seed in decimal; `sha256sum` in a shell gives the same bytes.

use aws_lc_rs::digest::{SHA256, digest};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use domain::network::pin_is_trivial;

/// The mail domain of all sample staff; `.example` is reserved and never delivered to.
pub(crate) const SAMPLE_MAIL_DOMAIN: &str = "sample.waystation.example";

/// The one password of all sample staff. DEMO ONLY: it is published here.
pub const SAMPLE_PASSWORD: &str = "sample-network-only-2026";

/// The Argon2id hash of [`SAMPLE_PASSWORD`] (m = 19 MiB, t = 2, p = 1), made
/// once: hashing 1,400 passwords one by one would take most of a minute.
pub const SAMPLE_PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$d2F5c3RhdGlvbi1zYW1wbGU$VK2yNkLHgNv1IL97a7XYC6KuHhfpt2vEU4d8GGfdhH8";

/// The TOTP secret of the sample member of staff behind `email`.
pub fn totp_secret(seed: u64, email: &str) -> [u8; 20] {
    let mut secret = [0; 20];
    secret.copy_from_slice(&derive("totp", seed, email)[..20]);
    secret
}

/// The signing PIN, six digits and never an easy one, behind `email`.
pub fn signing_pin(seed: u64, email: &str) -> String {
    // The first group of four bytes that does not give an easy PIN; about one in 600 does.
    let bytes = derive("signing-pin", seed, email);
    let pins = bytes.chunks_exact(4).map(|four| {
        let number = four.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:06}", number % 1_000_000)
    });
    pins.into_iter().find(|pin| !pin_is_trivial(pin)).unwrap_or_else(|| "483920".into())
}

/// The Ed25519 seed of the key of the station `station_code`.
pub fn station_device_seed(seed: u64, station_code: &str) -> [u8; 32] {
    derive("station-device", seed, station_code)
}

/// The Ed25519 seed of the key of the cabinet at the station `station_code`.
pub fn cabinet_device_seed(seed: u64, station_code: &str) -> [u8; 32] {
    derive("cabinet-device", seed, station_code)
}

/// The address of a sample member of staff.
pub(super) fn email(local: &str) -> String {
    format!("{local}@{SAMPLE_MAIL_DOMAIN}")
}

/// The random numbers of one part of the plan. Parts have streams of their
/// own, so that a change to one leaves the others as they were.
pub(super) fn random(seed: u64, part: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(derive("random", seed, part))
}

fn derive(purpose: &str, seed: u64, name: &str) -> [u8; 32] {
    let text = format!("waystation-sample/{purpose}/{seed}/{name}");
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use argon2::{
        Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
        password_hash::SaltString,
    };

    use super::*;

    fn argon() -> Argon2<'static> {
        Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(19_456, 2, 1, None).expect("fine parameters"),
        )
    }

    #[test]
    fn the_hash_is_that_of_the_password_with_the_server_parameters() {
        let salt = SaltString::encode_b64(b"waystation-sample").expect("a salt");
        let made = argon().hash_password(SAMPLE_PASSWORD.as_bytes(), &salt).expect("hashes").to_string();
        assert_eq!(made, SAMPLE_PASSWORD_HASH);
        assert!(SAMPLE_PASSWORD_HASH.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let parsed = PasswordHash::new(SAMPLE_PASSWORD_HASH).expect("a PHC string");
        assert!(argon().verify_password(SAMPLE_PASSWORD.as_bytes(), &parsed).is_ok());
        assert!(argon().verify_password(b"another", &parsed).is_err());
    }

    #[test]
    fn a_shell_derives_the_same_bytes() {
        // printf 'waystation-sample/station-device/7/zhifu-01' | sha256sum
        let hex: String =
            station_device_seed(7, "zhifu-01").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "0f769912f0846b3b0ed2fadf8065bb57fc1b0710698e44f63864afd9338641a5");
    }

    #[test]
    fn uses_and_names_do_not_share_secrets() {
        assert_ne!(station_device_seed(7, "zhifu-01"), cabinet_device_seed(7, "zhifu-01"));
        assert_ne!(station_device_seed(7, "zhifu-01"), station_device_seed(8, "zhifu-01"));
        assert_ne!(totp_secret(7, "a@b.example"), totp_secret(7, "c@b.example"));
        for number in 0..5_000 {
            let pin = signing_pin(7, &format!("doctor-{number}"));
            assert!(pin.len() == 6 && !pin_is_trivial(&pin), "{pin}");
        }
    }
}
