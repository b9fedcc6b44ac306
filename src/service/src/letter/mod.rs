//! The outbox of letters (emails). A letter is stored in the transaction of the operation that
//! needs it, and sent by a job afterwards. It contains a link and a name, never health data.
//! No letter is sent with a link that was used or has expired: an invitation gets a new link,
//! any other letter is given up, and its recipient must ask again.

pub mod text_message;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Actor, AppState, Failure, Recipients, Tx,
    page::{Page, Rows},
};
use crate::{
    jobs::rounds::{self, Done, Job},
    staff::{email, password_link},
};
use base::telemetry::metrics::Fact;
use coordination::Topic;
use crypto::digest;
use domain::{
    event::letter::LetterEvent,
    ids::{LetterId, StaffId},
    letter::LetterKind,
    letter::{LetterState, Next, Trouble, next},
    refusal::{Code, Refusal},
    staff::{LinkPurpose, role::Role},
    time::Timestamp,
};
use storage::{
    Conn,
    letter::{self as store, Claim, FailedTry, LetterRow, NewLetter},
    network::roster::coverage::gap_readers,
};

const JOB: Job = Job::new("letters");
/// For how long a letter is claimed: longer than the timeout of the mail server.
const CLAIM_TIME: TimeDelta = TimeDelta::seconds(60);
/// A link must remain valid for at least this long when its letter is sent. Our default.
const MIN_LINK_LIFE: TimeDelta = TimeDelta::minutes(2);

/// A claimed letter with its decrypted link, ready for sending.
pub struct OpenLetter {
    /// The letter's id, and until when it is claimed.
    pub claim: Claim,
    pub kind: LetterKind,
    pub email: String,
    /// The recipient's name in Chinese.
    pub name_zh: String,
    /// The recipient's name in English or pinyin.
    pub name_en: String,
    pub link: String,
    pub written_at: Timestamp,
    /// Which try this is, from 1.
    pub tries: u32,
}

/// A letter, as operators see it, without its content.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LetterView {
    pub id: LetterId,
    /// What it is about.
    pub kind: String,
    pub state: LetterState,
    pub staff_id: StaffId,
    /// Where it goes.
    pub email: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// How often it was tried.
    pub tries: i32,
    /// When it is tried next; null when it is not.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When a mail server accepted it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the last try failed.
    pub failed_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub trouble: Option<Trouble>,
    /// The mail server's reply to it.
    pub reply_code: Option<i32>,
}

/// Puts a letter with a link into the outbox, to the recipient's own address or to `email`.
pub(super) fn write(
    tx: &mut Tx<'_>,
    kind: LetterKind,
    staff: StaffId,
    email: Option<&str>,
    link: &str,
) -> Result<LetterId, Failure> {
    let id = LetterId::generate();
    let body_sealed = tx.app.seal("letter", "body_sealed", id, link)?;
    let new = NewLetter { id, kind: kind.as_str(), staff_id: staff, email, body_sealed: &body_sealed };
    store::letter_add(tx.conn, &new, tx.now)?;
    tx.record(id, LetterEvent::Written { staff, kind }, Recipients::nobody())?;
    tx.wake(Topic::Letters);
    Ok(id)
}

/// The same letter to every operator who has accepted their invitation.
pub(super) fn write_to_operators(tx: &mut Tx<'_>, kind: LetterKind, text: &str) -> Result<(), Failure> {
    for (reader, role, _) in gap_readers(tx.conn)? {
        if role == Role::Operator {
            write(tx, kind, reader, None, text)?;
        }
    }
    Ok(())
}

/// Marks the waiting letters of these kinds to `staff` as superseded.
pub(super) fn supersede(tx: &mut Tx<'_>, staff: StaffId, kinds: &[LetterKind]) -> Result<(), Failure> {
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    for id in store::letters_supersede(tx.conn, staff, &kinds)? {
        superseded(tx, id)?;
    }
    Ok(())
}

fn superseded(tx: &mut Tx<'_>, id: LetterId) -> Result<(), Failure> {
    tx.record(id, LetterEvent::Superseded {}, Recipients::nobody())
}

/// Claims the letters that are due. The claimant has a minute to send a letter and record it;
/// after a crash it is sent again.
///
/// # Errors
/// Faults of the storage.
pub async fn claim_due(app: &Arc<AppState>) -> Result<Vec<OpenLetter>, Failure> {
    let mut outbox = Outbox::open(app).await?;
    let mut claimed = Vec::new();
    while let Some(letter) = outbox.claim_next().await? {
        claimed.push(letter);
    }
    outbox.outcome(0)?;
    Ok(claimed)
}

/// One round through the letters that are due. A letter whose row is locked does not delay the
/// others.
pub(crate) struct Outbox {
    app: Arc<AppState>,
    /// When the last letter of this round was due, and which it was.
    after: (Timestamp, LetterId),
    done: Done,
}

impl Outbox {
    /// Starts a round, after writing the letters that were requested.
    ///
    /// # Errors
    /// Faults of the storage.
    pub async fn open(app: &Arc<AppState>) -> Result<Self, Failure> {
        let done = password_link::answer_requests(app).await?;
        let first = (Timestamp::UNIX_EPOCH, LetterId::from_uuid(Uuid::nil()));
        Ok(Self { app: Arc::clone(app), after: first, done })
    }

    /// Claims the letter that is due first.
    ///
    /// # Errors
    /// Faults of the storage.
    pub(crate) async fn claim_next(&mut self) -> Result<Option<OpenLetter>, Failure> {
        loop {
            // Read first, so that an empty outbox costs no write.
            let after = self.after;
            let due = move |conn: &mut Conn, app: &AppState| Ok(store::letter_due(conn, app.now(), after)?);
            let Some(row) = self.app.read(Actor::System, due).await? else { return Ok(None) };
            self.after = (row.next_try_at.unwrap_or(after.0), row.id);
            let (claimed, done) = rounds::walk(&self.app, JOB, vec![row], |row| row.id, claim).await;
            self.done = std::mem::take(&mut self.done).and(done);
            if self.done.is_stopped() {
                return Ok(None);
            }
            // It may be unfit for sending, or locked: then try the next one.
            if let Some(letter) = claimed.into_iter().flatten().next() {
                return Ok(Some(letter));
            }
        }
    }

    /// Adds the result of recording a letter; returns whether the round can go on.
    pub fn note<T>(&mut self, written: Result<T, Failure>) -> bool {
        self.done.note(JOB, written)
    }

    /// Ends a round in which `sent` letters were sent.
    ///
    /// # Errors
    /// The failure of the round, if any.
    pub fn outcome(self, sent: usize) -> Result<usize, Failure> {
        self.done.outcome().map(|_| sent)
    }
}

fn claim(tx: &mut Tx<'_>, row: &LetterRow) -> Result<Option<OpenLetter>, Failure> {
    let claim = Claim { letter: row.id, until: tx.now + CLAIM_TIME };
    if store::letter_claim(tx.conn, row.id, row.tries, claim.until)? {
        open(tx, row, claim)
    } else {
        Ok(None)
    }
}

/// Decrypts a claimed letter if it may be sent; one that may not is superseded or given up.
fn open(tx: &mut Tx<'_>, row: &LetterRow, claim: Claim) -> Result<Option<OpenLetter>, Failure> {
    let Some(kind) = LetterKind::parse(&row.kind) else {
        fail(tx, claim, row, Trouble::Unfit, None)?;
        return Ok(None);
    };
    // A letter that cannot be decrypted must not block the others.
    let Ok(mut link) = tx.app.open("letter", "body_sealed", row.id, &row.body_sealed) else {
        fail(tx, claim, row, Trouble::Unfit, None)?;
        return Ok(None);
    };
    match link_state(tx.conn, row, kind, &link, tx.now)? {
        LinkState::Valid => {}
        LinkState::NotNeeded => {
            if store::letter_supersede(tx.conn, row.id)? {
                superseded(tx, row.id)?;
            }
            return Ok(None);
        }
        LinkState::Expiring if kind.invites() && tx.now - row.created_at < domain::letter::PATIENCE => {
            link = password_link::fresh_link(tx, row.staff_id, LinkPurpose::Invite)?;
            let sealed = tx.app.seal("letter", "body_sealed", row.id, &link)?;
            store::letter_rewrite(tx.conn, row.id, &sealed)?;
        }
        LinkState::Expiring => {
            fail(tx, claim, row, Trouble::LinkExpired, None)?;
            return Ok(None);
        }
    }
    Ok(Some(OpenLetter {
        claim,
        kind,
        link,
        email: row.email().to_owned(),
        name_zh: row.name_zh.clone(),
        name_en: row.name_en.clone(),
        written_at: row.created_at,
        tries: u32::try_from(row.tries).unwrap_or(0) + 1,
    }))
}

/// The state of a letter's link.
enum LinkState {
    Valid,
    /// It has expired, or will before the recipient can use it.
    Expiring,
    /// It was used or replaced, or the recipient's account is disabled.
    NotNeeded,
}

fn link_state(
    conn: &mut Conn,
    row: &LetterRow,
    kind: LetterKind,
    link: &str,
    now: Timestamp,
) -> Result<LinkState, Failure> {
    // A notice has no link that could expire, and is also sent to disabled staff.
    let Some(token) = link.split_once("#token=").map(|(_, token)| token) else {
        return Ok(LinkState::Valid);
    };
    let digest = digest::sha256(token.as_bytes());
    let found = match kind {
        LetterKind::EmailConfirm => email::link_standing(conn, &digest)?,
        _ => storage::staff::session::link_fetch(conn, &digest)?.map(|link| (link.expires_at, link.used_at)),
    };
    Ok(match found {
        _ if row.disabled_at.is_some() => LinkState::NotNeeded,
        Some((_, Some(_))) | None => LinkState::NotNeeded,
        Some((expires_at, None)) if expires_at <= now + MIN_LINK_LIFE => LinkState::Expiring,
        Some(_) => LinkState::Valid,
    })
}

/// Records that a mail server accepted the letter.
pub fn sent(tx: &mut Tx<'_>, claim: Claim) -> Result<(), Failure> {
    if store::letter_sent(tx.conn, claim, tx.now)? {
        tx.count(Fact::Letter("sent"));
        tx.record(claim.letter, LetterEvent::Sent {}, Recipients::nobody())?;
    }
    Ok(())
}

/// Records that the letter was not accepted: it waits for its next try, or is given up.
pub fn not_taken(
    tx: &mut Tx<'_>,
    claim: Claim,
    trouble: Trouble,
    reply_code: Option<u16>,
) -> Result<LetterState, Failure> {
    match store::letter_fetch(tx.conn, claim.letter)? {
        Some(row) => fail(tx, claim, &row, trouble, reply_code),
        None => Ok(LetterState::Superseded),
    }
}

fn fail(
    tx: &mut Tx<'_>,
    claim: Claim,
    row: &LetterRow,
    trouble: Trouble,
    reply_code: Option<u16>,
) -> Result<LetterState, Failure> {
    let failed = FailedTry { trouble, reply_code: reply_code.map(i32::from), at: tx.now };
    let tries = u32::try_from(row.tries).unwrap_or(0);
    match next(trouble, tries, tx.now - row.created_at) {
        Next::After(pause) => {
            if store::letter_failed(tx.conn, claim, failed, tx.now + pause)? {
                tx.count(Fact::Letter("retried"));
            }
            Ok(LetterState::Waiting)
        }
        Next::GiveUp => {
            if store::letter_give_up(tx.conn, claim, failed)? {
                tx.count(Fact::Letter("dead"));
                tx.record(row.id, LetterEvent::GivenUp { trouble, reply_code }, Recipients::nobody())?;
            }
            Ok(LetterState::Dead)
        }
    }
}

/// Letters ordered by id, in one state or in any.
pub fn list(
    conn: &mut Conn,
    state: Option<LetterState>,
    after: Option<LetterId>,
    limit: u32,
) -> Result<Page<LetterView>, Failure> {
    let page = Rows::read(limit, |most| store::letters_list(conn, state, after, most), |row| row.id)?;
    Ok(page.map(view).into())
}

/// Sends a letter again, with a new link; earlier links become void.
///
/// # Errors
/// `NotFound`; `StateMovedOn` with `opened` when the recipient has set a password since the
/// invitation, `disabled` when they are, `superseded` when the letter is no longer needed.
pub fn resend(tx: &mut Tx<'_>, id: LetterId) -> Result<LetterView, Failure> {
    let row = store::letter_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let kind = LetterKind::parse(&row.kind).ok_or_else(|| Refusal::moved_on(row.state))?;
    if row.disabled_at.is_some() && kind != LetterKind::EmailChanged {
        return Err(Refusal::moved_on("disabled").into());
    }
    let recipient = storage::staff::staff_lock(tx.conn, row.staff_id)?.ok_or(Code::NotFound)?;
    let link = match kind {
        LetterKind::Invite | LetterKind::Reinvite if recipient.is_open() => {
            return Err(Refusal::moved_on("opened").into());
        }
        LetterKind::Invite | LetterKind::Reinvite => {
            storage::staff::session::links_void(tx.conn, recipient.id, tx.now)?;
            password_link::fresh_link(tx, recipient.id, LinkPurpose::Invite)?
        }
        LetterKind::Reset => password_link::fresh_link(tx, recipient.id, LinkPurpose::Reset)?,
        LetterKind::EmailConfirm => email::fresh_link_again(tx, recipient.id, row.email())?,
        LetterKind::AuthenticatorReset | LetterKind::EmailChanged | LetterKind::SignInAlarm => {
            tx.app.public_url.clone()
        }
        // Which departments, as long as it is known: once sent, the link alone leads to them.
        LetterKind::CoverageGap | LetterKind::QueueTrouble if row.body_sealed.is_empty() => {
            tx.app.public_url.clone()
        }
        LetterKind::CoverageGap | LetterKind::QueueTrouble => {
            tx.app.open("letter", "body_sealed", id, &row.body_sealed)?
        }
    };
    let sealed = tx.app.seal("letter", "body_sealed", id, &link)?;
    let again = if store::letter_restart(tx.conn, id, &sealed, tx.now)? {
        tx.record(id, LetterEvent::Resent {}, Recipients::nobody())?;
        tx.wake(Topic::Letters);
        id
    } else if row.state == LetterState::Sent {
        // It was accepted once: a repeat with the same Message-ID might be dropped.
        write(tx, kind, recipient.id, row.own_email.as_deref(), &link)?
    } else {
        return Err(Refusal::moved_on(row.state).into());
    };
    tx.count(Fact::Letter("resent"));
    store::letter_fetch(tx.conn, again)?.map(view).ok_or_else(|| Code::NotFound.into())
}

fn view(row: LetterRow) -> LetterView {
    LetterView {
        email: row.email().to_owned(),
        id: row.id,
        kind: row.kind,
        state: row.state,
        staff_id: row.staff_id,
        created_at: row.created_at,
        tries: row.tries,
        next_try_at: row.next_try_at,
        sent_at: row.sent_at,
        failed_at: row.failed_at,
        trouble: row.trouble,
        reply_code: row.reply_code,
    }
}
