//! The letter outbox. A letter is claimed for a while before it is handed to the mail server, so
//! that it is sent again after a crash in between.

pub mod text_message;

use diesel::prelude::*;

use super::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{letter, staff},
    sql_types::At,
};
use domain::{
    ids::{LetterId, StaffId},
    letter::{LetterState, Trouble},
    time::Timestamp,
};

/// A letter with its recipient.
#[derive(Debug, Clone, Queryable)]
pub struct LetterRow {
    pub id: LetterId,
    pub kind: String,
    pub staff_id: StaffId,
    /// Sealed text; empty once it needs no more tries.
    pub body_sealed: Vec<u8>,
    pub created_at: Timestamp,
    pub tries: i32,
    /// When it is due; `None` when it needs no more tries.
    pub next_try_at: Option<Timestamp>,
    /// When the mail server accepted it.
    pub sent_at: Option<Timestamp>,
    pub state: LetterState,
    /// Address, if not the recipient's own.
    pub own_email: Option<String>,
    /// Why the last try failed.
    pub trouble: Option<Trouble>,
    /// SMTP reply code of the last failed try.
    pub reply_code: Option<i32>,
    /// Time of the last failed try.
    pub failed_at: Option<Timestamp>,
    /// The recipient's own address.
    pub staff_email: String,
    /// The recipient's name in Chinese.
    pub name_zh: String,
    /// The recipient's name in English or pinyin.
    pub name_en: String,
    /// Since then the recipient may not sign in.
    pub disabled_at: Option<Timestamp>,
}

impl LetterRow {
    /// The address to send it to.
    pub fn email(&self) -> &str {
        self.own_email.as_deref().unwrap_or(&self.staff_email)
    }
}

macro_rules! columns {
    () => {
        (
            letter::id,
            letter::kind,
            letter::staff_id,
            letter::body_sealed,
            letter::created_at,
            letter::tries,
            letter::next_try_at,
            letter::sent_at,
            letter::state,
            letter::email,
            letter::trouble,
            letter::reply_code,
            letter::failed_at,
            staff::email,
            staff::name_zh,
            staff::name_en,
            staff::disabled_at,
        )
    };
}

/// A letter to be added to the outbox.
#[derive(Debug, Clone, Copy)]
pub struct NewLetter<'a> {
    pub id: LetterId,
    pub kind: &'a str,
    pub staff_id: StaffId,
    /// Address, if not the recipient's own.
    pub email: Option<&'a str>,
    /// Sealed text.
    pub body_sealed: &'a [u8],
}

/// Adds a letter to the outbox, due at once.
pub fn letter_add(conn: &mut Conn, new: &NewLetter<'_>, now: Timestamp) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(letter::table)
        .values((
            letter::id.eq(new.id),
            letter::kind.eq(new.kind),
            letter::staff_id.eq(new.staff_id),
            letter::email.eq(new.email),
            letter::body_sealed.eq(new.body_sealed),
            letter::created_at.eq(At(now)),
            letter::tries.eq(0),
            letter::next_try_at.eq(Some(At(now))),
            letter::state.eq(LetterState::Waiting),
        ))
        .execute(c))
    .map(|_| ())
}

pub fn letter_fetch(conn: &mut Conn, id: LetterId) -> QueryResult<Option<LetterRow>> {
    on_backend!(conn, c => letter::table.inner_join(staff::table).filter(letter::id.eq(id)).select(columns!()).first(c))
        .optional()
}

/// The next letter that is due, the longest waiting first, behind one that was due at `after.0`.
pub fn letter_due(
    conn: &mut Conn,
    now: Timestamp,
    after: (Timestamp, LetterId),
) -> QueryResult<Option<LetterRow>> {
    let (time, id) = after;
    on_backend!(conn, c => letter::table
        .inner_join(staff::table)
        .filter(letter::next_try_at.le(At(now)))
        .filter(letter::next_try_at.ge(At(time)))
        .filter(letter::next_try_at.gt(At(time)).or(letter::id.gt(id)))
        .order((letter::next_try_at, letter::id))
        .limit(1)
        .select(columns!())
        .get_result(c))
    .optional()
}

/// Letters in `state`, or in any, by id; `after` is the last id of the page before.
pub fn letters_list(
    conn: &mut Conn,
    state: Option<LetterState>,
    after: Option<LetterId>,
    limit: i64,
) -> QueryResult<Vec<LetterRow>> {
    on_backend!(conn, c => {
        let mut query = letter::table.inner_join(staff::table).into_boxed().order(letter::id).limit(limit);
        if let Some(state) = state {
            query = query.filter(letter::state.eq(state));
        }
        if let Some(after) = after {
            query = query.filter(letter::id.gt(after));
        }
        query.select(columns!()).load(c)
    })
}

/// Claims a letter that was tried `tries` times, until `until`; `false` when another instance has
/// claimed it.
pub fn letter_claim(conn: &mut Conn, id: LetterId, tries: i32, until: Timestamp) -> QueryResult<bool> {
    diesel::update(letter::table.find(id))
        .filter(letter::tries.eq(tries))
        .filter(letter::state.eq_code(LetterState::Waiting))
        .set((letter::tries.eq(tries + 1), letter::next_try_at.eq(Some(At(until)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Replaces the text of a waiting letter: its link was renewed.
pub fn letter_rewrite(conn: &mut Conn, id: LetterId, body_sealed: &[u8]) -> QueryResult<bool> {
    diesel::update(letter::table.find(id))
        .filter(letter::state.eq_code(LetterState::Waiting))
        .set(letter::body_sealed.eq(body_sealed))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Why a try failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedTry {
    pub trouble: Trouble,
    /// SMTP reply code of the mail server.
    pub reply_code: Option<i32>,
    pub at: Timestamp,
}

/// A claim on a letter: only the instance with the claim may record the result of the try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub letter: LetterId,
    /// Expiry of the claim.
    pub until: Timestamp,
}

/// Records a failed try; the letter is due again at `next`.
pub fn letter_failed(conn: &mut Conn, claim: Claim, failed: FailedTry, next: Timestamp) -> QueryResult<bool> {
    diesel::update(letter::table.find(claim.letter))
        .filter(letter::state.eq_code(LetterState::Waiting))
        .filter(letter::next_try_at.eq(Some(At(claim.until))))
        .set((
            letter::next_try_at.eq(Some(At(next))),
            letter::trouble.eq(Some(failed.trouble)),
            letter::reply_code.eq(failed.reply_code),
            letter::failed_at.eq(Some(At(failed.at))),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Gives a letter up, and deletes its text: a link in it may still be valid.
pub fn letter_give_up(conn: &mut Conn, claim: Claim, failed: FailedTry) -> QueryResult<bool> {
    let empty: &[u8] = &[];
    diesel::update(letter::table.find(claim.letter))
        .filter(letter::state.eq_code(LetterState::Waiting))
        .filter(letter::next_try_at.eq(Some(At(claim.until))))
        .set((
            letter::state.eq(LetterState::Dead),
            letter::next_try_at.eq(None::<At>),
            letter::body_sealed.eq(empty),
            letter::trouble.eq(Some(failed.trouble)),
            letter::reply_code.eq(failed.reply_code),
            letter::failed_at.eq(Some(At(failed.at))),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Records that a letter was sent, and deletes its text.
pub fn letter_sent(conn: &mut Conn, claim: Claim, now: Timestamp) -> QueryResult<bool> {
    let empty: &[u8] = &[];
    diesel::update(letter::table.find(claim.letter))
        .filter(letter::state.eq_code(LetterState::Waiting))
        .filter(letter::next_try_at.eq(Some(At(claim.until))))
        .set((
            letter::state.eq(LetterState::Sent),
            letter::next_try_at.eq(None::<At>),
            letter::sent_at.eq(Some(At(now))),
            letter::body_sealed.eq(empty),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Marks a waiting letter as superseded: it is not needed any more.
pub fn letter_supersede(conn: &mut Conn, id: LetterId) -> QueryResult<bool> {
    let empty: &[u8] = &[];
    diesel::update(letter::table.find(id))
        .filter(letter::state.eq_code(LetterState::Waiting))
        .set((
            letter::state.eq(LetterState::Superseded),
            letter::next_try_at.eq(None::<At>),
            letter::body_sealed.eq(empty),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Marks the waiting letters of these kinds to a member of staff as superseded. Returns which.
pub fn letters_supersede(conn: &mut Conn, staff_id: StaffId, kinds: &[&str]) -> QueryResult<Vec<LetterId>> {
    let waiting: Vec<(LetterId, String)> = on_backend!(conn, c => letter::table
        .filter(letter::staff_id.eq(staff_id))
        .filter(letter::state.eq_code(LetterState::Waiting))
        .select((letter::id, letter::kind))
        .load(c))?;
    let mut ended = Vec::new();
    for (id, kind) in waiting {
        if kinds.contains(&kind.as_str()) && letter_supersede(conn, id)? {
            ended.push(id);
        }
    }
    Ok(ended)
}

/// Restarts a letter that waits or was given up: due at once, with a new text. `false` when it is
/// in another state.
pub fn letter_restart(
    conn: &mut Conn,
    id: LetterId,
    body_sealed: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(letter::table.find(id))
        .filter(letter::state.eq_any_code(&[LetterState::Waiting, LetterState::Dead]))
        .set((
            letter::state.eq(LetterState::Waiting),
            letter::body_sealed.eq(body_sealed),
            letter::created_at.eq(At(now)),
            letter::tries.eq(0),
            letter::next_try_at.eq(Some(At(now))),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
