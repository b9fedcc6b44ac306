//! A worker becomes known to one station screen for a short time.

pub mod card_pin;
pub mod phone_code;
pub mod walk_in;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Actor, AppState, Failure, Recipients, Tx, caller::StationCaller, consultation};
use crate::{
    jobs::rounds::{self, Job},
    machine::{Machine, commit},
};
use card_pin::ScreenTry;
use crypto::{
    blind::BlindField,
    tokens::{Claims, Role},
};
use domain::{
    check_in::{CheckIn, CheckInEvent, Command, EndReason},
    ids::{CheckInId, ConsultationId, StationId, WorkerId},
    network::Identified,
    refusal::{Code, Refusal},
    spelling,
    time::Timestamp,
    words::Language,
};
use storage::{
    Conn,
    check_in::{self as store, CheckInRow},
    network::worker::WorkerRow,
};

/// Consent to keep and use health data for care. Without it nothing is measured.
/// Source: the project's clinical rules, prescribing table, "consent".
pub(crate) const CARE_CONSENT: &str = "health_care";

/// Lifetime of an access token, in seconds.
pub(crate) const TOKEN_SECONDS: i64 = 300;

/// A card and its PIN.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckInInput {
    /// The 12 digits on the card.
    #[schema(value_type = spelling::CardNumber)]
    pub card_number: String,
    /// Six digits.
    #[schema(value_type = spelling::WorkerPin)]
    pub pin: String,
}

/// A check-in, as its screen sees it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckInView {
    /// Which check-in.
    pub id: CheckInId,
    pub worker_id: WorkerId,
    /// At which station.
    pub station_id: StationId,
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended: `left`, `idle`, `new_check_in`, `access_changed`, `screen_revoked`, `screen_replaced`.
    pub end_reason: Option<String>,
    /// After how many seconds without activity it ends by itself.
    pub idle_seconds: u32,
    /// When that is, unless the worker does something first; reading does not count.
    /// It is put off while a doctor has the consultation, while an emergency waits and
    /// while a pack is being vended. None once the check-in has ended.
    pub idle_at: Option<DateTime<Utc>>,
}

/// A fresh check-in with the token that acts for it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckInOpened {
    /// The check-in.
    pub check_in: CheckInView,
    /// How to greet the worker: the family name only, others may be looking.
    pub greeting: String,
    /// Language of the screen.
    pub language: Language,
    /// Purposes that the worker consents to.
    pub consents: Vec<String>,
    /// How sure the network is of who they are.
    pub identified_by: Identified,
    /// The worker's access token.
    pub access_token: String,
    /// Its lifetime in seconds; the same screen can renew it.
    pub expires_in: i64,
}

/// A fresh token for a live check-in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerToken {
    /// The worker's access token.
    pub access_token: String,
    /// Its lifetime in seconds.
    pub expires_in: i64,
}

/// Checks a worker in by card and PIN; ends the check-in open at this screen and this
/// worker's check-ins anywhere else.
///
/// # Errors
/// `PinWrong` for an unknown card as for a wrong PIN; `PinLocked` after too many;
/// `CardStopped` for one that was lost or replaced.
pub fn open(
    tx: &mut Tx<'_>,
    caller: StationCaller,
    input: &CheckInInput,
    tried: &ScreenTry,
) -> Result<CheckInOpened, Failure> {
    let index = tx.app.keys.blind.of(BlindField::CardNumber, &input.card_number);
    let worker = card_pin::worker_at_screen(tx, caller.station, &index, &input.pin, tried)?;
    // Only somebody who knows the PIN learns this: to anybody else the card looks unknown.
    // The card of a record that was merged into another was replaced by that record's card.
    if worker.card_stopped_at.is_some() || worker.merged_into.is_some() {
        return Err(Code::CardStopped.into());
    }
    start(tx, caller, &worker, worker.id, Identified::Card)
}

/// Ends the caller's check-in. Ending one that has ended is no error.
pub fn leave(tx: &mut Tx<'_>, station: StationId, id: CheckInId) -> Result<CheckInView, Failure> {
    let row = store::check_in_lock(tx.conn, id)?.filter(|row| row.station_id == station);
    let (row, _) = end(tx, row.ok_or(Code::NotFound)?, EndReason::Left)?;
    Ok(view(row, tx.app))
}

/// A new worker token for a check-in that is still open at this screen. The request comes
/// from the screen, so it does not count as activity of the worker; a check-in that was
/// idle too long ends here if no sweep has ended it yet.
///
/// # Errors
/// `NotFound` for another screen's; `CheckInEnded`.
pub fn renew(tx: &mut Tx<'_>, caller: StationCaller, id: CheckInId) -> Result<WorkerToken, Failure> {
    let row = of_station(tx.conn, caller.station, id)?;
    if row.ended_at.is_some() {
        return Err(Code::CheckInEnded.into());
    }
    if end_idle(tx, id, idle_before(tx.app))? {
        // Commit the end although the renewal is refused.
        tx.commit_on_refusal();
        return Err(Code::CheckInEnded.into());
    }
    let access_token = token(tx.app, row.worker_id, row.id, row.station_id)?;
    Ok(WorkerToken { access_token, expires_in: TOKEN_SECONDS })
}

/// A check-in of this screen.
///
/// # Errors
/// `NotFound` for another screen's.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    station: StationId,
    id: CheckInId,
) -> Result<CheckInView, Failure> {
    of_station(conn, station, id).map(|row| view(row, app))
}

/// Ends the check-ins of a screen that was revoked or replaced: their tokens are invalid
/// from now on.
pub(super) fn end_at_station(tx: &mut Tx<'_>, station: StationId, reason: EndReason) -> Result<(), Failure> {
    for row in store::check_ins_lock_at(tx.conn, station)? {
        end(tx, row, reason)?;
    }
    Ok(())
}

/// Ends check-ins that were idle too long. Only what a worker does counts, and it is
/// recorded where it is done: a screen that keeps polling keeps nobody checked in. The
/// operator is notified, once, of an emergency that waits while its screen is idle; that
/// check-in is not ended.
///
/// # Errors
/// Faults of the storage.
pub async fn sweep_idle(app: &Arc<AppState>) -> Result<usize, Failure> {
    const ALERT: Job = Job::new("silent-emergencies");
    const END: Job = Job::new("idle-check-ins");
    let before = idle_before(app);
    let emergencies =
        move |conn: &mut Conn, after| Ok(store::emergencies_silent(conn, before, after, rounds::PAGE)?);
    let alert = |tx: &mut Tx<'_>, &(id, station, since): &(ConsultationId, StationId, Timestamp)| {
        consultation::alert_silent(tx, id, station, since).map(|_| 0)
    };
    let alerted = rounds::every(app, ALERT, |(id, ..)| *id, emergencies, alert).await?;
    let idle = move |conn: &mut Conn, after| Ok(store::check_ins_idle(conn, before, after, rounds::PAGE)?);
    let end = move |tx: &mut Tx<'_>, row: &CheckInRow| end_idle(tx, row.id, before).map(usize::from);
    let ended = rounds::every(app, END, |row| row.id, idle, end).await?;
    alerted.and(ended).outcome()
}

fn idle_before(app: &AppState) -> Timestamp {
    app.now() - TimeDelta::seconds(i64::from(app.policy.check_in.idle_seconds))
}

/// Ends a check-in unless it became active in the meantime.
fn end_idle(tx: &mut Tx<'_>, id: CheckInId, before: Timestamp) -> Result<bool, Failure> {
    let Some(row) = store::check_in_lock(tx.conn, id)? else { return Ok(false) };
    if !store::check_in_is_idle(tx.conn, id, before)? {
        return Ok(false);
    }
    Ok(end(tx, row, EndReason::Idle)?.1)
}

fn of_station(conn: &mut Conn, station: StationId, id: CheckInId) -> Result<CheckInRow, Failure> {
    match store::check_in_fetch(conn, id)? {
        Some(row) if row.station_id == station => Ok(row),
        _ => Err(Code::NotFound.into()),
    }
}

/// Opens a check-in of `worker`. `opened_as` is the record by which they were found: a
/// record that was merged into theirs, or their own.
pub(super) fn start(
    tx: &mut Tx<'_>,
    caller: StationCaller,
    worker: &WorkerRow,
    opened_as: WorkerId,
    identified_by: Identified,
) -> Result<CheckInOpened, Failure> {
    for row in store::check_ins_lock_in_the_way(tx.conn, worker.id, caller.station)? {
        if row.worker_id == worker.id {
            // Moving from one screen to another does not count as leaving.
            record_end(tx, row, EndReason::NewCheckIn)?;
        } else {
            end(tx, row, EndReason::NewCheckIn)?;
        }
    }
    let opened = CheckInEvent::Opened {
        worker: worker.id,
        station: caller.station,
        identified_by: Some(identified_by),
    };
    let check_in = CheckIn::begin(CheckInId::generate(), &opened)
        .ok_or_else(|| Failure::inconsistent("a check-in that does not open"))?;
    let row = store::check_in_open(tx.conn, &check_in, opened_as, tx.now)?;
    check_in.record(&opened, tx)?;
    let (consents, live) = storage::network::worker::consents_and_consultation(tx.conn, worker.id)?;
    if live.is_some_and(|(_, left_at)| left_at.is_some()) {
        consultation::worker_back(tx, worker.id)?;
    }
    let name = tx.app.open("worker", "name_sealed", worker.id, &worker.name_sealed)?;
    Ok(CheckInOpened {
        access_token: token(tx.app, worker.id, row.id, caller.station)?,
        check_in: view(row, tx.app),
        greeting: greeting(&name),
        language: worker.language,
        consents,
        identified_by,
        expires_in: TOKEN_SECONDS,
    })
}

/// Ends a worker's check-ins because their card, PIN or identity has changed.
pub(super) fn end_of_worker(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    for row in store::check_ins_lock_of(tx.conn, worker)? {
        end(tx, row, EndReason::AccessChanged)?;
    }
    Ok(())
}

/// Ends a check-in and notes that the worker has left: a consultation that waits for a doctor now
/// waits for the worker first. Returns whether it was open.
fn end(tx: &mut Tx<'_>, row: CheckInRow, reason: EndReason) -> Result<(CheckInRow, bool), Failure> {
    let (row, was_open) = record_end(tx, row, reason)?;
    if was_open {
        consultation::worker_left(tx, row.worker_id, Some(row.station_id))?;
    }
    Ok((row, was_open))
}

/// Ends a check-in, whose row is locked.
fn record_end(
    tx: &mut Tx<'_>,
    mut row: CheckInRow,
    reason: EndReason,
) -> Result<(CheckInRow, bool), Failure> {
    let before = row.snapshot();
    let events = before.decide(Command::End { reason });
    let after = commit(tx, &before, &events)?;
    if after == before {
        return Ok((row, false));
    }
    if matches!(tx.actor, Actor::Worker(caller) if caller.check_in == row.id) {
        tx.ends_own_authority();
    }
    (row.ended_at, row.end_reason) = (Some(tx.now), after.ended);
    Ok((row, true))
}

impl Machine for CheckIn {
    type Event = CheckInEvent;

    fn apply(&mut self, event: &CheckInEvent) {
        CheckIn::apply(self, event);
    }

    fn write(&self, after: &Self, _: &[CheckInEvent], tx: &mut Tx<'_>) -> Result<bool, Failure> {
        Ok(store::check_in_store(tx.conn, self, after, tx.now)?)
    }

    fn record(&self, event: &CheckInEvent, tx: &mut Tx<'_>) -> Result<(), Failure> {
        tx.record(self.id, event.clone(), Recipients::worker(self.worker))
    }

    fn moved_on(&self, _: &mut Tx<'_>) -> Result<Refusal, Failure> {
        Ok(Refusal::new(Code::CheckInEnded))
    }
}

fn token(
    app: &AppState,
    worker: WorkerId,
    check_in: CheckInId,
    station: StationId,
) -> Result<String, Failure> {
    let life = TimeDelta::seconds(TOKEN_SECONDS);
    let mut claims = Claims::new(&app.policy.network, Role::Worker, worker, app.now(), life);
    claims.check_in = Some(check_in);
    claims.station = Some(station);
    Ok(app.keys.tokens.issue(&claims)?)
}

fn view(row: CheckInRow, app: &AppState) -> CheckInView {
    CheckInView {
        id: row.id,
        worker_id: row.worker_id,
        station_id: row.station_id,
        started_at: row.started_at,
        ended_at: row.ended_at,
        end_reason: row.end_reason.map(|reason| reason.as_str().to_owned()),
        idle_seconds: app.policy.check_in.idle_seconds,
        idle_at: row
            .ended_at
            .is_none()
            .then(|| row.active_at + TimeDelta::seconds(i64::from(app.policy.check_in.idle_seconds))),
    }
}

/// `王小明` -> `王**`: enough to recognize oneself, too little for a bystander.
pub(crate) fn greeting(name: &str) -> String {
    let mut chars = name.chars();
    let first: String = chars.next().into_iter().collect();
    first + &"*".repeat(chars.count().min(2))
}
