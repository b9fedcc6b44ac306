//! Coordination among several instances through Redis. Everything also stands
//! in the memory of this process, which goes on alone while Redis cannot be
//! reached: local wake-ups come through, limits still hold. What other
//! instances say meanwhile is unknown, and listeners are told so.

mod line;
mod server;
mod wire;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::{sync::Notify, task::JoinHandle};

use super::{
    Coordination, Listener, Memory, Soon, Speaker, Topic,
    memory::{SWEEP_AT, lock},
};
use domain::time::Timestamp;

/// A request waits no longer than this for Redis, and goes on without it.
const PATIENCE: Duration = Duration::from_millis(300);
/// Hints that wait for the line, at most; more become "look everywhere".
const MOST_HINTS: usize = 10_000;

/// Counts in a window that the caller's clock opens. `KEYS[1]`; by, now and
/// until in microseconds, life in milliseconds.
const COUNT: &str = "\
local till = redis.call('HGET', KEYS[1], 'until')
if till and tonumber(till) > tonumber(ARGV[2]) then
  return redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])
end
if ARGV[1] == '0' then return 0 end
redis.call('HSET', KEYS[1], 'n', ARGV[1], 'until', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return tonumber(ARGV[1])";

/// Takes one of so many in a window that the caller's clock opens, or none (0).
/// `KEYS[1]`; most, now and until in microseconds, life in milliseconds.
const TAKE: &str = "\
local till = redis.call('HGET', KEYS[1], 'until')
if till and tonumber(till) > tonumber(ARGV[2]) then
  if tonumber(redis.call('HGET', KEYS[1], 'n')) >= tonumber(ARGV[1]) then return 0 end
  return redis.call('HINCRBY', KEYS[1], 'n', 1)
end
if tonumber(ARGV[1]) < 1 then return 0 end
redis.call('HSET', KEYS[1], 'n', 1, 'until', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1";

/// Gives one back. `KEYS[1]`; now in microseconds.
const GIVE_BACK: &str = "\
local till = redis.call('HGET', KEYS[1], 'until')
if till and tonumber(till) > tonumber(ARGV[1]) and tonumber(redis.call('HGET', KEYS[1], 'n')) > 0 then
  redis.call('HINCRBY', KEYS[1], 'n', -1)
end
return 0";

/// Memory, shared through Redis.
pub struct Redis {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
}

/// What the verbs and the line have between them.
struct Shared {
    here: Memory,
    prefix: String,
    /// Heard since the last flush.
    fresh: Mutex<HashMap<Speaker, Timestamp>>,
    hints: Mutex<Hints>,
    /// There are hints, or the end is near.
    told: Notify,
    /// `None` while Redis cannot be reached.
    line: Mutex<Option<MultiplexedConnection>>,
}

/// What is to be said to the other instances.
#[derive(Default)]
struct Hints {
    topics: HashSet<Topic>,
    around: bool,
    bye: bool,
}

impl Redis {
    /// Whether `url` names a Redis to which the way is protected; connects to nothing.
    ///
    /// # Errors
    /// Why the URL is refused, without repeating it.
    pub fn check(url: &str) -> Result<(), String> {
        server::client(url).map(drop)
    }

    /// Begins to keep a line to the server at `url`; it need not answer yet.
    /// All keys and the channel begin with the network's name. Runs on the
    /// runtime of its caller.
    ///
    /// # Errors
    /// Why the URL is refused, without repeating it.
    pub fn connect(url: &str, network: &str) -> Result<Self, String> {
        let client = server::client(url)?;
        let here = Memory::beside_others();
        let prefix = format!("waystation:{network}:");
        let shared = Arc::new(Shared {
            here,
            prefix,
            fresh: Mutex::default(),
            hints: Mutex::default(),
            told: Notify::new(),
            line: Mutex::default(),
        });
        let keeper = tokio::spawn(line::keep(client, Arc::clone(&shared)));
        Ok(Self { shared, keeper })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Shared {
    fn line(&self) -> Option<MultiplexedConnection> {
        lock(&self.line).clone()
    }

    fn counter_key(&self, key: &str) -> String {
        format!("{}count:{key}", self.prefix)
    }

    /// A script over one counter, with a number and a window.
    fn script(&self, script: &str, key: &str, number: u32, window: Duration, now: Timestamp) -> redis::Cmd {
        redis::cmd("EVAL")
            .arg(script)
            .arg(1)
            .arg(self.counter_key(key))
            .arg(number)
            .arg(now.timestamp_micros())
            .arg((now + window).timestamp_micros())
            .arg(u64::try_from(window.as_millis()).unwrap_or(u64::MAX / 2))
            .to_owned()
    }

    /// Asks Redis; `None` is "unknown".
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        let mut line = self.line()?;
        tokio::time::timeout(PATIENCE, command.query_async(&mut line)).await.ok()?.ok()
    }
}

impl Coordination for Redis {
    fn heard(&self, who: Speaker, at: Timestamp) {
        self.shared.here.heard(who, at);
        let mut fresh = lock(&self.shared.fresh);
        if let Some(last) = fresh.get_mut(&who) {
            *last = at.max(*last);
            return;
        }
        // Redis has been away for long; who still speaks is noted again.
        if fresh.len() >= SWEEP_AT {
            fresh.clear();
        }
        fresh.insert(who, at);
    }

    fn last_heard(&self, who: Speaker) -> Soon<'_, Option<Timestamp>> {
        Box::pin(async move {
            let here = self.shared.here.last_heard(who).await;
            let asked = redis::cmd("ZSCORE").arg(self.shared.heard_key()).arg(who.to_string()).to_owned();
            // Microseconds fit into a double until the year 2255.
            let there: Option<f64> = self.shared.ask::<Option<f64>>(&asked).await.flatten();
            #[allow(clippy::cast_possible_truncation, reason = "whole microseconds up to that year")]
            let there = there.and_then(|micros| Timestamp::from_timestamp_micros(micros as i64));
            here.max(there)
        })
    }

    fn wake(&self, topic: Topic) {
        self.shared.here.wake(topic);
        let mut hints = lock(&self.shared.hints);
        if hints.topics.len() >= MOST_HINTS {
            hints.topics.clear();
            hints.around = true;
        }
        if !hints.around {
            hints.topics.insert(topic);
        }
        drop(hints);
        self.shared.told.notify_one();
    }

    fn wake_all(&self) {
        self.shared.here.wake_all();
    }

    fn listen(&self, topic: Topic) -> Listener {
        self.shared.here.listen(topic)
    }

    fn count<'a>(&'a self, key: &'a str, by: u32, window: Duration, now: Timestamp) -> Soon<'a, u32> {
        Box::pin(async move {
            // Counted here as well: a limit holds while Redis is away, and
            // after it was emptied.
            let here = self.shared.here.count(key, by, window, now).await;
            let there: Option<u32> = self.shared.ask(&self.shared.script(COUNT, key, by, window, now)).await;
            there.map_or(here, |there| there.max(here))
        })
    }

    fn take<'a>(
        &'a self,
        key: &'a str,
        most: u32,
        window: Duration,
        now: Timestamp,
    ) -> Soon<'a, Option<u32>> {
        Box::pin(async move {
            let here = self.shared.here.take(key, most, window, now).await?;
            let asked = self.shared.script(TAKE, key, most, window, now);
            match self.shared.ask::<u32>(&asked).await {
                Some(0) => {
                    self.shared.here.give_back(key, now).await;
                    None
                }
                Some(there) => Some(there.max(here)),
                None => Some(here),
            }
        })
    }

    fn give_back<'a>(&'a self, key: &'a str, now: Timestamp) -> Soon<'a, ()> {
        Box::pin(async move {
            self.shared.here.give_back(key, now).await;
            let asked = redis::cmd("EVAL")
                .arg(GIVE_BACK)
                .arg(1)
                .arg(self.shared.counter_key(key))
                .arg(now.timestamp_micros())
                .to_owned();
            // What cannot be given back lapses with its window.
            let _given: Option<u32> = self.shared.ask(&asked).await;
        })
    }

    fn alone(&self) -> bool {
        false
    }

    fn close(&self) -> Soon<'_, ()> {
        Box::pin(async move {
            lock(&self.shared.hints).bye = true;
            self.shared.told.notify_one();
            let said = async {
                while !self.keeper.is_finished() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            // Who cannot be told will notice.
            let _ = tokio::time::timeout(Duration::from_secs(1), said).await;
        })
    }
}
