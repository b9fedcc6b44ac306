//! Digests, hash chains and constant-time comparison.

use aws_lc_rs::{constant_time, digest as backend};
use data_encoding::HEXLOWER;

use domain::ids::Id;

/// The value that every hash chain starts from, before its first link.
pub const CHAIN_START: [u8; 32] = [0; 32];

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut context = backend::Context::new(&backend::SHA256);
    context.update(bytes);
    finish(context)
}

/// The id of what has none of its own: the first 16 bytes of its name's SHA-256.
pub fn id_of<K>(name: &str) -> Id<K> {
    let mut half = [0; 16];
    half.copy_from_slice(&sha256(name.as_bytes())[..16]);
    Id::from_uuid(uuid::Uuid::from_bytes(half))
}

/// Incremental SHA-256.
pub struct Sha256(backend::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(backend::Context::new(&backend::SHA256))
    }
}

impl Sha256 {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> [u8; 32] {
        finish(self.0)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The chain link after `previous` that covers `bytes`. Changing, dropping or
/// swapping any earlier entry changes every later link. A prefix keeps links
/// distinct from plain digests.
pub fn chain(previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut context = backend::Context::new(&backend::SHA256);
    context.update(b"waystation chain v1\0");
    context.update(previous);
    context.update(bytes);
    finish(context)
}

/// Constant-time comparison: the time depends on the lengths only.
pub fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

fn finish(context: backend::Context) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_matches_the_published_example() {
        // FIPS 180-2, appendix B.1
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_chain_shows_every_change() {
        let fold = |entries: &[&str]| entries.iter().fold(CHAIN_START, |head, e| chain(&head, e.as_bytes()));
        let head = fold(&["a", "b", "c"]);
        for other in [&["a", "b"][..], &["a", "c", "b"], &["a", "x", "c"], &["ab", "c"], &["a", "b", "c", ""]]
        {
            assert_ne!(fold(other), head, "{other:?}");
        }
        assert_eq!(fold(&["a", "b", "c"]), head);
        assert_ne!(chain(&CHAIN_START, b""), sha256(&CHAIN_START), "a link is not a plain digest");
    }

    #[test]
    fn comparing_is_exact() {
        assert!(same_bytes(b"", b"") && same_bytes(b"abc", b"abc"));
        assert!(!same_bytes(b"abc", b"abd") && !same_bytes(b"abc", b"ab") && !same_bytes(b"", b"a"));
    }
}
