//! Verified tokens by digest, until they expire: an idle poll then verifies no
//! signature. What a token proves may have ended meanwhile; whoever reads or
//! writes for its holder checks that in the database.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::time::Timestamp;
use service::Actor;

/// Each digest has its place in one of these, so that callers seldom meet.
const SHARDS: usize = 64;
/// A shard with fewer tokens is never swept.
const SWEEP_AT: usize = 256;

/// The tokens that this process has verified.
pub struct TokenCache {
    shards: Vec<RwLock<Shard>>,
    /// Of which generation of keys these tokens are.
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
    /// Forgets everything when the keys were replaced since the last time: one
    /// of them may verify nothing any more.
    pub fn keep_to(&self, generation: u64) {
        if self.generation.load(Ordering::Acquire) != generation {
            for shard in &self.shards {
                shard.write().unwrap_or_else(PoisonError::into_inner).tokens.clear();
            }
            self.generation.store(generation, Ordering::Release);
        }
    }

    /// Whose token has this SHA-256, if it was verified and has not expired.
    pub fn get(&self, digest: &[u8; 32], now: Timestamp) -> Option<Actor> {
        let shard = self.shard(digest).read().unwrap_or_else(PoisonError::into_inner);
        let (actor, until) = shard.tokens.get(digest)?;
        (now < *until).then_some(*actor)
    }

    /// Notes that the token with this SHA-256 is `actor`'s until then. A shard
    /// that has doubled since the last time drops what has expired.
    pub fn insert(&self, digest: [u8; 32], actor: Actor, until: Timestamp, now: Timestamp) {
        let mut shard = self.shard(&digest).write().unwrap_or_else(PoisonError::into_inner);
        if shard.tokens.len() >= shard.sweep_at {
            shard.tokens.retain(|_, (_, until)| now < *until);
            shard.sweep_at = SWEEP_AT.max(shard.tokens.len() * 2);
        }
        shard.tokens.insert(digest, (actor, until));
    }

    fn shard(&self, digest: &[u8; 32]) -> &RwLock<Shard> {
        // A digest is as good as chance.
        &self.shards[usize::from(digest[0]) % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::digest::sha256;
    use domain::ids::{CabinetId, DeviceId, StationId};
    use service::caller::CabinetCaller;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).expect("in range")
    }

    fn cabinet() -> Actor {
        let (device, cabinet) = (DeviceId::generate(), CabinetId::generate());
        Actor::Cabinet(CabinetCaller {
            device,
            cabinet,
            station: StationId::generate(),
            epoch: 1,
            token_at: at(0),
        })
    }

    #[test]
    fn a_token_is_known_until_its_last_instant_and_no_other_is() {
        let cache = TokenCache::default();
        let actor = cabinet();
        cache.insert(sha256(b"a"), actor, at(300), at(0));
        assert_eq!(cache.get(&sha256(b"a"), at(299)), Some(actor));
        assert_eq!(cache.get(&sha256(b"a"), at(300)), None);
        assert_eq!(cache.get(&sha256(b"b"), at(0)), None);
    }

    #[test]
    fn expired_tokens_make_room_and_live_ones_stay() {
        let cache = TokenCache::default();
        let actor = cabinet();
        let held =
            || cache.shards.iter().map(|shard| shard.read().expect("whole").tokens.len()).sum::<usize>();
        let key = |round: u32, number: u32| sha256(&[round.to_be_bytes(), number.to_be_bytes()].concat());
        // Every caller fetches a token of five minutes every four.
        for round in 0..20 {
            let now = at(i64::from(round) * 240);
            for number in 0..2_000 {
                cache.insert(key(round, number), actor, now + chrono::TimeDelta::seconds(300), now);
            }
            assert!((0..2_000).all(|number| cache.get(&key(round, number), now).is_some()));
        }
        assert!(held() < 20_000, "{} of 40,000 tokens, 4,000 of them live", held());
    }
}
