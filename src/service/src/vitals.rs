//! Readings of one check-in, and what they mean.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Failure, Recipients, Tx,
    caller::WorkerCaller,
    triage::{self, TriageView},
};
use crate::network::me;
use domain::{
    event::care::CheckInFact,
    ids::{CheckInId, ReadingId},
    refusal::Refusal,
    vitals::{AssessmentContext, Beyond, ReadingInput, ReadingKind, ValidReading, validate_all},
};
use storage::{
    Conn,
    vitals::{self as store, ReadingPlace, ReadingRow},
};

/// Readings as a station's devices measured them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadingsInput {
    /// 1 to 20 readings.
    #[schema(min_items = 1, max_items = 20)]
    pub readings: Vec<ReadingInput>,
    /// What NEWS2 needs besides readings; it replaces earlier values.
    pub context: Option<AssessmentContext>,
}

/// A stored reading.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadingView {
    pub id: ReadingId,
    /// What was measured.
    pub kind: ReadingKind,
    /// The value, in `unit`; none where the device showed HI or LO.
    pub value: Option<i64>,
    /// What the device showed instead of a number: HI (`high`) or LO (`low`).
    pub beyond: Option<Beyond>,
    /// The diastolic value of a blood pressure.
    pub second: Option<i64>,
    /// UCUM code; it includes the scale.
    pub unit: String,
    /// The measuring device.
    pub device: String,
    /// For glucose.
    pub fasting: Option<bool>,
    pub measured_at: DateTime<Utc>,
    /// For people: `37.2 ℃`, `72 次/分 (72 beats/min)`, `HI`.
    pub display: String,
    /// The same in Chinese alone.
    pub display_zh: String,
    /// The same in English alone.
    pub display_en: String,
}

/// The stored readings, and what they mean with the earlier ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingsStored {
    /// The new ones.
    pub readings: Vec<ReadingView>,
    /// All of this check-in together.
    pub triage: TriageView,
}

/// All readings of a check-in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingsView {
    /// Oldest first.
    pub items: Vec<ReadingView>,
}

/// Stores readings of the caller's check-in.
///
/// # Errors
/// One problem per bad field, with the allowed range; `ConsentMissing`.
pub fn record(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    input: &ReadingsInput,
) -> Result<ReadingsStored, Failure> {
    let valid = check(input, tx)?;
    me::lock_consent_and_worker(tx, caller.worker)?;
    let place = ReadingPlace { check_in: caller.check_in, worker: caller.worker, station: caller.station };
    let rows = store::readings_add(tx.conn, place, &valid, tx.now)?;
    if let Some(context) = &input.context {
        store::context_set(tx.conn, caller.check_in, context)?;
    }
    let known = triage::known(tx.conn, tx.app, caller.visit())?;
    let kinds: Vec<ReadingKind> = valid.iter().map(|reading| reading.kind).collect();
    let event = CheckInFact::ReadingsRecorded { check_in: caller.check_in, kinds };
    let recipients = Recipients::both(caller.worker, known.doctor());
    tx.record(caller.check_in, event, recipients)?;
    let triage = triage::apply_new_fact(tx, &known)?;
    Ok(ReadingsStored { readings: rows.iter().map(view).collect(), triage })
}

/// The readings of a check-in.
pub fn list(conn: &mut Conn, check_in: CheckInId) -> Result<ReadingsView, Failure> {
    let items = store::readings_of_check_in(conn, check_in)?.iter().map(view).collect();
    Ok(ReadingsView { items })
}

/// A reading as its reader sees it.
pub fn view(row: &ReadingRow) -> ReadingView {
    let shown = row.kind.shown(row.value, row.second, row.beyond);
    let display =
        if shown.zh == shown.en { shown.zh.to_string() } else { format!("{} ({})", shown.zh, shown.en) };
    ReadingView {
        id: row.id,
        kind: row.kind,
        value: row.value,
        beyond: row.beyond,
        second: row.second,
        unit: row.unit.clone(),
        device: row.device.clone(),
        fasting: row.fasting,
        measured_at: row.measured_at,
        display,
        display_zh: shown.zh.into_owned(),
        display_en: shown.en.into_owned(),
    }
}

fn check(input: &ReadingsInput, tx: &Tx<'_>) -> Result<Vec<ValidReading>, Failure> {
    Ok(validate_all(&input.readings, tx.now).map_err(Refusal::fields)?)
}
