//! One test suite for both implementations of `Coordination`, and tests of what
//! Redis adds: several instances, and the loss of Redis.

use std::time::Duration;

use crate::{engines::print_line, redis::RedisServer};
use coordination::{Coordination, LivenessKey, Memory, Redis, Topic};
use domain::{
    ids::{CabinetId, StaffId},
    time::Timestamp,
};

const TIMEOUT: Duration = Duration::from_secs(20);

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_790_000_000 + second, 0).expect("in range")
}

/// Waits up to [`TIMEOUT`] for a condition; panics with `what` otherwise.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// A Redis server for the suite: that of `TEST_REDIS_URL`, or a private one.
fn url() -> Option<(String, Option<RedisServer>)> {
    match std::env::var("TEST_REDIS_URL") {
        Ok(url) if !url.is_empty() => {
            print_line("\nRedis: the server of TEST_REDIS_URL");
            Some((url, None))
        }
        _ => {
            let server = RedisServer::start()?;
            print_line("\nRedis: a private server");
            Some((server.url(), Some(server)))
        }
    }
}

fn speakers() -> [LivenessKey; 2] {
    [LivenessKey::Staff(StaffId::generate()), LivenessKey::Cabinet(CabinetId::generate())]
}

/// A fresh network name, so that tests do not share keys.
fn network() -> String {
    format!("test-{}", CabinetId::generate())
}

async fn connected(url: &str, network: &str) -> Redis {
    let redis = Redis::connect(url, network).expect("a URL");
    until("Redis is reached", async || !redis.listen(Topic::Letters).may_have_missed()).await;
    redis
}

/// The behaviour of two instances; in memory both are the same one.
async fn behaves(one: &dyn Coordination, other: &dyn Coordination) {
    let [a, b] = speakers();
    // Last heard: unknown, then the latest time that any instance reported.
    assert_eq!(one.last_heard(a).await, None);
    one.heard(a, at(10));
    assert_eq!(one.last_heard(a).await, Some(at(10)));
    until("the other knows", async || other.last_heard(a).await == Some(at(10))).await;
    other.heard(a, at(12));
    until("the later time counts", async || one.last_heard(a).await == Some(at(12))).await;
    assert_eq!(other.last_heard(b).await, None);
    // Of many at once, in their order.
    for any in [one, other] {
        assert_eq!(any.last_heard_of(&[b, a]).await, Some(vec![None, Some(at(12))]));
        assert_eq!(any.last_heard_of(&[]).await.unwrap_or_default(), []);
    }
    // Wake-ups reach listeners of every instance, and only of that topic.
    let mut near = one.listen(Topic::Reviews);
    let mut far = other.listen(Topic::Reviews);
    let mut elsewhere = other.listen(Topic::Letters);
    one.wake(Topic::Reviews);
    assert!(near.changed_within(Duration::ZERO).await, "a listener of the same process is woken at once");
    assert!(far.changed_within(TIMEOUT).await);
    assert!(!elsewhere.changed_within(Duration::ZERO).await);
    // A cabinet's generation changes although nobody listens.
    let cabinet = CabinetId::generate();
    let before = [one, other].map(|any| any.listen(Topic::Cabinet(cabinet)).seen());
    one.wake(Topic::Cabinet(cabinet));
    assert_ne!(one.listen(Topic::Cabinet(cabinet)).seen(), before[0]);
    until("the other's generation changes", async || {
        other.listen(Topic::Cabinet(cabinet)).seen() != before[1]
    })
    .await;
    // All instances share one counter.
    let minute = Duration::from_secs(60);
    assert_eq!(one.count("a", 0, minute, at(0)).await, 0);
    assert_eq!(one.count("a", 1, minute, at(0)).await, 1);
    assert_eq!(other.count("a", 1, minute, at(30)).await, 2);
    assert_eq!(one.count("a", 0, minute, at(59)).await, 2);
    assert_eq!(one.count("a", 1, minute, at(60)).await, 1, "a new window");
    assert_eq!(one.count("b", 0, minute, at(60)).await, 0);
    // Concurrent takes never exceed the limit; a returned one can be taken again.
    let rush = |now| async move {
        let takes = (0..64).map(|n| [one, other][n % 2].take("c", 10, minute, now));
        futures_util::future::join_all(takes).await.into_iter().flatten().collect::<Vec<u32>>()
    };
    let mut numbers = rush(at(0)).await;
    numbers.sort_unstable();
    assert_eq!(numbers.len(), 10, "{numbers:?}");
    assert_eq!(numbers.last(), Some(&10));
    assert_eq!(
        (one.take("c", 10, minute, at(1)).await, other.take("c", 10, minute, at(1)).await),
        (None, None)
    );
    one.give_back("c", at(2)).await;
    assert_eq!(one.take("c", 10, minute, at(2)).await, Some(10));
    assert_eq!(other.take("c", 10, minute, at(59)).await, None);
    assert_eq!(rush(at(60)).await.len(), 10, "a new window");
}

#[tokio::test]
async fn memory_passes_the_suite() {
    let memory = Memory::single_instance();
    behaves(&memory, &memory).await;
}

#[tokio::test]
async fn redis_passes_the_suite() {
    let Some((url, _server)) = url() else { return };
    let network = network();
    let (one, other) = (connected(&url, &network).await, connected(&url, &network).await);
    behaves(&one, &other).await;
    let [a, _] = speakers();
    one.heard(a, at(1));
    until("heard", async || other.last_heard(a).await.is_some()).await;
    let stranger = connected(&url, &self::network()).await;
    assert_eq!(stranger.last_heard(a).await, None, "heard by another network");
}

#[tokio::test]
async fn without_redis_an_instance_works_alone_and_reconnects() {
    let Some(mut server) = RedisServer::start() else { return };
    let network = network();
    let (one, other) = (connected(&server.url(), &network).await, connected(&server.url(), &network).await);
    let minute = Duration::from_secs(60);
    let [a, b] = speakers();
    one.heard(a, at(1));
    assert_eq!(one.count("a", 1, minute, at(0)).await, 1);
    until("heard", async || other.last_heard(a).await.is_some()).await;
    server.kill();
    let mut far = other.listen(Topic::Matching);
    let mut near = one.listen(Topic::Matching);
    until("the loss is noticed", async || far.may_have_missed() && near.may_have_missed()).await;
    // What this instance hears is known here; what the other one heard is unknown.
    one.heard(b, at(2));
    assert_eq!(one.last_heard(b).await, Some(at(2)));
    assert_eq!(other.last_heard(a).await, None);
    assert_eq!(one.last_heard_of(&[b]).await, None, "others may have heard them");
    one.wake(Topic::Matching);
    assert!(near.changed_within(Duration::ZERO).await);
    assert!(!far.changed_within(Duration::ZERO).await);
    // This process's own limiter continues from the last count.
    assert_eq!(one.count("a", 1, minute, at(1)).await, 2);
    server.revive().expect("started again");
    // Redis is empty now: every listener is woken once, and everything works as before.
    assert!(far.changed_within(TIMEOUT).await);
    until("both are back", async || !far.may_have_missed() && !near.may_have_missed()).await;
    until("heard again", async || other.last_heard(b).await == Some(at(2))).await;
    assert_eq!(one.count("a", 1, minute, at(2)).await, 3, "an emptied Redis resets no count");
    let mut far = other.listen(Topic::Letters);
    one.wake(Topic::Letters);
    assert!(far.changed_within(TIMEOUT).await);
}

#[tokio::test]
async fn others_may_have_missed_events_after_an_instance_fails_but_not_after_it_closes() {
    let Some(server) = RedisServer::start() else { return };
    let network = network();
    let remaining = connected(&server.url(), &network).await;
    let leaving = connected(&server.url(), &network).await;
    let listener = remaining.listen(Topic::Reviews);
    // When its wake-up arrives, its heartbeat has arrived too.
    let mut wake_ups = remaining.listen(Topic::Letters);
    leaving.wake(Topic::Letters);
    assert!(wake_ups.changed_within(TIMEOUT).await);
    leaving.close().await;
    drop(leaving);
    let failing = connected(&server.url(), &network).await;
    failing.wake(Topic::Letters);
    assert!(wake_ups.changed_within(TIMEOUT).await);
    assert!(!listener.may_have_missed());
    drop(failing);
    until("the silence is noticed", async || listener.may_have_missed()).await;
}

#[tokio::test]
async fn an_unreachable_redis_blocks_no_caller() {
    let redis = Redis::connect("redis+unix:///nowhere/redis.sock", "test").expect("a URL");
    let mut listener = redis.listen(Topic::Matching);
    assert!(listener.may_have_missed());
    redis.wake(Topic::Matching);
    assert!(listener.changed_within(Duration::ZERO).await);
    let [a, b] = speakers();
    redis.heard(a, at(1));
    assert_eq!(redis.last_heard(a).await, Some(at(1)));
    assert_eq!(redis.last_heard(b).await, None);
    assert_eq!(redis.count("a", 1, Duration::from_secs(60), at(0)).await, 1);
    let why = Redis::connect("http://:hunter2@db.example", "test").err().expect("refused");
    assert!(!why.contains("hunter2"), "{why}");
}
