//! The line to Redis: kept by one task, which speaks and hears, and begins
//! anew with growing pauses when it breaks. Whether all instances are heard
//! is known by their beats: an instance whose beats stop may be saying things
//! that do not come through.

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
    wire::{self, Said, TOGETHER},
};
use crate::{
    Coordination, Speaker,
    memory::{HEARD_FOR, lock},
};
use domain::time::Timestamp;

/// How often an instance says that it is there, and tells whom it has heard.
const BEAT: Duration = Duration::from_secs(1);
/// No word for so long, not even one's own beat, is a broken line; no beat of
/// another instance for so long is an instance that cannot be heard.
const SILENCE: Duration = Duration::from_secs(5);
/// An instance that was silent for so long has ended without a word.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Connecting takes no longer than this, nor does any answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Between two tries: from, and up to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Entries in one command.
const AT_ONCE: usize = 1000;
/// Beats between two cleanings of old entries.
const CLEAN_EVERY: u32 = 60;

impl Shared {
    /// The sorted set of who was heard when, in microseconds.
    pub(super) fn heard_key(&self) -> String {
        format!("{}heard", self.prefix)
    }

    fn channel(&self) -> String {
        format!("{}look", self.prefix)
    }
}

/// Keeps the line until good-bye was said.
pub(super) async fn keep(client: Client, shared: Arc<Shared>) {
    let mut pause = PAUSES.0;
    let mut first = true;
    loop {
        let begun = Instant::now();
        let ended = session(&client, &shared).await;
        let lost = lock(&shared.line).take().is_some();
        shared.here.set_whole(false);
        match ended {
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
            // What was being said when the line broke may not have come through.
            hints.around = true;
        }
        // A line that breaks as soon as it is made is tried no faster.
        pause = if begun.elapsed() > SILENCE { PAUSES.0 } else { PAUSES.1.min(pause * 2) };
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

/// One life of the line; `Ok` is its wanted end.
async fn session(client: &Client, shared: &Shared) -> RedisResult<()> {
    let patient =
        AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
    let mut line = client.get_multiplexed_async_connection_with_config(&patient).await?;
    let hearing = async {
        let mut pubsub = client.get_async_pubsub().await?;
        pubsub.subscribe(shared.channel()).await?;
        RedisResult::Ok(pubsub)
    };
    let pubsub = timeout(ANSWER, hearing).await.map_err(|_| silent())??;
    // Dropping the sink would end the stream.
    let (_sink, heard) = pubsub.split();
    let others = Mutex::default();
    *lock(&shared.line) = Some(line.clone());
    shared.here.set_whole(true);
    // From here on hints come in; those of before may be lost.
    shared.here.wake_all();
    tracing::info!("Redis is reached");
    tokio::select! {
        ended = speak(&mut line, shared, &others) => ended,
        broken = hear(heard, shared, &others) => Err(broken),
    }
}

fn silent() -> RedisError {
    (ErrorKind::Io, "no answer in time").into()
}

/// When each other instance was last heard.
type Others = Mutex<HashMap<u32, Instant>>;

/// Whether all known instances are heard; those long gone are forgotten.
fn all_heard(others: &Others) -> bool {
    let mut others = lock(others);
    others.retain(|_, heard| heard.elapsed() < FORGOTTEN);
    others.values().all(|heard| heard.elapsed() < SILENCE)
}

async fn hear(mut messages: PubSubStream, shared: &Shared, others: &Others) -> RedisError {
    loop {
        let message = match timeout(SILENCE, messages.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => return (ErrorKind::Io, "the subscription has ended").into(),
            Err(_) => return silent(),
        };
        let text = message.get_payload::<String>().unwrap_or_default();
        let Some((origin, said)) = wire::decode(&text) else { continue };
        if origin == shared.here.origin() {
            continue;
        }
        let returned = if said == Said::Bye {
            lock(others).remove(&origin);
            false
        } else {
            let last = lock(others).insert(origin, Instant::now());
            last.is_some_and(|last| last.elapsed() >= SILENCE)
        };
        match said {
            Said::Beat | Said::Bye => {}
            Said::Look(topics) => topics.into_iter().for_each(|topic| shared.here.wake(topic)),
            Said::LookAround => shared.here.wake_all(),
        }
        if returned {
            shared.here.wake_all();
            shared.here.set_whole(all_heard(others));
        }
    }
}

async fn speak(line: &mut MultiplexedConnection, shared: &Shared, others: &Others) -> RedisResult<()> {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beats = 0_u32;
    loop {
        tokio::select! {
            () = shared.told.notified() => {}
            _ = beat.tick() => {
                say(line, shared, &Said::Beat).await?;
                let clean = beats.is_multiple_of(CLEAN_EVERY);
                beats = beats.wrapping_add(1);
                tell_heard(line, shared, clean).await?;
                shared.here.set_whole(all_heard(others));
            }
        }
        tell_hints(line, shared).await?;
        if lock(&shared.hints).bye {
            tell_heard(line, shared, false).await?;
            return say(line, shared, &Said::Bye).await;
        }
    }
}

async fn say(line: &mut MultiplexedConnection, shared: &Shared, said: &Said) -> RedisResult<()> {
    let text = wire::encode(shared.here.origin(), said);
    redis::cmd("PUBLISH").arg(shared.channel()).arg(text).exec_async(line).await
}

/// Says all hints. What could not be said stays to be said.
async fn tell_hints(line: &mut MultiplexedConnection, shared: &Shared) -> RedisResult<()> {
    let (topics, around) = {
        let mut hints = lock(&shared.hints);
        (std::mem::take(&mut hints.topics), std::mem::take(&mut hints.around))
    };
    if topics.is_empty() && !around {
        return Ok(());
    }
    let topics: Vec<_> = topics.into_iter().collect();
    let mut messages = redis::pipe();
    let mut add = |said: &Said| {
        let text = wire::encode(shared.here.origin(), said);
        messages.cmd("PUBLISH").arg(shared.channel()).arg(text).ignore();
    };
    topics.chunks(TOGETHER).for_each(|some| add(&Said::Look(some.to_vec())));
    if around {
        add(&Said::LookAround);
    }
    let said = messages.exec_async(line).await;
    if said.is_err() {
        let mut hints = lock(&shared.hints);
        hints.topics.extend(topics);
        hints.around |= around;
    }
    said
}

/// Tells whom this instance has heard; Redis keeps the later of two words.
async fn tell_heard(line: &mut MultiplexedConnection, shared: &Shared, clean: bool) -> RedisResult<()> {
    let fresh: Vec<(Speaker, Timestamp)> = std::mem::take(&mut *lock(&shared.fresh)).into_iter().collect();
    let Some(newest) = fresh.iter().map(|(_, at)| *at).max() else { return Ok(()) };
    let mut told = redis::pipe();
    for some in fresh.chunks(AT_ONCE) {
        let add = told.cmd("ZADD").arg(shared.heard_key()).arg("GT");
        for (who, at) in some {
            add.arg(at.timestamp_micros()).arg(who.to_string());
        }
        add.ignore();
    }
    if clean {
        let old = (newest - HEARD_FOR).timestamp_micros();
        told.cmd("ZREMRANGEBYSCORE").arg(shared.heard_key()).arg("-inf").arg(old).ignore();
    }
    let done = told.exec_async(line).await;
    if done.is_err() {
        let mut again = lock(&shared.fresh);
        for (who, at) in fresh {
            let known = again.entry(who).or_insert(at);
            *known = at.max(*known);
        }
    }
    done
}
