//! Refreshes the metrics that are read from the database: at most once a second, however often they
//! are scraped.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::sync::Mutex;

use super::{AppState, Failure};
use base::telemetry::Chain;
use domain::{time::Timestamp, triage::TriageLevel};
use storage::{Conn, operations as store};

/// The metrics are read again after this.
const FRESH: TimeDelta = TimeDelta::seconds(1);
/// A scrape does not wait longer for the database; after this it returns the old values.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// When the metrics were last read.
#[derive(Debug, Default)]
pub(crate) struct MetricsCache(Mutex<Option<Timestamp>>);

struct Reading {
    queue: Vec<store::QueuePart>,
    duty: Vec<store::DutyPart>,
    active: i64,
    doubted: store::CountAndOldest,
    units: i64,
    letters: store::CountAndOldest,
    letters_dead: i64,
    unsealed: store::CountAndOldest,
}

fn read(conn: &mut Conn, now: Timestamp) -> Result<Reading, Failure> {
    Ok(Reading {
        queue: store::queue_parts(conn)?,
        duty: store::duty_parts(conn, now)?,
        active: store::consultations_active(conn)?,
        doubted: store::attempts_doubted(conn)?,
        units: store::units_live(conn)?,
        letters: store::letters_waiting(conn)?,
        letters_dead: store::letters_dead(conn)?,
        unsealed: store::events_unsealed(conn)?,
    })
}

/// All metrics of this process, as text for Prometheus.
pub async fn exposition(app: &Arc<AppState>) -> String {
    let mut read_at = app.metrics_cache.0.lock().await;
    let now = app.now();
    if !read_at.is_some_and(|read_at| (read_at..read_at + FRESH).contains(&now)) {
        let reading = app.store.read_snapshot(move |conn| read(conn, now));
        let found = tokio::time::timeout(READ_TIMEOUT, reading).await;
        app.metrics.shared.fresh.set(i64::from(matches!(found, Ok(Ok(_)))));
        match found {
            Ok(Ok(reading)) => take(app, &reading, now),
            Ok(Err(failure)) => tracing::warn!(error = %Chain(&failure), "the figures could not be read"),
            Err(_) => tracing::warn!("the figures could not be read in time"),
        }
        *read_at = Some(now);
    }
    drop(read_at);
    app.store.refresh_metrics();
    app.metrics.render()
}

fn age(now: Timestamp, since: Option<Timestamp>) -> i64 {
    since.map_or(0, |since| (now - since).num_seconds().max(0))
}

fn take(app: &AppState, reading: &Reading, now: Timestamp) {
    let shared = &app.metrics.shared;
    for department in app.departments().iter() {
        let name = department.code.as_str();
        for level in TriageLevel::ALL {
            let part =
                reading.queue.iter().find(|part| part.department == name && part.triage == level.as_str());
            let labels = [name, level.as_str()];
            shared.waiting.with_label_values(&labels).set(part.map_or(0, |part| part.waiting));
            #[expect(clippy::cast_precision_loss, reason = "seconds of a wait are far below 2^52")]
            let oldest = age(now, part.and_then(|part| part.oldest)) as f64;
            shared.oldest_wait.with_label_values(&labels).set(oldest);
        }
        let duty = reading.duty.iter().find(|part| part.department == name);
        shared.doctors_available.with_label_values(&[name]).set(duty.map_or(0, |part| part.doctors));
    }
    shared.active.set(reading.active);
    shared.in_doubt.set(reading.doubted.0);
    shared.oldest_doubt.set(age(now, reading.doubted.1));
    shared.units_live.set(reading.units);
    shared.letters.set(reading.letters.0);
    shared.oldest_letter.set(age(now, reading.letters.1));
    shared.letters_dead.set(reading.letters_dead);
    shared.unsealed.set(reading.unsealed.0);
    shared.oldest_unsealed.set(age(now, reading.unsealed.1));
}
