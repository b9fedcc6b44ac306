//! Cache of verified tokens by digest, until they expire, so that an idle poll verifies no
//! signature. The session, check-in or enrolment behind a token may have ended meanwhile: every
//! read or write for the caller checks that in the database.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::time::Timestamp;
use service::Actor;

/// Number of shards, each with its own lock, to reduce contention.
const SHARDS: usize = 64;
/// A shard with fewer tokens is not searched for expired ones.
const SWEEP_AT: usize = 256;

pub struct TokenCache {
    shards: Vec<RwLock<Shard>>,
    /// The generation of the keys that verified these tokens.
    generation: AtomicU64,
}

struct Shard {
    tokens: HashMap<[u8; 32], (Actor, Timestamp)>,
    sweep_at: usize,
}

impl Default for TokenCache {
    fn default() -> Self {
        let shard = || RwLock::new(Shard { tokens: HashMap::new(), sweep_at: SWEEP_AT });
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), generation: AtomicU64::new(0) }
    }
}

impl TokenCache {
    /// Clears the cache if the keys have changed since the last call: one
    /// of them may have been retired.
    pub(crate) fn clear_if_outdated(&self, generation: u64) {
        if self.generation.load(Ordering::Acquire) != generation {
            for shard in &self.shards {
                shard.write().unwrap_or_else(PoisonError::into_inner).tokens.clear();
            }
            self.generation.store(generation, Ordering::Release);
        }
    }

    /// The actor of the token with this SHA-256, if it is cached and has not expired.
    pub fn get(&self, digest: &[u8; 32], now: Timestamp) -> Option<Actor> {
        let shard = self.shard(digest).read().unwrap_or_else(PoisonError::into_inner);
        let (actor, until) = shard.tokens.get(digest)?;
        (now < *until).then_some(*actor)
    }

    /// Caches the token with this SHA-256 for `actor` until it expires. A shard that has doubled
    /// since its last sweep first drops the expired tokens.
    pub fn insert(&self, digest: [u8; 32], actor: Actor, until: Timestamp, now: Timestamp) {
        let mut shard = self.shard(&digest).write().unwrap_or_else(PoisonError::into_inner);
        if shard.tokens.len() >= shard.sweep_at {
            shard.tokens.retain(|_, (_, until)| now < *until);
            shard.sweep_at = SWEEP_AT.max(shard.tokens.len() * 2);
        }
        shard.tokens.insert(digest, (actor, until));
    }

    fn shard(&self, digest: &[u8; 32]) -> &RwLock<Shard> {
        // Digests are uniformly distributed.
        &self.shards[usize::from(digest[0]) % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::digest::sha256;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).expect("in range")
    }

    #[test]
    fn a_token_is_cached_until_it_expires() {
        let cache = TokenCache::default();
        let actor = Actor::System;
        cache.insert(sha256(b"a"), actor, at(300), at(0));
        assert_eq!(cache.get(&sha256(b"a"), at(299)), Some(actor));
        assert_eq!(cache.get(&sha256(b"a"), at(300)), None);
        assert_eq!(cache.get(&sha256(b"b"), at(0)), None);
    }

    #[test]
    fn expired_tokens_are_dropped_and_valid_ones_stay() {
        let cache = TokenCache::default();
        let actor = Actor::System;
        let cached =
            || cache.shards.iter().map(|shard| shard.read().expect("whole").tokens.len()).sum::<usize>();
        let key = |round: u32, number: u32| sha256(&[round.to_be_bytes(), number.to_be_bytes()].concat());
        // Every caller fetches a token every four minutes, which is valid for five.
        for round in 0..20 {
            let now = at(i64::from(round) * 240);
            for number in 0..2_000 {
                cache.insert(key(round, number), actor, now + chrono::TimeDelta::seconds(300), now);
            }
            assert!((0..2_000).all(|number| cache.get(&key(round, number), now).is_some()));
        }
        assert!(cached() < 20_000, "{} of 40,000 tokens, 4,000 of them valid", cached());
    }
}
