//! The pharmacists' queue: signed prescriptions in their order, who is on shift, and how long reviews took.

pub mod alert;

use chrono::NaiveDate;
use diesel::{
    dsl::{count, count_star, min, sum},
    prelude::*,
};

use crate::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    network::roster::LOOK_BACK,
    prescription::PrescriptionRow,
    schema::{pharmacist, prescription, review_round, shift},
    sql_types::At,
};
use domain::{
    ids::{PrescriptionId, ShiftId, StaffId},
    prescription::PrescriptionState,
    review::ReviewOutcome,
    time::{Timestamp, civil_day},
};

/// Whether a prescription waits for review, and is still valid.
macro_rules! in_queue {
    ($now:expr) => {
        prescription::state
            .eq_code(PrescriptionState::Signed)
            .and(prescription::valid_until.ge(Some(At($now))).assume_not_null())
    };
}

/// Shifts of pharmacists whose licence is verified and valid. Who is disabled has released the licence.
macro_rules! pharmacist_shifts {
    ($now:expr) => {
        shift::table
            .inner_join(pharmacist::table.on(pharmacist::staff_id.eq(shift::staff_id)))
            .filter(pharmacist::licence_verified_at.is_not_null())
            .filter(pharmacist::licence_valid_until.ge(civil_day($now)))
            .filter(pharmacist::released_licence_no.is_null())
    };
}

/// Signed prescriptions that are still valid: emergencies first, then the oldest.
pub fn reviews_waiting(
    conn: &mut Conn,
    live: Live,
    now: Timestamp,
    limit: i64,
) -> QueryResult<Vec<PrescriptionRow>> {
    on_backend!(conn, c => prescription::table
        .filter(live)
        .filter(in_queue!(now))
        .order((prescription::review_rank, prescription::signed_at, prescription::id))
        .limit(limit)
        .select(PrescriptionRow::as_select())
        .load(c))
}

/// As [`reviews_waiting`], but only those that this pharmacist may decide about: which nobody else has, and
/// whose doctor has no question to answer.
pub fn reviews_open_to(
    conn: &mut Conn,
    pharmacist: StaffId,
    now: Timestamp,
    limit: i64,
) -> QueryResult<Vec<PrescriptionRow>> {
    let has_expired = prescription::claim_until.le(Some(At(now)));
    on_backend!(conn, c => prescription::table
        .filter(in_queue!(now))
        .filter(prescription::question_id.is_null())
        .filter(
            prescription::claim_until
                .is_null()
                .or(has_expired)
                .or(prescription::claimed_by.eq(Some(pharmacist))),
        )
        .order((prescription::review_rank, prescription::signed_at, prescription::id))
        .limit(limit)
        .select(PrescriptionRow::as_select())
        .load(c))
}

/// Some prescriptions of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Waiting {
    /// 0 for emergencies, else 1.
    pub rank: i32,
    pub count: i64,
    /// When the first of them was signed.
    pub oldest: Option<Timestamp>,
}

/// Which prescriptions of the queue are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingFor {
    /// A pharmacist who takes them.
    Pharmacist,
    /// The pharmacist who has them to decide.
    Decision,
    /// The answer of their doctors.
    Answer,
}

/// The prescriptions of the queue by rank.
pub fn waiting(conn: &mut Conn, which: WaitingFor, now: Timestamp) -> QueryResult<Vec<Waiting>> {
    let claimed = || prescription::claim_until.gt(Some(At(now))).assume_not_null();
    macro_rules! counted {
        ($filter:expr) => {
            on_backend!(conn, c => prescription::table
                .filter(in_queue!(now))
                .filter($filter)
                .group_by(prescription::review_rank)
                .select((prescription::review_rank, count_star(), min(prescription::signed_at)))
                .load(c))
        };
    }
    match which {
        WaitingFor::Pharmacist => counted!(
            prescription::question_id
                .is_null()
                .and(prescription::claim_until.is_null().or(diesel::dsl::not(claimed())))
        ),
        WaitingFor::Decision => counted!(claimed()),
        WaitingFor::Answer => counted!(prescription::question_id.is_not_null()),
    }
}

/// How many prescriptions come before one in the queue, of those that wait for a pharmacist to take them.
pub fn ahead(conn: &mut Conn, row: &PrescriptionRow, now: Timestamp) -> QueryResult<i64> {
    let before = prescription::review_rank.lt(row.review_rank).or(prescription::review_rank
        .eq(row.review_rank)
        .and(prescription::signed_at.lt(row.signed_at.map(At)).assume_not_null()));
    let free = prescription::question_id.is_null().and(
        prescription::claim_until.is_null().or(prescription::claim_until.le(Some(At(now))).assume_not_null()),
    );
    on_backend!(conn, c => prescription::table
        .filter(in_queue!(now))
        .filter(free)
        .filter(before)
        .count()
        .get_result(c))
}

/// How many pharmacists are on shift whose licence is verified and valid.
pub fn on_shift(conn: &mut Conn, now: Timestamp) -> QueryResult<i64> {
    on_backend!(conn, c => pharmacist_shifts!(now)
        .filter(shift::starts_at.le(At(now)))
        .filter(shift::starts_at.gt(At(now - LOOK_BACK)))
        .filter(shift::ends_at.gt(At(now)))
        .select(count(shift::staff_id).aggregate_distinct())
        .get_result(c))
}

/// Shifts that are read at a time to find the next pharmacist, whose licence may end before the shift.
const SHIFTS_AT_ONCE: i64 = 20;

/// When the next pharmacist comes on shift whose licence is valid then.
pub fn next_on_shift(conn: &mut Conn, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    let mut after = (now, ShiftId::from_uuid(uuid::Uuid::max()));
    loop {
        let (from, last) = after;
        let next: Vec<(Timestamp, ShiftId, NaiveDate)> = on_backend!(conn, c => pharmacist_shifts!(now)
            .filter(shift::starts_at.ge(At(from)))
            .filter(shift::starts_at.gt(At(from)).or(shift::id.gt(last)))
            .order((shift::starts_at, shift::id))
            .limit(SHIFTS_AT_ONCE)
            .select((shift::starts_at, shift::id, pharmacist::licence_valid_until))
            .load(c))?;
        if let Some((starts_at, ..)) = next.iter().find(|(at, _, until)| civil_day(*at) <= *until) {
            return Ok(Some(*starts_at));
        }
        match next.last() {
            Some((starts_at, id, _)) if next.len() == SHIFTS_AT_ONCE as usize => after = (*starts_at, *id),
            Some(_) | None => return Ok(None),
        }
    }
}

/// How one wait for a review ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundRow {
    pub prescription_id: PrescriptionId,
    /// Which of its revisions was signed.
    pub revision: i32,
    pub ended_at: Timestamp,
    pub outcome: ReviewOutcome,
    pub decided_by: Option<StaffId>,
    /// Seconds from the signature.
    pub waited_s: i32,
    /// Whether these are as few as the policy wants.
    pub in_time: bool,
    /// Seconds from the claim of the pharmacist who decided, if they had one.
    pub review_s: Option<i32>,
    pub policy_version: String,
}

/// The statement that adds a round.
macro_rules! round_insert {
    ($round:expr) => {
        diesel::insert_into($crate::schema::review_round::table).values((
            $crate::schema::review_round::prescription_id.eq($round.prescription_id),
            $crate::schema::review_round::revision.eq($round.revision),
            $crate::schema::review_round::ended_at.eq(At($round.ended_at)),
            $crate::schema::review_round::outcome.eq($round.outcome),
            $crate::schema::review_round::decided_by.eq($round.decided_by),
            $crate::schema::review_round::waited_s.eq($round.waited_s),
            $crate::schema::review_round::in_time.eq($round.in_time),
            $crate::schema::review_round::review_s.eq($round.review_s),
            $crate::schema::review_round::policy_version.eq(&$round.policy_version),
        ))
    };
}
pub(crate) use round_insert;

/// Reviews that ended since some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rounds {
    /// Decided by a pharmacist.
    pub reviewed: i64,
    /// Of these, within the wanted time.
    pub in_time: i64,
    /// Expired before anybody decided.
    pub missed: i64,
    /// Reviews whose length is known, and the sum of it in seconds.
    pub measured: i64,
    pub measured_s: i64,
}

/// The reviews that ended since `since`.
pub fn rounds(conn: &mut Conn, since: Timestamp) -> QueryResult<Rounds> {
    let rows: Vec<(ReviewOutcome, bool, i64, i64, Option<i64>)> = on_backend!(conn, c => review_round::table
        .filter(review_round::ended_at.ge(At(since)))
        .group_by((review_round::outcome, review_round::in_time))
        .select((
            review_round::outcome,
            review_round::in_time,
            count_star(),
            count(review_round::review_s),
            sum(review_round::review_s),
        ))
        .load(c))?;
    let mut rounds = Rounds::default();
    for (outcome, in_time, ended, measured, measured_s) in rows {
        match outcome {
            ReviewOutcome::Approved | ReviewOutcome::Returned => {
                rounds.reviewed += ended;
                rounds.in_time += if in_time { ended } else { 0 };
                rounds.measured += measured;
                rounds.measured_s += measured_s.unwrap_or(0);
            }
            ReviewOutcome::Expired => rounds.missed += ended,
            ReviewOutcome::Withdrawn => {}
        }
    }
    Ok(rounds)
}

/// Prescriptions behind `after` whose claim has expired.
pub fn claims_due(
    conn: &mut Conn,
    now: Timestamp,
    after: PrescriptionId,
    limit: i64,
) -> QueryResult<Vec<PrescriptionId>> {
    on_backend!(conn, c => prescription::table
        .filter(prescription::claim_until.is_not_null())
        .filter(prescription::claim_until.le(Some(At(now))))
        .filter(prescription::id.gt(after))
        .order(prescription::id)
        .limit(limit)
        .select(prescription::id)
        .load(c))
}

/// How many prescriptions of the queue were signed before `before`, and are not decided.
pub fn late(conn: &mut Conn, before: Timestamp, now: Timestamp) -> QueryResult<i64> {
    on_backend!(conn, c => prescription::table
        .filter(in_queue!(now))
        .filter(prescription::signed_at.lt(Some(At(before))))
        .count()
        .get_result(c))
}
