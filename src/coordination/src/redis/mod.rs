//! Coordination among several instances through Redis. All state is also in the
//! memory of this process, which goes on alone while Redis cannot be reached:
//! local wake-ups arrive and limits still apply. Messages of other instances are
//! lost meanwhile, and listeners report that they may have missed some.

mod connection;
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
    BoxFuture, Coordination, Listener, LivenessKey, Memory, Topic,
    memory::{SWEEP_AT, lock},
};
use domain::time::Timestamp;

/// A request waits at most this long for Redis, and then continues without it.
const TIMEOUT: Duration = Duration::from_millis(300);
/// Maximum number of pending topics; above it, one message wakes all topics.
const MOST_HINTS: usize = 10_000;

/// Adds to a counter whose window is opened by the caller's clock. `KEYS[1]`;
/// by, now and until in microseconds, TTL in milliseconds.
const COUNT: &str = "\
local till = redis.call('HGET', KEYS[1], 'until')
if till and tonumber(till) > tonumber(ARGV[2]) then
  return redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])
end
if ARGV[1] == '0' then return 0 end
redis.call('HSET', KEYS[1], 'n', ARGV[1], 'until', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return tonumber(ARGV[1])";

/// Takes a permit in a window that is opened by the caller's clock; 0 if there is
/// none. `KEYS[1]`; most, now and until in microseconds, TTL in milliseconds.
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

/// Returns a permit. `KEYS[1]`; now in microseconds.
const GIVE_BACK: &str = "\
local till = redis.call('HGET', KEYS[1], 'until')
if till and tonumber(till) > tonumber(ARGV[1]) and tonumber(redis.call('HGET', KEYS[1], 'n')) > 0 then
  redis.call('HINCRBY', KEYS[1], 'n', -1)
end
return 0";

/// [`Memory`], shared among instances through Redis.
pub struct Redis {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// State shared by the trait's methods and the connection task.
struct Shared {
    local: Memory,
    prefix: String,
    /// Last-heard times since the last flush.
    fresh: Mutex<HashMap<LivenessKey, Timestamp>>,
    hints: Mutex<Hints>,
    /// Signals that there are hints to publish, or that the instance ends.
    pending: Notify,
    /// `None` while Redis cannot be reached.
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// What is to be published to the other instances.
#[derive(Default)]
struct Hints {
    topics: HashSet<Topic>,
    around: bool,
    bye: bool,
}

impl Redis {
    /// Checks that `url` names a Redis server whose connection is protected, without
    /// connecting.
    ///
    /// # Errors
    /// Why the URL is refused; the text does not contain the URL.
    pub fn check(url: &str) -> Result<(), String> {
        server::client(url).map(drop)
    }

    /// Starts a task that keeps a connection to the server at `url`, which need not
    /// answer yet. All keys and the channel are prefixed with the network's name.
    /// The task runs on the caller's runtime.
    ///
    /// # Errors
    /// Why the URL is refused; the text does not contain the URL.
    pub fn connect(url: &str, network: &str) -> Result<Self, String> {
        let client = server::client(url)?;
        let local = Memory::one_of_several();
        let prefix = format!("waystation:{network}:");
        let shared = Arc::new(Shared {
            local,
            prefix,
            fresh: Mutex::default(),
            hints: Mutex::default(),
            pending: Notify::new(),
            connection: Mutex::default(),
        });
        let task = tokio::spawn(connection::run(client, Arc::clone(&shared)));
        Ok(Self { shared, task })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn connection(&self) -> Option<MultiplexedConnection> {
        lock(&self.connection).clone()
    }

    fn counter_key(&self, key: &str) -> String {
        format!("{}count:{key}", self.prefix)
    }

    /// A script on one counter, with a number and a window.
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

    /// Sends a command to Redis; `None` if it does not answer in time.
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        let mut connection = self.connection()?;
        tokio::time::timeout(TIMEOUT, command.query_async(&mut connection)).await.ok()?.ok()
    }
}

/// The time of a score. Microseconds fit into a double until the year 2255.
fn at_of(score: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "whole microseconds up to that year")]
    let micros = score as i64;
    Timestamp::from_timestamp_micros(micros)
}

impl Coordination for Redis {
    fn heard(&self, who: LivenessKey, at: Timestamp) {
        self.shared.local.heard(who, at);
        let mut fresh = lock(&self.shared.fresh);
        if let Some(last) = fresh.get_mut(&who) {
            *last = at.max(*last);
            return;
        }
        // Redis has been unreachable for long; active callers are recorded again.
        if fresh.len() >= SWEEP_AT {
            fresh.clear();
        }
        fresh.insert(who, at);
    }

    fn last_heard(&self, who: LivenessKey) -> BoxFuture<'_, Option<Timestamp>> {
        Box::pin(async move {
            let local = self.shared.local.last_heard(who).await;
            let command = redis::cmd("ZSCORE").arg(self.shared.heard_key()).arg(who.to_string()).to_owned();
            let remote: Option<f64> = self.shared.ask::<Option<f64>>(&command).await.flatten();
            local.max(remote.and_then(at_of))
        })
    }

    fn last_heard_of<'a>(&'a self, who: &'a [LivenessKey]) -> BoxFuture<'a, Option<Vec<Option<Timestamp>>>> {
        Box::pin(async move {
            let mut command = redis::cmd("ZMSCORE");
            command.arg(self.shared.heard_key());
            for one in who {
                command.arg(one.to_string());
            }
            let remote: Vec<Option<f64>> = self.shared.ask(&command).await?;
            let here = self.shared.local.heard_here(who);
            Some(
                here.into_iter().zip(remote).map(|(here, remote)| here.max(remote.and_then(at_of))).collect(),
            )
        })
    }

    fn wake(&self, topic: Topic) {
        self.shared.local.wake(topic);
        let mut hints = lock(&self.shared.hints);
        if hints.topics.len() >= MOST_HINTS {
            hints.topics.clear();
            hints.around = true;
        }
        if !hints.around {
            hints.topics.insert(topic);
        }
        drop(hints);
        self.shared.pending.notify_one();
    }

    fn wake_all(&self) {
        self.shared.local.wake_all();
    }

    fn listen(&self, topic: Topic) -> Listener {
        self.shared.local.listen(topic)
    }

    fn count<'a>(&'a self, key: &'a str, by: u32, window: Duration, now: Timestamp) -> BoxFuture<'a, u32> {
        Box::pin(async move {
            // Counted here as well: a limit applies while Redis cannot be reached
            // and after it was emptied.
            let local = self.shared.local.count(key, by, window, now).await;
            let remote: Option<u32> = self.shared.ask(&self.shared.script(COUNT, key, by, window, now)).await;
            remote.map_or(local, |remote| remote.max(local))
        })
    }

    fn take<'a>(
        &'a self,
        key: &'a str,
        most: u32,
        window: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Option<u32>> {
        Box::pin(async move {
            let local = self.shared.local.take(key, most, window, now).await?;
            let command = self.shared.script(TAKE, key, most, window, now);
            match self.shared.ask::<u32>(&command).await {
                Some(0) => {
                    self.shared.local.give_back(key, now).await;
                    None
                }
                Some(remote) => Some(remote.max(local)),
                None => Some(local),
            }
        })
    }

    fn give_back<'a>(&'a self, key: &'a str, now: Timestamp) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.shared.local.give_back(key, now).await;
            let command = redis::cmd("EVAL")
                .arg(GIVE_BACK)
                .arg(1)
                .arg(self.shared.counter_key(key))
                .arg(now.timestamp_micros())
                .to_owned();
            // A permit that cannot be returned expires with its window.
            let _given: Option<u32> = self.shared.ask(&command).await;
        })
    }

    fn is_single_instance(&self) -> bool {
        false
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            lock(&self.shared.hints).bye = true;
            self.shared.pending.notify_one();
            let ended = async {
                while !self.task.is_finished() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            // Instances that do not get the message notice the missing heartbeats.
            let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
        })
    }
}
