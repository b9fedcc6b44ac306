//! Who is on call when. Offers nobody a consultation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Page, checked};
use crate::{
    domain::{
        ids::{ShiftId, StaffId},
        network::ShiftRecord,
        refusal::Code,
    },
    service::{Failure, Hearers, House, Tx},
    storage::{Conn, directory as store, intake, staff},
};

/// A new shift.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftInput {
    /// Whose.
    pub staff_id: StaffId,
    /// First instant on call.
    pub starts_at: DateTime<Utc>,
    /// First instant off call again; 24 hours later at most.
    pub ends_at: DateTime<Utc>,
}

/// A shift.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct ShiftView {
    pub id: ShiftId,
    pub staff_id: StaffId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// Adds a shift.
///
/// # Errors
/// One problem per bad field; `NotFound`; `AlreadyExists` where it meets another.
pub fn shift_add(tx: &mut Tx<'_>, input: &ShiftInput) -> Result<ShiftView, Failure> {
    let person = staff::staff_fetch(tx.conn, input.staff_id)?.ok_or(Code::NotFound)?;
    let record =
        ShiftRecord { staff_email: person.email, starts_at: input.starts_at, ends_at: input.ends_at };
    checked(tx, &record)?;
    let id = ShiftId::generate();
    if store::shift_overlaps(tx.conn, input.staff_id, input.starts_at, input.ends_at)?
        || !intake::shift_add(tx.conn, id, input.staff_id, input.starts_at, input.ends_at)?
    {
        return Err(Code::AlreadyExists.into());
    }
    let payload = json!({"shift": id, "starts_at": input.starts_at, "ends_at": input.ends_at});
    tx.record("staff", input.staff_id, "staff.shift_added", payload, Hearers::staff(input.staff_id))?;
    Ok(ShiftView { id, staff_id: input.staff_id, starts_at: input.starts_at, ends_at: input.ends_at })
}

/// Shifts that have not ended.
pub fn shift_list(
    conn: &mut Conn,
    house: &House,
    staff_id: Option<StaffId>,
    after: Option<ShiftId>,
    limit: i64,
) -> Result<Page<ShiftView>, Failure> {
    let views = store::shift_list(conn, staff_id, house.now(), after, limit)?.into_iter().map(|row| {
        ShiftView { id: row.id, staff_id: row.staff_id, starts_at: row.starts_at, ends_at: row.ends_at }
    });
    Ok(Page::of(views.collect(), limit, |view| view.id.uuid()))
}
