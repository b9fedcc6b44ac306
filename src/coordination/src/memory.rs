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

use super::{BoxFuture, Coordination, Listener, LivenessKey, Topic};
use crypto::random;
use domain::time::Timestamp;

/// A map with fewer entries is never swept.
pub(super) const SWEEP_AT: usize = 100_000;
/// Maximum number of counters, so that made-up subjects cannot fill the memory. Our default.
const MOST_COUNTERS: usize = 500_000;
/// No caller asks for older last-heard times than this.
pub(super) const HEARD_FOR: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// All state in maps of this process.
pub struct Memory {
    heard: Mutex<Swept<LivenessKey, Timestamp>>,
    topics: Mutex<Swept<Topic, watch::Sender<u64>>>,
    counters: Mutex<Swept<String, (u32, Timestamp)>>,
    origin: u32,
    alone: bool,
    /// Whether this process receives all wake-ups of the network now.
    complete: Arc<AtomicBool>,
}

/// A map that drops stale entries whenever its size has doubled since the last
/// sweep. So the amortised cost of a write does not depend on how many entries
/// must stay, such as those of a country's cabinets.
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
    /// Call before adding an entry: drops those for which `stays` is false, if a
    /// sweep is due.
    fn sweep_if_due(&mut self, mut stays: impl FnMut(&K, &V) -> bool) {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|key, value| stays(key, value));
            self.sweep_at = SWEEP_AT.max(self.entries.len() * 2);
        }
    }
}

impl Memory {
    /// For the only instance: no wake-up can come from elsewhere.
    pub fn single_instance() -> Self {
        Self::new(true)
    }

    /// For one of several instances: the others' wake-ups are not received.
    pub fn one_of_several() -> Self {
        Self::new(false)
    }

    /// Applies `change` to the counter, or to 0 if it does not exist or has expired.
    fn counter(
        counters: &mut Swept<String, (u32, Timestamp)>,
        key: &str,
        window: Duration,
        now: Timestamp,
        change: impl FnOnce(u32) -> u32,
    ) {
        counters.sweep_if_due(|_, (_, until)| *until > now);
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
            // Drop the low counters (one or two) first: frequent offenders stay limited.
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
            complete: Arc::new(AtomicBool::new(alone)),
        }
    }

    /// When this process last heard each of `who`.
    pub(super) fn heard_here(&self, who: &[LivenessKey]) -> Vec<Option<Timestamp>> {
        let heard = lock(&self.heard);
        who.iter().map(|one| heard.entries.get(one).copied()).collect()
    }

    /// A random number that identifies this process among the instances.
    pub(super) fn origin(&self) -> u32 {
        self.origin
    }

    /// Sets whether this process receives all wake-ups of the network.
    pub(super) fn set_complete(&self, complete: bool) {
        self.complete.store(complete, Ordering::Relaxed);
    }
}

/// A map stays usable after a panic elsewhere: every entry is consistent by itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Coordination for Memory {
    fn heard(&self, who: LivenessKey, at: Timestamp) {
        let mut heard = lock(&self.heard);
        if let Some(last) = heard.entries.get_mut(&who) {
            *last = at;
            return;
        }
        heard.sweep_if_due(|_, last| at - *last < HEARD_FOR);
        heard.entries.insert(who, at);
    }

    fn last_heard(&self, who: LivenessKey) -> BoxFuture<'_, Option<Timestamp>> {
        let at = lock(&self.heard).entries.get(&who).copied();
        Box::pin(std::future::ready(at))
    }

    fn last_heard_of<'a>(&'a self, who: &'a [LivenessKey]) -> BoxFuture<'a, Option<Vec<Option<Timestamp>>>> {
        // One of several instances does not know what the others hear.
        let known = self.alone.then(|| self.heard_here(who));
        Box::pin(std::future::ready(known))
    }

    fn wake(&self, topic: Topic) {
        let mut topics = lock(&self.topics);
        match topics.entries.get(&topic) {
            Some(sender) => sender.send_modify(|generation| *generation += 1),
            // The generation shows whether a cabinet has received everything, so
            // it must advance even without a listener.
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
            topics.sweep_if_due(|topic, sender| {
                matches!(topic, Topic::Cabinet(_)) || sender.receiver_count() > 0
            });
        }
        Listener {
            generation: topics.entries.entry(topic).or_insert_with(|| watch::Sender::new(0)).subscribe(),
            complete: Arc::clone(&self.complete),
        }
    }

    fn count<'a>(&'a self, key: &'a str, by: u32, window: Duration, now: Timestamp) -> BoxFuture<'a, u32> {
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
    ) -> BoxFuture<'a, Option<u32>> {
        let mut number = None;
        Self::counter(&mut lock(&self.counters), key, window, now, |count| {
            number = (count < most).then_some(count + 1);
            number.unwrap_or(count)
        });
        Box::pin(std::future::ready(number))
    }

    fn give_back<'a>(&'a self, key: &'a str, now: Timestamp) -> BoxFuture<'a, ()> {
        if let Some((count, until)) = lock(&self.counters).entries.get_mut(key)
            && *until > now
        {
            *count = count.saturating_sub(1);
        }
        Box::pin(std::future::ready(()))
    }

    fn is_single_instance(&self) -> bool {
        self.alone
    }

    fn close(&self) -> BoxFuture<'_, ()> {
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
        let memory = Memory::single_instance();
        let minute = Duration::from_secs(60);
        assert_eq!(memory.count("a", 1, minute, at(0)).await, 1);
        assert_eq!(memory.count("a", 1, minute, at(59)).await, 2);
        assert_eq!(memory.count("a", 0, minute, at(59)).await, 2);
        assert_eq!(memory.count("a", 1, minute, at(60)).await, 1);
        assert_eq!(memory.count("b", 0, minute, at(60)).await, 0);
    }

    #[tokio::test]
    async fn counters_of_made_up_subjects_do_not_fill_the_memory() {
        let memory = Memory::single_instance();
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
    async fn a_wake_up_reaches_a_listener_and_counts_for_a_cabinet_without_one() {
        let memory = Memory::single_instance();
        let cabinet = Topic::Cabinet(CabinetId::generate());
        memory.wake(cabinet);
        let mut listener = memory.listen(cabinet);
        assert_eq!(listener.seen(), 1);
        memory.wake(cabinet);
        assert!(listener.changed_within(Duration::from_secs(5)).await);
        memory.wake(cabinet);
        assert_eq!(listener.seen(), 3);
        assert!(!listener.changed_within(Duration::ZERO).await, "what was seen wakes nobody again");
        assert!(!listener.may_have_missed());
    }

    #[test]
    fn with_other_instances_no_wake_up_proves_nothing() {
        let memory = Memory::one_of_several();
        assert!(memory.listen(Topic::Reviews).may_have_missed() && !memory.is_single_instance());
    }

    #[test]
    fn entries_that_stay_are_not_swept_at_every_write() {
        let mut map = Swept::<usize, ()>::default();
        let mut visits = 0;
        for key in 0..SWEEP_AT * 4 {
            map.sweep_if_due(|_, ()| {
                visits += 1;
                true
            });
            map.entries.insert(key, ());
        }
        assert_eq!(visits, SWEEP_AT * 3, "once at 100,000 and once at 200,000");
        map.sweep_at = map.entries.len();
        map.sweep_if_due(|key, ()| *key == 7);
        assert_eq!(map.entries.len(), 1);
    }

    use domain::ids::CabinetId;
}
