//! Whether a card's PIN is right. A card that nobody has is counted and locked
//! like one that somebody has, by the same statements: the answer tells neither
//! in words nor in time whether there is such a card.
//!
//! Wrong PINs count against the card at the station where they are typed. Who
//! types somebody else's number locks it there, and the owner's right PIN still
//! opens everywhere else; only after many times as many, from several stations,
//! is the card locked anywhere.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    Actor, Answer, AppState, Failure, Hearers, Tx,
    caller::StationCaller,
    limits::{self, Taken},
};
use coordination::Topic;
use crypto::pin::PinSalt;
use domain::{
    ids::{StationId, WorkerId},
    refusal::{Code, Refusal},
    time::Timestamp,
};
use storage::{
    check_in::card_tries::{self as store, ANYWHERE, CardTryRow},
    network::worker::WorkerRow,
};

/// So many times the tries of one station lock a card at all of them. Our default.
const STATIONS: i32 = 4;

/// The worker of a card, by its keyed digest, if the PIN is theirs; typed at a
/// screen that has `tried`.
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
    // The database may run a verb again: its last run says what became of the try.
    tried.was_wrong.store(false, Ordering::Relaxed);
    let tries = Tries::hold(tx, station, card_index)?;
    let found = tries.look(tx, pin);
    tried.was_wrong.store(matches!(found, Err(Failure::Refused(_))), Ordering::Relaxed);
    found
}

/// Whether `pin` is that of `worker`, who is checked in at `station`; counted as
/// at the check-in.
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
    Tries::hold(tx, station, card_index)?.look(tx, pin).map(drop)
}

/// A new PIN begins without the wrong ones of the old.
pub(crate) fn forget_tries(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    let card = storage::network::worker::worker_fetch(tx.conn, worker)?.and_then(|row| row.card_index);
    card.map_or(Ok(()), |card| Ok(store::card_tries_clear(tx.conn, &card)?))
}

/// What is counted for the card here and anywhere; held.
struct Tries<'c> {
    card_index: &'c [u8],
    places: [(String, i32, i32); 2],
}

impl<'c> Tries<'c> {
    /// # Errors
    /// `PinLocked` while the card is locked, here or anywhere.
    fn hold(tx: &mut Tx<'_>, station: StationId, card_index: &'c [u8]) -> Result<Self, Failure> {
        let rows = store::card_tries_hold(tx.conn, card_index, tx.now)?;
        let policy = &tx.app.policy.check_in;
        let pause = TimeDelta::seconds(i64::from(policy.pin_pause_seconds));
        let most = i32::try_from(policy.pin_tries).unwrap_or(i32::MAX);
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
        let (near, far) = (failures(row(&here)), failures(row(ANYWHERE)));
        let places = [(here, near, most), (ANYWHERE.to_owned(), far, most.saturating_mul(STATIONS))];
        Ok(Self { card_index, places })
    }

    /// The worker of the card, if the PIN is theirs.
    fn look(self, tx: &mut Tx<'_>, pin: &str) -> Result<WorkerRow, Failure> {
        let worker = storage::network::worker::worker_by_card_held(tx.conn, self.card_index)?;
        let nobody = PinSalt([0; 16]);
        let (salt, mac) = match worker.as_ref().map(|worker| (&worker.pin_salt, &worker.pin_mac)) {
            Some((Some(salt), Some(mac))) => {
                let salt = salt.as_slice().try_into();
                (PinSalt(salt.map_err(|_| Failure::Fault("a PIN's salt".to_owned()))?), mac.clone())
            }
            // The same work, which nothing can pass.
            _ => (nobody, Vec::new()),
        };
        let right = tx.app.keys.worker_pins.verify(&salt, pin, &mac);
        match worker.filter(|_| right) {
            Some(worker) => {
                store::card_tries_clear(tx.conn, self.card_index)?;
                Ok(worker)
            }
            None => Err(self.wrong(tx)?),
        }
    }

    /// Counts a wrong PIN, and says so. The count stands although the check-in
    /// is refused.
    fn wrong(self, tx: &mut Tx<'_>) -> Result<Failure, Failure> {
        tx.keep_on_refusal();
        let pause = tx.app.policy.check_in.pin_pause_seconds;
        let mut told = Failure::from(Code::PinWrong);
        for (place, failures, most) in self.places {
            let failures = failures.saturating_add(1);
            let until = (failures >= most).then(|| tx.now + TimeDelta::seconds(i64::from(pause)));
            if let Some(until) = until {
                told = pin_locked(until, tx.now);
            }
            store::card_try_set(tx.conn, self.card_index, &place, failures, until, tx.now)?;
        }
        Ok(told)
    }
}

fn pin_locked(until: Timestamp, now: Timestamp) -> Failure {
    let seconds = u32::try_from((until - now).num_seconds()).unwrap_or(u32::MAX).max(1);
    Refusal::new(Code::PinLocked).retry_after(seconds).into()
}

/// A try of one screen, taken before a card and PIN are looked at.
#[derive(Debug)]
pub struct ScreenTry {
    taken: Taken,
    /// Whether a PIN was looked at and was wrong. The refusal alone does not say
    /// so: the last wrong one of a card is told "locked", as is every one after
    /// it that nobody looks at.
    was_wrong: AtomicBool,
}

/// Takes a try of this screen before a card and PIN are looked at: whoever goes
/// through cards at one screen is slowed down, whatever the cards.
///
/// # Errors
/// `TooManyRequests` when the screen has had all of its wrong ones for now.
pub async fn screen_try(app: &AppState, caller: StationCaller) -> Result<ScreenTry, Failure> {
    let policy = &app.policy.check_in;
    let limit = limits::screen_pins(policy.screen_tries, policy.screen_pause_seconds);
    let taken = limit.reserve(app, &[&caller.device.to_string()]).await?;
    Ok(ScreenTry { taken, was_wrong: AtomicBool::new(false) })
}

/// What became of the try: only a wrong PIN counts. Operators hear of a screen
/// that has had the last of them.
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
        let payload = json!({"device": caller.device});
        let kind = "station.pins_tried_often";
        tx.record("station", caller.station, kind, payload, Hearers::nobody())?;
        tx.wake(Topic::Operators);
        Ok(())
    })
    .await
}
