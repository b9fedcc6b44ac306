//! Checks a card's PIN. An unknown card is counted and locked like a known one, by the
//! same statements: neither the answer nor its timing reveals whether the card exists.
//!
//! Wrong PINs count against the card at the station where they are typed. Typing somebody
//! else's card number locks the card at that station only, and the owner can still check in
//! elsewhere; only after several times as many failures, from several stations, is the card
//! locked everywhere.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;

use crate::{
    Actor, Answer, AppState, Failure, Recipients, Tx,
    caller::StationCaller,
    rate_limit::{self, Taken},
};
use crypto::pin::PinSalt;
use domain::{
    event::network::StationEvent,
    ids::{StationId, WorkerId},
    refusal::{Code, Refusal},
    time::Timestamp,
};
use storage::{
    check_in::card_tries::{self as store, ANYWHERE, CardTryRow},
    network::worker::WorkerRow,
};

/// A card is locked at all stations after this many times the tries of one. Our default.
const STATIONS: i32 = 4;

/// The worker of the card with this keyed digest, if the PIN is right. Notes in `tried`
/// whether a PIN was wrong.
///
/// # Errors
/// `PinWrong` for an unknown card as for a wrong PIN; `PinLocked` after too many.
pub(crate) fn worker_at_screen(
    tx: &mut Tx<'_>,
    station: StationId,
    card_index: &[u8],
    pin: &str,
    tried: &ScreenTry,
) -> Result<WorkerRow, Failure> {
    // The transaction may be retried: the result of its last run counts.
    tried.was_wrong.store(false, Ordering::Relaxed);
    let mut was_checked = false;
    let found = check(tx, station, card_index, pin, &mut was_checked);
    tried.was_wrong.store(was_checked && matches!(found, Err(Failure::Refused(_))), Ordering::Relaxed);
    found
}

/// Checks the PIN of `worker`, who is checked in at `station`; failures count as at the
/// check-in.
///
/// # Errors
/// `PinWrong`; `PinLocked` after too many.
pub(crate) fn ensure_pin_of(
    tx: &mut Tx<'_>,
    station: StationId,
    worker: &WorkerRow,
    pin: &str,
) -> Result<(), Failure> {
    let Some(card_index) = &worker.card_index else { return Err(Code::PinWrong.into()) };
    check(tx, station, card_index, pin, &mut false).map(drop)
}

/// Clears the failures of the worker's card; called when a new PIN is set.
pub(crate) fn clear_tries(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    let card = storage::network::worker::worker_fetch(tx.conn, worker)?.and_then(|row| row.card_index);
    card.map_or(Ok(()), |card| Ok(store::card_tries_clear(tx.conn, &card)?))
}

/// The worker of the card, if the PIN is right. The worker's row is locked first, so of several
/// tries at once each sees the counts of those before it.
fn check(
    tx: &mut Tx<'_>,
    station: StationId,
    card_index: &[u8],
    pin: &str,
    was_checked: &mut bool,
) -> Result<WorkerRow, Failure> {
    let worker = storage::network::worker::worker_by_card_locked(tx.conn, card_index)?;
    let known = store::card_tries(tx.conn, card_index)?;
    Tries::of(tx, station, &known)?;
    *was_checked = true;
    let dummy_salt = PinSalt([0; 16]);
    let (salt, mac) = match worker.as_ref().map(|worker| (&worker.pin_salt, &worker.pin_mac)) {
        Some((Some(salt), Some(mac))) => {
            let salt = salt.as_slice().try_into();
            (PinSalt(salt.map_err(|error| Failure::caused("a PIN's salt", error))?), mac.clone())
        }
        // Do the same work with a MAC that no PIN matches.
        _ => (dummy_salt, Vec::new()),
    };
    let right = tx.app.keys.worker_pins.verify(&salt, pin, &mac);
    match worker.filter(|_| right) {
        Some(worker) => {
            if !known.is_empty() {
                store::card_tries_clear(tx.conn, card_index)?;
            }
            Ok(worker)
        }
        None => Err(wrong(tx, station, card_index)?),
    }
}

/// Counts a wrong PIN and returns the refusal. The count is committed although the check-in is
/// refused. Nobody's row is locked for an unknown card, so its counts are read again, locked.
fn wrong(tx: &mut Tx<'_>, station: StationId, card_index: &[u8]) -> Result<Failure, Failure> {
    let rows = store::card_tries_lock(tx.conn, card_index, tx.now)?;
    let tries = match Tries::of(tx, station, &rows) {
        Ok(tries) => tries,
        Err(locked) => return Ok(locked),
    };
    tx.commit_on_refusal();
    let pause = tx.app.policy.check_in.pin_pause_seconds;
    let mut refusal = Failure::from(Code::PinWrong);
    for (place, failures, max_tries) in tries.places {
        let failures = failures.saturating_add(1);
        let until = (failures >= max_tries).then(|| tx.now + TimeDelta::seconds(i64::from(pause)));
        if let Some(until) = until {
            refusal = pin_locked(until, tx.now);
        }
        store::card_try_set(tx.conn, card_index, &place, failures, until, tx.now)?;
    }
    Ok(refusal)
}

/// The wrong tries of a card: at this station and at all stations.
struct Tries {
    /// Each place, its failures, and how many lock the card there.
    places: [(String, i32, i32); 2],
}

impl Tries {
    /// # Errors
    /// `PinLocked` while the card is locked, here or anywhere.
    fn of(tx: &Tx<'_>, station: StationId, rows: &[CardTryRow]) -> Result<Self, Failure> {
        let policy = &tx.app.policy.check_in;
        let pause = TimeDelta::seconds(i64::from(policy.pin_pause_seconds));
        let max_tries = i32::try_from(policy.pin_tries).unwrap_or(i32::MAX);
        let here = station.to_string();
        let row = |place: &str| rows.iter().find(|row| row.place == place);
        let locked =
            [row(&here), row(ANYWHERE)].into_iter().flatten().filter_map(|row| row.locked_until).max();
        if let Some(until) = locked.filter(|until| *until > tx.now) {
            return Err(pin_locked(until, tx.now));
        }
        let failures = |row: Option<&CardTryRow>| {
            row.filter(|row| row.locked_until.is_none() && row.tried_at > tx.now - pause)
                .map_or(0, |row| row.failures)
        };
        let (at_station, in_total) = (failures(row(&here)), failures(row(ANYWHERE)));
        let places = [
            (here, at_station, max_tries),
            (ANYWHERE.to_owned(), in_total, max_tries.saturating_mul(STATIONS)),
        ];
        Ok(Self { places })
    }
}

fn pin_locked(until: Timestamp, now: Timestamp) -> Failure {
    let seconds = u32::try_from((until - now).num_seconds()).unwrap_or(u32::MAX).max(1);
    Refusal::new(Code::PinLocked).retry_after(seconds).into()
}

/// A try reserved from the rate limit of one screen, before a card and PIN are checked.
#[derive(Debug)]
pub struct ScreenTry {
    taken: Taken,
    /// Whether a PIN was checked and was wrong. The refusal alone does not show it: the
    /// last wrong PIN of a card is refused as "locked", as is every later one, which is
    /// not checked at all.
    was_wrong: AtomicBool,
}

/// Takes a try of this screen before a card and PIN are checked: trying many cards at
/// one screen is slowed down, whichever cards they are.
///
/// # Errors
/// `TooManyRequests` when the screen has used up its wrong tries for now.
pub async fn screen_try(app: &AppState, caller: StationCaller) -> Result<ScreenTry, Failure> {
    let policy = &app.policy.check_in;
    let limit = rate_limit::screen_pins(policy.screen_tries, policy.screen_pause_seconds);
    let taken = limit.reserve(app, &[&caller.device.to_string()]).await?;
    Ok(ScreenTry { taken, was_wrong: AtomicBool::new(false) })
}

/// Settles the try: only a wrong PIN counts. Operators are notified of a screen that has
/// used up its tries.
///
/// # Errors
/// Faults of the storage.
pub async fn screen_tried(
    app: &Arc<AppState>,
    caller: StationCaller,
    tried: &ScreenTry,
    outcome: &Result<Answer, Failure>,
) -> Result<(), Failure> {
    let wrong = outcome.is_ok() && tried.was_wrong.load(Ordering::Relaxed);
    if !wrong {
        tried.taken.give_back(app).await;
        return Ok(());
    }
    if !tried.taken.keep(app) {
        return Ok(());
    }
    app.write(Actor::System, move |tx| {
        let event = StationEvent::PinsTriedOften { device: caller.device };
        tx.record(caller.station, event, Recipients::nobody())
    })
    .await
}
