//! The connection to Redis: one task owns it, publishes and receives, and
//! reconnects with growing pauses when it breaks. Heartbeats show whether all
//! instances are being received: messages of an instance whose heartbeats stop
//! may be getting lost.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult,
    aio::{MultiplexedConnection, PubSubStream},
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{
    Shared,
    wire::{self, Message, TOPICS_PER_MESSAGE},
};
use crate::{
    Coordination, LivenessKey,
    memory::{HEARD_FOR, lock},
};
use domain::time::Timestamp;

/// The interval of heartbeats and of publishing last-heard times.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// No message for this long, not even our own heartbeat, means that the connection
/// is broken; no heartbeat of another instance for this long means that its
/// messages may be getting lost.
const SILENCE: Duration = Duration::from_secs(5);
/// An instance that was silent for this long has ended without notice.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Timeout of connecting and of each answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Pauses between two attempts to connect: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Entries in one command.
const AT_ONCE: usize = 1000;
/// Heartbeats between two deletions of old entries.
const CLEAN_EVERY: u32 = 60;

impl Shared {
    /// The sorted set of last-heard times, in microseconds.
    pub(super) fn heard_key(&self) -> String {
        format!("{}heard", self.prefix)
    }

    fn channel(&self) -> String {
        format!("{}look", self.prefix)
    }
}

/// Keeps a connection open until the instance has published that it ends.
pub(super) async fn run(client: Client, shared: Arc<Shared>) {
    let mut pause = PAUSES.0;
    let mut first = true;
    loop {
        let started = Instant::now();
        let result = session(&client, &shared).await;
        let lost = lock(&shared.connection).take().is_some();
        shared.local.set_complete(false);
        match result {
            Ok(()) => return,
            Err(error) if lost || first => {
                tracing::warn!(%error, "Redis cannot be reached; this instance goes on alone");
            }
            Err(error) => tracing::debug!(%error, "Redis still cannot be reached"),
        }
        first = false;
        {
            let mut hints = lock(&shared.hints);
            if hints.bye {
                return;
            }
            // Messages in flight when the connection broke may be lost.
            hints.around = true;
        }
        // The pause is reset only after a connection that lasted for a while.
        pause = if started.elapsed() > SILENCE { PAUSES.0 } else { PAUSES.1.min(pause * 2) };
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

/// One connection from start to end; `Ok` if it was closed on purpose.
async fn session(client: &Client, shared: &Shared) -> RedisResult<()> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(TIMEOUT))
        .set_response_timeout(Some(TIMEOUT));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let subscribing = async {
        let mut pubsub = client.get_async_pubsub().await?;
        pubsub.subscribe(shared.channel()).await?;
        RedisResult::Ok(pubsub)
    };
    let pubsub = timeout(TIMEOUT, subscribing).await.map_err(|_| silent())??;
    // Dropping the sink would end the stream.
    let (_sink, heard) = pubsub.split();
    let others = Mutex::default();
    *lock(&shared.connection) = Some(connection.clone());
    shared.local.set_complete(true);
    // Wake-ups are received from here on; earlier ones may be lost.
    shared.local.wake_all();
    tracing::info!("Redis is reached");
    tokio::select! {
        result = publish_loop(&mut connection, shared, &others) => result,
        broken = receive(heard, shared, &others) => Err(broken),
    }
}

fn silent() -> RedisError {
    (ErrorKind::Io, "no answer in time").into()
}

/// When each other instance was last heard.
type Others = Mutex<HashMap<u32, Instant>>;

/// Whether all known instances are being received; forgets those that are long gone.
fn all_heard(others: &Others) -> bool {
    let mut others = lock(others);
    others.retain(|_, heard| heard.elapsed() < FORGOTTEN);
    others.values().all(|heard| heard.elapsed() < SILENCE)
}

async fn receive(mut messages: PubSubStream, shared: &Shared, others: &Others) -> RedisError {
    loop {
        let message = match timeout(SILENCE, messages.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => return (ErrorKind::Io, "the subscription has ended").into(),
            Err(_) => return silent(),
        };
        let text = message.get_payload::<String>().unwrap_or_default();
        let Some((origin, message)) = wire::decode(&text) else { continue };
        if origin == shared.local.origin() {
            continue;
        }
        let is_back = if message == Message::Bye {
            lock(others).remove(&origin);
            false
        } else {
            let last = lock(others).insert(origin, Instant::now());
            last.is_some_and(|last| last.elapsed() >= SILENCE)
        };
        match message {
            Message::Heartbeat | Message::Bye => {}
            Message::Wake(topics) => topics.into_iter().for_each(|topic| shared.local.wake(topic)),
            Message::WakeAll => shared.local.wake_all(),
        }
        if is_back {
            shared.local.wake_all();
            shared.local.set_complete(all_heard(others));
        }
    }
}

async fn publish_loop(
    connection: &mut MultiplexedConnection,
    shared: &Shared,
    others: &Others,
) -> RedisResult<()> {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heartbeats = 0_u32;
    loop {
        tokio::select! {
            () = shared.pending.notified() => {}
            _ = heartbeat.tick() => {
                publish(connection, shared, &Message::Heartbeat).await?;
                let clean = heartbeats.is_multiple_of(CLEAN_EVERY);
                heartbeats = heartbeats.wrapping_add(1);
                publish_heard(connection, shared, clean).await?;
                shared.local.set_complete(all_heard(others));
            }
        }
        publish_hints(connection, shared).await?;
        if lock(&shared.hints).bye {
            publish_heard(connection, shared, false).await?;
            return publish(connection, shared, &Message::Bye).await;
        }
    }
}

async fn publish(
    connection: &mut MultiplexedConnection,
    shared: &Shared,
    message: &Message,
) -> RedisResult<()> {
    let text = wire::encode(shared.local.origin(), message);
    redis::cmd("PUBLISH").arg(shared.channel()).arg(text).exec_async(connection).await
}

/// Publishes all pending wake-ups. On failure they stay pending.
async fn publish_hints(connection: &mut MultiplexedConnection, shared: &Shared) -> RedisResult<()> {
    let (topics, around) = {
        let mut hints = lock(&shared.hints);
        (std::mem::take(&mut hints.topics), std::mem::take(&mut hints.around))
    };
    if topics.is_empty() && !around {
        return Ok(());
    }
    let topics: Vec<_> = topics.into_iter().collect();
    let mut messages = redis::pipe();
    let mut add = |message: &Message| {
        let text = wire::encode(shared.local.origin(), message);
        messages.cmd("PUBLISH").arg(shared.channel()).arg(text).ignore();
    };
    topics.chunks(TOPICS_PER_MESSAGE).for_each(|some| add(&Message::Wake(some.to_vec())));
    if around {
        add(&Message::WakeAll);
    }
    let result = messages.exec_async(connection).await;
    if result.is_err() {
        let mut hints = lock(&shared.hints);
        hints.topics.extend(topics);
        hints.around |= around;
    }
    result
}

/// Publishes this instance's last-heard times; Redis keeps the later of two.
async fn publish_heard(
    connection: &mut MultiplexedConnection,
    shared: &Shared,
    clean: bool,
) -> RedisResult<()> {
    let fresh: Vec<(LivenessKey, Timestamp)> =
        std::mem::take(&mut *lock(&shared.fresh)).into_iter().collect();
    let Some(newest) = fresh.iter().map(|(_, at)| *at).max() else { return Ok(()) };
    let mut commands = redis::pipe();
    for some in fresh.chunks(AT_ONCE) {
        let add = commands.cmd("ZADD").arg(shared.heard_key()).arg("GT");
        for (who, at) in some {
            add.arg(at.timestamp_micros()).arg(who.to_string());
        }
        add.ignore();
    }
    if clean {
        let old = (newest - HEARD_FOR).timestamp_micros();
        commands.cmd("ZREMRANGEBYSCORE").arg(shared.heard_key()).arg("-inf").arg(old).ignore();
    }
    let result = commands.exec_async(connection).await;
    if result.is_err() {
        let mut fresh_map = lock(&shared.fresh);
        for (who, at) in fresh {
            let known = fresh_map.entry(who).or_insert(at);
            *known = at.max(*known);
        }
    }
    result
}
