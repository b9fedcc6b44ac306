//! One suite of behaviours for both implementations of `Coordination`, and
//! what Redis adds: several instances, and its own absence.

use std::time::Duration;

use crate::{engines::tell, redis::RedisServer};
use coordination::{Coordination, Memory, Redis, Speaker, Topic};
use domain::{
    ids::{CabinetId, StaffId},
    time::Timestamp,
};

const SOON: Duration = Duration::from_secs(20);

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_790_000_000 + second, 0).expect("in range")
}

/// Waits until it is so: Redis answers when it answers.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// A server for the suite: the named one, or a private one.
fn url() -> Option<(String, Option<RedisServer>)> {
    match std::env::var("TEST_REDIS_URL") {
        Ok(url) if !url.is_empty() => {
            tell("\nRedis: the server of TEST_REDIS_URL");
            Some((url, None))
        }
        _ => {
            let server = RedisServer::start()?;
            tell("\nRedis: a private server");
            Some((server.url(), Some(server)))
        }
    }
}

fn somebody() -> [Speaker; 2] {
    [Speaker::Staff(StaffId::generate()), Speaker::Cabinet(CabinetId::generate())]
}

/// Nobody else's keys.
fn network() -> String {
    format!("test-{}", CabinetId::generate())
}

async fn connected(url: &str, network: &str) -> Redis {
    let redis = Redis::connect(url, network).expect("a URL");
    until("Redis is reached", async || !redis.listen(Topic::Letters).may_have_missed()).await;
    redis
}

/// What holds for two instances; with memory alone they are one.
async fn behaves(one: &dyn Coordination, other: &dyn Coordination) {
    let [a, b] = somebody();
    // Last heard: unknown, then the latest word of any instance.
    assert_eq!(one.last_heard(a).await, None);
    one.heard(a, at(10));
    assert_eq!(one.last_heard(a).await, Some(at(10)));
    until("the other knows", async || other.last_heard(a).await == Some(at(10))).await;
    other.heard(a, at(12));
    until("the later word counts", async || one.last_heard(a).await == Some(at(12))).await;
    assert_eq!(other.last_heard(b).await, None);
    // Wake-ups reach listeners of every instance, and only of that topic.
    let mut near = one.listen(Topic::Reviews);
    let mut far = other.listen(Topic::Reviews);
    let mut elsewhere = other.listen(Topic::Letters);
    one.wake(Topic::Reviews);
    assert!(near.changed_within(Duration::ZERO).await, "the own process hears at once");
    assert!(far.changed_within(SOON).await);
    assert!(!elsewhere.changed_within(Duration::ZERO).await);
    // A cabinet's generation moves, although nobody listens.
    let cabinet = CabinetId::generate();
    let before = [one, other].map(|any| any.listen(Topic::Cabinet(cabinet)).generation());
    one.wake(Topic::Cabinet(cabinet));
    assert_ne!(one.listen(Topic::Cabinet(cabinet)).generation(), before[0]);
    until("the other's moves", async || other.listen(Topic::Cabinet(cabinet)).generation() != before[1])
        .await;
    // Counters are one count.
    let minute = Duration::from_secs(60);
    assert_eq!(one.count("a", 0, minute, at(0)).await, 0);
    assert_eq!(one.count("a", 1, minute, at(0)).await, 1);
    assert_eq!(other.count("a", 1, minute, at(30)).await, 2);
    assert_eq!(one.count("a", 0, minute, at(59)).await, 2);
    assert_eq!(one.count("a", 1, minute, at(60)).await, 1, "a new window");
    assert_eq!(one.count("b", 0, minute, at(60)).await, 0);
    // Of many at once no more get one than there are; what was right is given back.
    let rush = |now| async move {
        let asks = (0..64).map(|n| [one, other][n % 2].take("c", 10, minute, now));
        futures_util::future::join_all(asks).await.into_iter().flatten().collect::<Vec<u32>>()
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
async fn memory_behaves() {
    let memory = Memory::alone();
    behaves(&memory, &memory).await;
}

#[tokio::test]
async fn redis_behaves() {
    let Some((url, _server)) = url() else { return };
    let network = network();
    let (one, other) = (connected(&url, &network).await, connected(&url, &network).await);
    behaves(&one, &other).await;
    let [a, _] = somebody();
    one.heard(a, at(1));
    until("heard", async || other.last_heard(a).await.is_some()).await;
    let stranger = connected(&url, &self::network()).await;
    assert_eq!(stranger.last_heard(a).await, None, "another network's word");
}

#[tokio::test]
async fn without_redis_an_instance_goes_on_alone_and_finds_back() {
    let Some(mut server) = RedisServer::start() else { return };
    let network = network();
    let (one, other) = (connected(&server.url(), &network).await, connected(&server.url(), &network).await);
    let minute = Duration::from_secs(60);
    let [a, b] = somebody();
    one.heard(a, at(1));
    assert_eq!(one.count("a", 1, minute, at(0)).await, 1);
    until("heard", async || other.last_heard(a).await.is_some()).await;
    server.kill();
    let mut far = other.listen(Topic::Matching);
    let mut near = one.listen(Topic::Matching);
    until("the loss is noticed", async || far.may_have_missed() && near.may_have_missed()).await;
    // What is said here is still heard here; what was said there is unknown.
    one.heard(b, at(2));
    assert_eq!(one.last_heard(b).await, Some(at(2)));
    assert_eq!(other.last_heard(a).await, None);
    one.wake(Topic::Matching);
    assert!(near.changed_within(Duration::ZERO).await);
    assert!(!far.changed_within(Duration::ZERO).await);
    // The limiter of this process takes over where it stood.
    assert_eq!(one.count("a", 1, minute, at(1)).await, 2);
    server.revive().expect("started again");
    // Empty as it is: everybody is woken once, and all is as before.
    assert!(far.changed_within(SOON).await);
    until("both are back", async || !far.may_have_missed() && !near.may_have_missed()).await;
    until("heard again", async || other.last_heard(b).await == Some(at(2))).await;
    assert_eq!(one.count("a", 1, minute, at(2)).await, 3, "an emptied Redis forgives nothing");
    let mut far = other.listen(Topic::Letters);
    one.wake(Topic::Letters);
    assert!(far.changed_within(SOON).await);
}

#[tokio::test]
async fn an_instance_that_falls_silent_makes_the_others_doubt_and_one_that_leaves_does_not() {
    let Some(server) = RedisServer::start() else { return };
    let network = network();
    let stays = connected(&server.url(), &network).await;
    let leaves = connected(&server.url(), &network).await;
    let listener = stays.listen(Topic::Reviews);
    // Its beat was heard when its hint is.
    let mut heard = stays.listen(Topic::Letters);
    leaves.wake(Topic::Letters);
    assert!(heard.changed_within(SOON).await);
    leaves.close().await;
    drop(leaves);
    let falls = connected(&server.url(), &network).await;
    falls.wake(Topic::Letters);
    assert!(heard.changed_within(SOON).await);
    assert!(!listener.may_have_missed());
    drop(falls);
    until("the silence is noticed", async || listener.may_have_missed()).await;
}

#[tokio::test]
async fn a_redis_that_never_answers_stops_nobody() {
    let redis = Redis::connect("redis+unix:///nowhere/redis.sock", "test").expect("a URL");
    let mut listener = redis.listen(Topic::Matching);
    assert!(listener.may_have_missed());
    redis.wake(Topic::Matching);
    assert!(listener.changed_within(Duration::ZERO).await);
    let [a, b] = somebody();
    redis.heard(a, at(1));
    assert_eq!(redis.last_heard(a).await, Some(at(1)));
    assert_eq!(redis.last_heard(b).await, None);
    assert_eq!(redis.count("a", 1, Duration::from_secs(60), at(0)).await, 1);
    let why = Redis::connect("http://:hunter2@db.example", "test").err().expect("refused");
    assert!(!why.contains("hunter2"), "{why}");
}
