//! Coordination inside one process: the embedded default.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{Coordination, Listener, Soon, Speaker, Topic};
use crypto::random;
use domain::time::Timestamp;

/// A map with fewer entries is never swept.
pub(super) const SWEEP_AT: usize = 100_000;
/// So many counters at most: whoever makes subjects up fills no memory. Our default.
const MOST_COUNTERS: usize = 500_000;
/// Nobody asks for an older word than this.
pub(super) const HEARD_FOR: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// Everything in maps of this process.
pub struct Memory {
    heard: Mutex<Swept<Speaker, Timestamp>>,
    topics: Mutex<Swept<Topic, watch::Sender<u64>>>,
    counters: Mutex<Swept<String, (u32, Timestamp)>>,
    origin: u32,
    alone: bool,
    /// Whether all hints of the network come in here now.
    whole: Arc<AtomicBool>,
}

/// A map out of which stale entries are dropped whenever it has doubled since
/// the last time. So a write costs the same however many entries must stay: a
/// country's cabinets do.
struct Swept<K, V> {
    entries: HashMap<K, V>,
    sweep_at: usize,
}

impl<K, V> Default for Swept<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), sweep_at: SWEEP_AT }
    }
}

impl<K: Hash + Eq, V> Swept<K, V> {
    /// Before an entry is added: drops those that do not stay, if it is time.
    fn make_room(&mut self, mut stays: impl FnMut(&K, &V) -> bool) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|key, value| stays(key, value));
            self.sweep_at = SWEEP_AT.max(self.entries.len() * 2);
        }
    }
}

impl Memory {
    /// For the only instance: what is not heard here was not said.
    pub fn alone() -> Self {
        Self::new(true)
    }

    /// For one of several instances: the others' hints do not come in.
    pub fn beside_others() -> Self {
        Self::new(false)
    }

    /// The counter that has not lapsed.
    fn counter(
        counters: &mut Swept<String, (u32, Timestamp)>,
        key: &str,
        window: Duration,
        now: Timestamp,
        change: impl FnOnce(u32) -> u32,
    ) {
        counters.make_room(|_, (_, until)| *until > now);
        if let Some((count, until)) = counters.entries.get_mut(key)
            && *until > now
        {
            *count = change(*count);
            return;
        }
        let count = change(0);
        if count == 0 {
            return;
        }
        if counters.entries.len() >= MOST_COUNTERS {
            // What has failed once or twice is forgotten before what fails often.
            counters.entries.retain(|_, (count, until)| *until > now && *count > 2);
            if counters.entries.len() >= MOST_COUNTERS {
                counters.entries.clear();
            }
        }
        counters.entries.insert(key.to_owned(), (count, now + window));
    }

    fn new(alone: bool) -> Self {
        Self {
            heard: Mutex::default(),
            topics: Mutex::default(),
            counters: Mutex::default(),
            origin: u32::from_be_bytes(random::bytes()),
            alone,
            whole: Arc::new(AtomicBool::new(alone)),
        }
    }

    /// The number of this process among the instances.
    pub(super) fn origin(&self) -> u32 {
        self.origin
    }

    /// Says whether all hints of the network come in here from now on.
    pub(super) fn set_whole(&self, whole: bool) {
        self.whole.store(whole, Ordering::Relaxed);
    }
}

/// A map stays usable after a panic elsewhere: every entry is whole by itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Coordination for Memory {
    fn heard(&self, who: Speaker, at: Timestamp) {
        let mut heard = lock(&self.heard);
        if let Some(last) = heard.entries.get_mut(&who) {
            *last = at;
            return;
        }
        heard.make_room(|_, last| at - *last < HEARD_FOR);
        heard.entries.insert(who, at);
    }

    fn last_heard(&self, who: Speaker) -> Soon<'_, Option<Timestamp>> {
        let at = lock(&self.heard).entries.get(&who).copied();
        Box::pin(std::future::ready(at))
    }

    fn wake(&self, topic: Topic) {
        let mut topics = lock(&self.topics);
        match topics.entries.get(&topic) {
            Some(sender) => sender.send_modify(|generation| *generation += 1),
            // By its generation it is known whether a cabinet has been told
            // everything, so it must move even unheard.
            None if matches!(topic, Topic::Cabinet(_)) => {
                topics.entries.insert(topic, watch::Sender::new(1));
            }
            None => {}
        }
    }

    fn wake_all(&self) {
        for sender in lock(&self.topics).entries.values() {
            sender.send_modify(|generation| *generation += 1);
        }
    }

    fn listen(&self, topic: Topic) -> Listener {
        let mut topics = lock(&self.topics);
        if !topics.entries.contains_key(&topic) {
            topics
                .make_room(|topic, sender| matches!(topic, Topic::Cabinet(_)) || sender.receiver_count() > 0);
        }
        Listener {
            generation: topics.entries.entry(topic).or_insert_with(|| watch::Sender::new(0)).subscribe(),
            whole: Arc::clone(&self.whole),
        }
    }

    fn count<'a>(&'a self, key: &'a str, by: u32, window: Duration, now: Timestamp) -> Soon<'a, u32> {
        let mut value = 0;
        Self::counter(&mut lock(&self.counters), key, window, now, |count| {
            value = count.saturating_add(by);
            value
        });
        Box::pin(std::future::ready(value))
    }

    fn take<'a>(
        &'a self,
        key: &'a str,
        most: u32,
        window: Duration,
        now: Timestamp,
    ) -> Soon<'a, Option<u32>> {
        let mut number = None;
        Self::counter(&mut lock(&self.counters), key, window, now, |count| {
            number = (count < most).then_some(count + 1);
            number.unwrap_or(count)
        });
        Box::pin(std::future::ready(number))
    }

    fn give_back<'a>(&'a self, key: &'a str, now: Timestamp) -> Soon<'a, ()> {
        if let Some((count, until)) = lock(&self.counters).entries.get_mut(key)
            && *until > now
        {
            *count = count.saturating_sub(1);
        }
        Box::pin(std::future::ready(()))
    }

    fn alone(&self) -> bool {
        self.alone
    }

    fn close(&self) -> Soon<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).expect("in range")
    }

    #[tokio::test]
    async fn a_counter_starts_anew_after_its_window() {
        let memory = Memory::alone();
        let minute = Duration::from_secs(60);
        assert_eq!(memory.count("a", 1, minute, at(0)).await, 1);
        assert_eq!(memory.count("a", 1, minute, at(59)).await, 2);
        assert_eq!(memory.count("a", 0, minute, at(59)).await, 2);
        assert_eq!(memory.count("a", 1, minute, at(60)).await, 1);
        assert_eq!(memory.count("b", 0, minute, at(60)).await, 0);
    }

    #[tokio::test]
    async fn counters_of_made_up_subjects_fill_no_memory() {
        let memory = Memory::alone();
        let minute = Duration::from_secs(60);
        for _ in 0..3 {
            memory.count("often", 1, minute, at(0)).await;
        }
        for number in 0..MOST_COUNTERS * 2 {
            memory.count(&number.to_string(), 1, minute, at(0)).await;
        }
        assert!(lock(&memory.counters).entries.len() <= MOST_COUNTERS);
        assert_eq!(memory.count("often", 0, minute, at(0)).await, 3);
    }

    #[tokio::test]
    async fn a_wake_up_reaches_a_listener_and_counts_for_a_cabinet_unheard() {
        let memory = Memory::alone();
        let cabinet = Topic::Cabinet(CabinetId::generate());
        memory.wake(cabinet);
        let mut listener = memory.listen(cabinet);
        assert_eq!(listener.generation(), 1);
        memory.wake(cabinet);
        assert!(listener.changed_within(Duration::from_secs(5)).await);
        assert_eq!(listener.generation(), 2);
        assert!(!listener.may_have_missed());
    }

    #[test]
    fn beside_others_silence_tells_nothing() {
        let memory = Memory::beside_others();
        assert!(memory.listen(Topic::Reviews).may_have_missed() && !memory.alone());
    }

    #[test]
    fn what_must_stay_is_not_looked_through_at_every_write() {
        let mut map = Swept::<usize, ()>::default();
        let mut looks = 0;
        for key in 0..SWEEP_AT * 4 {
            map.make_room(|_, ()| {
                looks += 1;
                true
            });
            map.entries.insert(key, ());
        }
        assert_eq!(looks, SWEEP_AT * 3, "once at 100,000 and once at 200,000");
        map.sweep_at = map.entries.len();
        map.make_room(|key, ()| *key == 7);
        assert_eq!(map.entries.len(), 1);
    }

    use domain::ids::CabinetId;
}
