//! Letters that wait to be sent. A letter is claimed for a while before it is
//! handed to the mail server, so that a crash in between sends it again.

pub mod text_message;

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{letter, staff},
    sql_types::At,
    words::WordDsl,
};
use domain::{
    ids::{LetterId, StaffId},
    letter::{LetterState, Trouble},
    time::Timestamp,
};

/// A letter with its reader.
#[derive(Debug, Clone, Queryable)]
pub struct LetterRow {
    /// Which letter.
    pub id: LetterId,
    /// What it is about.
    pub kind: String,
    /// Whom it is for.
    pub staff_id: StaffId,
    /// What it says, sealed; empty once it needs no more tries.
    pub body_sealed: Vec<u8>,
    /// When it was written.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub tries: i32,
    /// When it is due; none when it needs no more tries.
    pub next_try_at: Option<Timestamp>,
    /// When it was taken.
    pub sent_at: Option<Timestamp>,
    /// Where it stands.
    pub state: LetterState,
    /// Where it goes, if not to its reader's own address.
    pub own_email: Option<String>,
    /// Why the last try failed.
    pub trouble: Option<Trouble>,
    /// The mail server's reply at the last try that failed.
    pub reply_code: Option<i32>,
    /// When the last failed try was.
    pub failed_at: Option<Timestamp>,
    /// The reader's own address.
    pub staff_email: String,
    /// The reader's name in Chinese.
    pub name_zh: String,
    /// The reader's name in English or pinyin.
    pub name_en: String,
    /// Since when its reader may not sign in.
    pub disabled_at: Option<Timestamp>,
}

impl LetterRow {
    /// Where it goes.
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

/// A letter on its way into the outbox.
#[derive(Debug, Clone, Copy)]
pub struct NewLetter<'a> {
    /// Which letter.
    pub id: LetterId,
    /// What it is about.
    pub kind: &'a str,
    /// Whom it is for.
    pub staff_id: StaffId,
    /// Where it goes, if not to its reader's own address.
    pub email: Option<&'a str>,
    /// What it says, sealed.
    pub body_sealed: &'a [u8],
}

/// Puts a letter into the outbox, due at once.
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

/// A letter by id.
pub fn letter_fetch(conn: &mut Conn, id: LetterId) -> QueryResult<Option<LetterRow>> {
    on_backend!(conn, c => letter::table.inner_join(staff::table).filter(letter::id.eq(id)).select(columns!()).first(c))
        .optional()
}

/// Letters that are due, the longest waiting first.
pub fn letters_due(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<LetterRow>> {
    on_backend!(conn, c => letter::table
        .inner_join(staff::table)
        .filter(letter::next_try_at.le(At(now)))
        .order((letter::next_try_at, letter::id))
        .limit(limit)
        .select(columns!())
        .load(c))
}

/// Letters in `state`, or in any, by id; `after` is the last one seen.
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

/// Claims a letter that was tried `tries` times, until `until`; `false` when
/// somebody else has.
pub fn letter_claim(conn: &mut Conn, id: LetterId, tries: i32, until: Timestamp) -> QueryResult<bool> {
    diesel::update(letter::table.find(id))
        .filter(letter::tries.eq(tries))
        .filter(letter::state.eq_word(LetterState::Waiting))
        .set((letter::tries.eq(tries + 1), letter::next_try_at.eq(Some(At(until)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A waiting letter says something else: its link was renewed.
pub fn letter_rewrite(conn: &mut Conn, id: LetterId, body_sealed: &[u8]) -> QueryResult<bool> {
    diesel::update(letter::table.find(id))
        .filter(letter::state.eq_word(LetterState::Waiting))
        .set(letter::body_sealed.eq(body_sealed))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Why a try failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedTry {
    /// The kind of trouble.
    pub trouble: Trouble,
    /// The mail server's reply.
    pub reply_code: Option<i32>,
    /// When.
    pub at: Timestamp,
}

/// A claim on a letter: only its holder says what became of the try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// On which letter.
    pub letter: LetterId,
    /// Until when.
    pub until: Timestamp,
}

/// A try failed; the letter is due again at `next`.
pub fn letter_failed(conn: &mut Conn, claim: Claim, failed: FailedTry, next: Timestamp) -> QueryResult<bool> {
    diesel::update(letter::table.find(claim.letter))
        .filter(letter::state.eq_word(LetterState::Waiting))
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

/// A letter is given up. What it said is forgotten: a link in it may be good.
pub fn letter_give_up(conn: &mut Conn, claim: Claim, failed: FailedTry) -> QueryResult<bool> {
    let nothing: &[u8] = &[];
    diesel::update(letter::table.find(claim.letter))
        .filter(letter::state.eq_word(LetterState::Waiting))
        .filter(letter::next_try_at.eq(Some(At(claim.until))))
        .set((
            letter::state.eq(LetterState::Dead),
            letter::next_try_at.eq(None::<At>),
            letter::body_sealed.eq(nothing),
            letter::trouble.eq(Some(failed.trouble)),
            letter::reply_code.eq(failed.reply_code),
            letter::failed_at.eq(Some(At(failed.at))),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A letter was taken. What it said is forgotten.
pub fn letter_sent(conn: &mut Conn, claim: Claim, now: Timestamp) -> QueryResult<bool> {
    let nothing: &[u8] = &[];
    diesel::update(letter::table.find(claim.letter))
        .filter(letter::state.eq_word(LetterState::Waiting))
        .filter(letter::next_try_at.eq(Some(At(claim.until))))
        .set((
            letter::state.eq(LetterState::Sent),
            letter::next_try_at.eq(None::<At>),
            letter::sent_at.eq(Some(At(now))),
            letter::body_sealed.eq(nothing),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A waiting letter is not needed any more.
pub fn letter_supersede(conn: &mut Conn, id: LetterId) -> QueryResult<bool> {
    let nothing: &[u8] = &[];
    diesel::update(letter::table.find(id))
        .filter(letter::state.eq_word(LetterState::Waiting))
        .set((
            letter::state.eq(LetterState::Superseded),
            letter::next_try_at.eq(None::<At>),
            letter::body_sealed.eq(nothing),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// The letters of these kinds that wait for somebody are not needed any more.
/// Returns which.
pub fn letters_supersede(conn: &mut Conn, staff_id: StaffId, kinds: &[&str]) -> QueryResult<Vec<LetterId>> {
    let waiting: Vec<(LetterId, String)> = on_backend!(conn, c => letter::table
        .filter(letter::staff_id.eq(staff_id))
        .filter(letter::state.eq_word(LetterState::Waiting))
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

/// Puts a letter that waits or was given up back to its start: due at once,
/// with what it says now. `false` when it is neither.
pub fn letter_restart(
    conn: &mut Conn,
    id: LetterId,
    body_sealed: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(letter::table.find(id))
        .filter(letter::state.eq_any_word(&[LetterState::Waiting, LetterState::Dead]))
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
