//! Whom a doctor can hand a consultation on to: the doctors on call who speak its language and take its
//! medium.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::doctors;
use crate::{Actor, AppState, Failure, caller::StaffCaller, matching::heard};
use domain::{
    consultation::ConsultationState,
    ids::{ConsultationId, HospitalId, StaffId},
    matching::Department,
    refusal::Code,
};
use storage::{
    Conn,
    consultation::full::full_fetch,
    matching::colleague::{self as store, ColleagueRow, Wanted},
    network::roster::coverage::next_on_call,
};

/// Colleagues in one answer, at most. Our default.
const MOST: i64 = 50;

/// Of which department.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ColleaguesQuery {
    /// Those who are on call for this department only.
    #[param(inline)]
    pub department: Option<Department>,
}

/// A doctor on call.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ColleagueView {
    /// For `doctor` of a transfer.
    pub id: StaffId,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English or pinyin.
    pub name_en: String,
    pub hospital_id: HospitalId,
    /// The hospital's name in Chinese.
    pub hospital_zh: String,
    /// The hospital's name in English.
    pub hospital_en: String,
    /// What they are on call for.
    pub departments: Vec<String>,
    /// Whether they have a free place for it and are not in wrap-up. To one who has none a transfer is
    /// refused.
    pub free: bool,
}

/// Colleagues, 50 at most: those who are free first, then those who are idle the longest.
#[derive(Debug, Serialize, ToSchema)]
pub struct ColleaguesView {
    pub items: Vec<ColleagueView>,
    /// Whether there are more: name a department to see others.
    pub more: bool,
    /// When there is nobody: when the next shift begins for this department, or for that of the
    /// consultation, if one is on the roster.
    pub on_call_from: Option<DateTime<Utc>>,
}

/// The doctors on call who could take a consultation of the caller's.
///
/// # Errors
/// `NotFound` unless it is the caller's and active.
pub async fn colleagues(
    app: &Arc<AppState>,
    caller: StaffCaller,
    id: ConsultationId,
    query: ColleaguesQuery,
) -> Result<ColleaguesView, Failure> {
    let read = async |silent: Vec<StaffId>| {
        app.read_snapshot(Actor::Staff(caller), move |conn, app| {
            list(conn, app, (caller.staff, id), query, &silent)
        })
        .await
    };
    let found = read(Vec::new()).await?;
    let ids: Vec<StaffId> = found.items.iter().map(|one| one.id).collect();
    let silent: HashSet<StaffId> = heard::silent(app, &ids).await;
    // Nobody heard from them lately, so they would get no offer.
    if silent.is_empty() { Ok(found) } else { read(silent.into_iter().collect()).await }
}

fn list(
    conn: &mut Conn,
    app: &AppState,
    (own, id): (StaffId, ConsultationId),
    query: ColleaguesQuery,
    silent: &[StaffId],
) -> Result<ColleaguesView, Failure> {
    let known = doctors(own, full_fetch(conn, id)?)?;
    if known.snapshot.doctor != Some(own) || known.snapshot.state != ConsultationState::Active {
        return Err(Code::NotFound.into());
    }
    let excluded: Vec<StaffId> = silent.iter().copied().chain([own]).collect();
    let (language, medium) = (known.full.row.language, known.snapshot.medium);
    let wanted = Wanted { language, medium, department: query.department };
    let now = app.now();
    let mut rows = store::colleagues(conn, wanted, &excluded, now, MOST + 1)?;
    let more = rows.len() > MOST as usize;
    rows.truncate(MOST as usize);
    if rows.is_empty() {
        let department = query.department.unwrap_or(known.snapshot.department);
        let on_call_from = next_on_call(conn, &[department], (language, medium), now)?;
        return Ok(ColleaguesView { items: Vec::new(), more, on_call_from });
    }
    let ids: Vec<StaffId> = rows.iter().map(|row| row.id).collect();
    let mut served = store::served_now(conn, &ids, now)?;
    let view = |row: ColleagueRow| ColleagueView {
        departments: served
            .remove(&row.id)
            .unwrap_or_default()
            .iter()
            .map(|department| department.as_str().to_owned())
            .collect(),
        id: row.id,
        name_zh: row.name_zh,
        name_en: row.name_en,
        hospital_id: row.hospital_id,
        hospital_zh: row.hospital_zh,
        hospital_en: row.hospital_en,
        free: row.free == 1,
    };
    Ok(ColleaguesView { items: rows.into_iter().map(view).collect(), more, on_call_from: None })
}
