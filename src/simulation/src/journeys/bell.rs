//! What a station's screen hears of its worker's care. It is a hint and no
//! more: whoever waits also looks slowly.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{
    client::{Api, As, Call, CallError},
    sessions::WorkerPass,
};

/// How often a worker looks when nothing wakes them.
const LOOK: Duration = Duration::from_millis(1_500);
/// How often somebody who waits touches the screen, so that it does not take
/// them for gone: half of the 90 seconds after which it would.
const TOUCH: Duration = Duration::from_secs(45);
/// The longest wait for a doctor, a pharmacist or a cabinet, each.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// How often each kind of event was heard.
type Heard = HashMap<String, u32>;

/// An open event stream.
pub struct Bell {
    heard: watch::Receiver<Heard>,
    listener: JoinHandle<()>,
    toucher: JoinHandle<()>,
}

/// Why a wait ended without what was waited for.
pub enum Waited {
    /// Looking failed.
    Call(CallError),
    /// It took too long.
    TooLong,
}

impl Bell {
    /// Listens to what concerns this worker, from the first event on.
    pub fn listen(api: Api, pass: Arc<WorkerPass>) -> Self {
        let (ring, heard) = watch::channel(Heard::new());
        let toucher = tokio::spawn(touch(api.clone(), Arc::clone(&pass)));
        let listener = tokio::spawn(async move {
            let mut stream = Stream::default();
            loop {
                let path = format!("/api/v1/events?after={}", stream.position);
                let opened = api.open(As::Worker(&pass), Call::get(path).once()).await;
                let Ok(answer) = opened else { return };
                let mut bytes = answer.bytes_stream();
                stream.rest.clear();
                while let Some(Ok(chunk)) = bytes.next().await {
                    let kinds = stream.take(&chunk);
                    if !kinds.is_empty() {
                        ring.send_modify(|heard| {
                            kinds.into_iter().for_each(|kind| *heard.entry(kind).or_default() += 1);
                        });
                    }
                }
            }
        });
        Self { heard, listener, toucher }
    }

    /// How many events of these kinds were heard.
    pub fn count(&self, kinds: &[&str]) -> u32 {
        let heard = self.heard.borrow();
        kinds.iter().filter_map(|kind| heard.get(*kind)).sum()
    }

    /// Looks when one of `kinds` is heard, and slowly without a word.
    pub async fn wait<T>(
        &self,
        kinds: &[&str],
        mut look: impl AsyncFnMut() -> Result<Option<T>, CallError>,
    ) -> Result<(T, Duration), Waited> {
        let mut heard = self.heard.clone();
        let began = Instant::now();
        let (mut seen, mut look_at) = (0, began + LOOK);
        loop {
            heard.borrow_and_update();
            let rung = self.count(kinds);
            if rung > seen || Instant::now() >= look_at {
                (seen, look_at) = (rung, Instant::now() + LOOK);
                if let Some(found) = look().await.map_err(Waited::Call)? {
                    return Ok((found, began.elapsed()));
                }
                continue;
            }
            if began.elapsed() > LONGEST_WAIT {
                return Err(Waited::TooLong);
            }
            tokio::select! {
                // An ended stream rings no more: the slow look is left.
                Ok(()) = heard.changed() => {}
                () = tokio::time::sleep_until(look_at) => {}
            }
        }
    }
}

async fn touch(api: Api, pass: Arc<WorkerPass>) {
    loop {
        tokio::time::sleep(TOUCH).await;
        let call = Call::post_plain("/api/v1/me/presence", &json!({})).once().may_refuse(&[401]);
        let touched: Result<Value, CallError> = api.call(As::Worker(&pass), call).await;
        if touched.is_err_and(|error| error.status() == 401) {
            return;
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.listener.abort();
        self.toucher.abort();
    }
}

/// Server-sent events, as they come in pieces.
#[derive(Default)]
struct Stream {
    rest: Vec<u8>,
    position: i64,
}

impl Stream {
    /// The kinds of the events that are whole now.
    fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(chunk);
        let mut kinds = Vec::new();
        let Some(end) = self.rest.windows(2).rposition(|two| two == b"\n\n") else { return kinds };
        let whole: Vec<u8> = self.rest.drain(..end + 2).collect();
        for line in whole.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()) {
            if let Some(kind) = line.strip_prefix("event: ") {
                kinds.push(kind.to_owned());
            } else if let Some(position) = line.strip_prefix("id: ").and_then(|text| text.parse().ok()) {
                self.position = position;
            }
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_heard_once_they_are_whole_and_pings_are_none() {
        let mut stream = Stream::default();
        assert!(stream.take(b": ping\n\nid: 7\nevent: consultation.off").is_empty());
        assert_eq!(stream.position, 0, "only half was heard");
        let rest = b"ered\ndata: {}\n\nid: 9\nevent: consultation.accepted\ndata: {}\n\n";
        assert_eq!(stream.take(rest), ["consultation.offered", "consultation.accepted"]);
        assert_eq!(stream.position, 9);
    }
}
