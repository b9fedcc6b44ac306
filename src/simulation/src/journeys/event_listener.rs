//! The event stream of a station's screen about its worker's care. Events are only
//! hints: a waiting worker also polls slowly.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{
    client::{Api, As, Call, CallError},
    sessions::WorkerPass,
};

/// The poll interval when no event arrives.
const POLL_INTERVAL: Duration = Duration::from_millis(1_500);
/// How often a waiting worker touches the screen, which keeps the check-in alive:
/// half of the 90 seconds after which it would end.
const TOUCH_INTERVAL: Duration = Duration::from_secs(45);
/// The longest wait for a doctor, a pharmacist or a cabinet, each.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Number of events received, by kind.
type Received = HashMap<String, u32>;

/// An open event stream.
pub(crate) struct EventListener {
    received: watch::Receiver<Received>,
    stream_task: JoinHandle<()>,
    touch_task: JoinHandle<()>,
}

/// Why a wait failed.
pub(crate) enum WaitError {
    Call(CallError),
    Timeout,
}

impl EventListener {
    /// Opens the stream of this worker's events, from now on: not those of earlier visits.
    pub fn listen(api: Api, pass: Arc<WorkerPass>) -> Self {
        let (sender, received) = watch::channel(Received::new());
        let touch_task = tokio::spawn(touch(api.clone(), Arc::clone(&pass)));
        let stream_task = tokio::spawn(async move {
            let mut stream = Stream::default();
            loop {
                let resume = stream.position.map(|position| format!("?after={position}"));
                let path = format!("/api/v1/events{}", resume.unwrap_or_default());
                let opened = api.open(As::Worker(&pass), Call::get(path).once()).await;
                let Ok(answer) = opened else { return };
                let mut bytes = answer.bytes_stream();
                stream.buffer.clear();
                while let Some(Ok(chunk)) = bytes.next().await {
                    let kinds = stream.take(&chunk);
                    if !kinds.is_empty() {
                        sender.send_modify(|received| {
                            kinds.into_iter().for_each(|kind| *received.entry(kind).or_default() += 1);
                        });
                    }
                }
            }
        });
        Self { received, stream_task, touch_task }
    }

    /// How many events of these kinds were received.
    pub fn count(&self, kinds: &[&str]) -> u32 {
        let received = self.received.borrow();
        kinds.iter().filter_map(|kind| received.get(*kind)).sum()
    }

    /// Calls `look` when an event of `kinds` arrives, and at the poll interval. Returns
    /// what it found and how long that took.
    pub async fn wait<T>(
        &self,
        kinds: &[&str],
        mut look: impl AsyncFnMut() -> Result<Option<T>, CallError>,
    ) -> Result<(T, Duration), WaitError> {
        let mut received = self.received.clone();
        let began = Instant::now();
        let (mut seen, mut next_poll) = (0, began + POLL_INTERVAL);
        loop {
            received.borrow_and_update();
            let count = self.count(kinds);
            if count > seen || Instant::now() >= next_poll {
                (seen, next_poll) = (count, Instant::now() + POLL_INTERVAL);
                if let Some(found) = look().await.map_err(WaitError::Call)? {
                    return Ok((found, began.elapsed()));
                }
                continue;
            }
            if began.elapsed() > LONGEST_WAIT {
                return Err(WaitError::Timeout);
            }
            tokio::select! {
                // After the stream has ended, only the slow poll remains.
                Ok(()) = received.changed() => {}
                () = tokio::time::sleep_until(next_poll) => {}
            }
        }
    }
}

async fn touch(api: Api, pass: Arc<WorkerPass>) {
    loop {
        tokio::time::sleep(TOUCH_INTERVAL).await;
        let call = Call::post_plain("/api/v1/me/presence", &json!({})).once().may_refuse(&[401]);
        let touched: Result<Value, CallError> = api.call(As::Worker(&pass), call).await;
        if touched.is_err_and(|error| error.status() == 401) {
            return;
        }
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        self.stream_task.abort();
        self.touch_task.abort();
    }
}

/// Parser of server-sent events that arrive in chunks.
#[derive(Default)]
struct Stream {
    buffer: Vec<u8>,
    /// Of the last event.
    position: Option<i64>,
}

impl Stream {
    /// Adds a chunk and returns the kinds of the events that are complete now.
    fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        self.buffer.extend_from_slice(chunk);
        let mut kinds = Vec::new();
        let Some(end) = self.buffer.windows(2).rposition(|two| two == b"\n\n") else { return kinds };
        let whole: Vec<u8> = self.buffer.drain(..end + 2).collect();
        for line in whole.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
            if let Some(kind) = line.strip_prefix("event: ") {
                kinds.push(kind.to_owned());
            } else if let Some(position) = line.strip_prefix("id: ").and_then(|text| text.parse().ok()) {
                self.position = Some(position);
            }
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_returned_once_complete_and_pings_are_ignored() {
        let mut stream = Stream::default();
        assert!(stream.take(b": ping\n\nid: 7\nevent: consultation.off").is_empty());
        assert_eq!(stream.position, None, "the event is incomplete");
        let buffer = b"ered\ndata: {}\n\nid: 9\nevent: consultation.accepted\ndata: {}\n\n";
        assert_eq!(stream.take(buffer), ["consultation.offered", "consultation.accepted"]);
        assert_eq!(stream.position, Some(9));
    }
}
