//! What is known of a worker at a screen, apart from readings, read by one statement.

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    consultation::ConsultationRow,
    dialect::on_backend,
    network::worker::WorkerRow,
    profile::ProfileRow,
    schema::{alert, check_in, consultation, health_profile, station, worker},
    sql_types::At,
    vitals::{Said, decode_state},
};
use domain::{
    consultation::ConsultationState,
    ids::{CheckInId, WorkerId},
    prescription::EncounterLane,
    time::Timestamp,
};

/// What a station is called.
#[derive(Debug, Clone)]
pub struct StationNames {
    /// Its code on signs.
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
}

/// A worker, and their check-in.
#[derive(Debug, Clone)]
pub struct VisitFacts {
    pub worker: WorkerRow,
    /// `None` when none was ever written.
    pub profile: Option<ProfileRow>,
    pub live: Option<ConsultationRow>,
    /// What was entered in the check-in.
    pub entered: Said,
    /// By when an extreme reading of the check-in must be measured again.
    pub measure_again_by: Option<Timestamp>,
    /// The worker's last activity in the check-in.
    pub active_at: Timestamp,
    pub started_at: Timestamp,
    pub station: StationNames,
    /// The station's district.
    pub district: String,
    /// The lanes that consultations at the station may use.
    pub lanes: Vec<EncounterLane>,
    /// When the consultation ended that a doctor completed last.
    pub seen_at: Option<Timestamp>,
    /// The red flags of the worker's alerts, as JSON lists of codes, and when each was raised.
    pub alerts: Vec<(String, Timestamp)>,
}

diesel::alias!(consultation as seen: Seen);

/// The facts of a check-in, with the alerts of its worker since `alarmed_since`.
pub fn visit_facts(
    conn: &mut Conn,
    id: CheckInId,
    alarmed_since: Timestamp,
) -> QueryResult<Option<VisitFacts>> {
    type Entered = (Option<String>, Option<String>, Option<Timestamp>, Timestamp, Timestamp);
    type Row = (
        WorkerRow,
        Option<ProfileRow>,
        Option<ConsultationRow>,
        Entered,
        (String, String, String, String, String),
        Option<Timestamp>,
        Option<(String, Timestamp)>,
    );
    let last_seen = || {
        seen.filter(seen.field(consultation::worker_id).eq(worker::id))
            .filter(seen.field(consultation::state).eq_code(ConsultationState::Completed))
            .order(seen.field(consultation::id).desc())
            .limit(1)
            .select(seen.field(consultation::ended_at))
            .single_value()
    };
    let mut rows: Vec<Row> = on_backend!(conn, c => check_in::table
        .inner_join(worker::table.on(worker::id.eq(check_in::worker_id)))
        .inner_join(station::table.on(station::id.eq(check_in::station_id)))
        .left_join(health_profile::table.on(health_profile::worker_id.eq(worker::id)))
        .left_join(
            consultation::table.on(consultation::worker_id
                .eq(worker::id)
                .and(consultation::state.of_code(ConsultationState::is_live))),
        )
        .left_join(
            alert::table.on(alert::worker_id.eq(worker::id).and(alert::raised_at.gt(At(alarmed_since)))),
        )
        .filter(check_in::id.eq(id))
        .select((
            WorkerRow::as_select(),
            Option::<ProfileRow>::as_select(),
            Option::<ConsultationRow>::as_select(),
            (
                check_in::context,
                check_in::symptoms,
                check_in::measure_again_by,
                check_in::active_at,
                check_in::started_at,
            ),
            (station::code, station::name_zh, station::name_en, station::district, station::encounter_lanes),
            last_seen(),
            (alert::red_flags, alert::raised_at).nullable(),
        ))
        .load(c))?;
    let alerts = rows.iter_mut().filter_map(|row| row.6.take()).collect();
    let Some((worker, profile, live, entered, station, seen_at, _)) = rows.pop() else {
        return Ok(None);
    };
    let (context, symptoms, measure_again_by, active_at, started_at) = entered;
    let (code, name_zh, name_en, district, lanes) = station;
    Ok(Some(VisitFacts {
        worker,
        profile,
        live,
        entered: decode_state((context, symptoms))?,
        measure_again_by,
        active_at,
        started_at,
        station: StationNames { code, name_zh, name_en },
        district,
        lanes: lanes.split(';').filter_map(EncounterLane::parse).collect(),
        seen_at,
        alerts,
    }))
}

/// A worker, their profile, and when a doctor completed their last consultation.
pub type LastVisit = (WorkerRow, Option<ProfileRow>, Option<Timestamp>);

/// A worker, their profile, and when the consultation ended that a doctor completed last, after
/// `since` and not after `until`.
pub fn worker_and_last_visit(
    conn: &mut Conn,
    id: WorkerId,
    since: Timestamp,
    until: Timestamp,
) -> QueryResult<Option<LastVisit>> {
    let last_seen = seen
        .filter(seen.field(consultation::worker_id).eq(worker::id))
        .filter(seen.field(consultation::state).eq_code(ConsultationState::Completed))
        .filter(seen.field(consultation::ended_at).gt(Some(At(since))))
        .filter(seen.field(consultation::ended_at).le(Some(At(until))))
        .order(seen.field(consultation::id).desc())
        .limit(1)
        .select(seen.field(consultation::ended_at))
        .single_value();
    on_backend!(conn, c => worker::table
        .left_join(health_profile::table.on(health_profile::worker_id.eq(worker::id)))
        .filter(worker::id.eq(id))
        .select((WorkerRow::as_select(), Option::<ProfileRow>::as_select(), last_seen))
        .first(c))
    .optional()
}

/// A worker and their profile.
pub fn worker_and_profile(
    conn: &mut Conn,
    id: WorkerId,
) -> QueryResult<Option<(WorkerRow, Option<ProfileRow>)>> {
    on_backend!(conn, c => worker::table
        .left_join(health_profile::table.on(health_profile::worker_id.eq(worker::id)))
        .filter(worker::id.eq(id))
        .select((WorkerRow::as_select(), Option::<ProfileRow>::as_select()))
        .first(c))
    .optional()
}
