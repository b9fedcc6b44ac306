//! Workers who left while they waited, and whose turn has come: the screen that they left calls them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{AppState, Failure, caller::StationCaller, check_in::greeting};
use domain::consultation::call_number;
use storage::{Conn, Live, consultation::called as store};

/// Most who are called at one screen.
const MOST: i64 = 20;

/// Somebody who is called. Others look at the screen: no name, and nothing of why they wait.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalledView {
    /// The number that the worker saw with their consultation: three digits.
    pub call_number: String,
    /// The family name only.
    pub greeting: String,
    /// Since when.
    pub called_at: DateTime<Utc>,
    /// Until when their place is held.
    pub held_until: DateTime<Utc>,
}

/// Who is called at a screen.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CalledWorkersView {
    /// Whoever was called first.
    pub items: Vec<CalledView>,
}

/// The workers whom the caller's screen calls; none once an authority has ended.
///
/// # Errors
/// Faults of the storage.
pub fn called(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    caller: StationCaller,
) -> Result<Option<CalledWorkersView>, Failure> {
    let mut items = Vec::new();
    for (row, name_sealed) in store::called_at(conn, live, caller.station, MOST)? {
        let held_until = row.snapshot(None).held_until(&app.policy.matching);
        let Some((called_at, held_until)) = row.called_at.zip(held_until) else { continue };
        let name = app.open("worker", "name_sealed", row.worker_id, &name_sealed)?;
        items.push(CalledView {
            call_number: call_number(row.id),
            greeting: greeting(&name),
            called_at,
            held_until,
        });
    }
    Ok((!items.is_empty()).then_some(CalledWorkersView { items }))
}
