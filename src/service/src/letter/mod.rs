//! Letters are written in the transaction of the verb that wants them, and
//! sent by a job afterwards. They hold a link and a name, never health data.
//! No letter leaves with a link that is used or has lapsed: an invitation gets
//! a fresh one, anything else is given up, and its reader asks again.

pub mod text_message;

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Actor, AppState, Failure, Hearers, Tx, network::Page};
use crate::{
    jobs::rounds::{self, Done, Job},
    staff::{
        email,
        password::{self, LinkPurpose},
    },
};
use base::telemetry::figures::Fact;
use coordination::Topic;
use crypto::digest;
use domain::{
    ids::{LetterId, StaffId},
    letter::{LetterState, Next, Trouble, next},
    refusal::{Code, Refusal},
    time::Timestamp,
};
use mail::LetterKind;
use storage::{
    Conn,
    letter::{self as store, Claim, FailedTry, LetterRow, NewLetter},
};

const JOB: Job = Job::new("letters");
/// So many held letters a round passes over, and no more.
const MOST_LEFT: usize = 20;
/// For how long a letter is claimed: longer than a mail server may take.
const CLAIM: TimeDelta = TimeDelta::seconds(60);
/// A link must be good for so long after its letter leaves. Our default.
const LEAST_LIFE: TimeDelta = TimeDelta::minutes(2);

/// A letter, claimed and opened for sending.
pub struct OpenLetter {
    /// Which letter, and until when it is ours.
    pub claim: Claim,
    /// What it is about.
    pub kind: LetterKind,
    /// Where it goes.
    pub email: String,
    /// The recipient's name in Chinese.
    pub name_zh: String,
    /// The recipient's name in English or pinyin.
    pub name_en: String,
    /// The link to follow.
    pub link: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Which try this is, from 1.
    pub tries: u32,
}

/// A letter, as operators see it: never what it says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LetterView {
    /// Which letter.
    pub id: LetterId,
    /// What it is about.
    pub kind: String,
    /// Where it stands.
    pub state: LetterState,
    /// Whom it is for.
    pub staff_id: StaffId,
    /// Where it goes.
    pub email: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// How often it was tried.
    pub tries: i32,
    /// When it is tried next; null when it is not.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When a mail server took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the last try failed.
    pub failed_at: Option<DateTime<Utc>>,
    /// Why.
    pub trouble: Option<Trouble>,
    /// The mail server's reply to it.
    pub reply_code: Option<i32>,
}

/// Puts a letter with a link into the outbox, to its reader's own address or to `email`.
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
    let payload = json!({"staff": staff, "kind": kind});
    tx.record("letter", id, "letter.written", payload, Hearers::nobody())?;
    tx.wake(Topic::Letters);
    Ok(id)
}

/// The letters of these kinds that wait for somebody are not needed any more.
pub(super) fn supersede(tx: &mut Tx<'_>, staff: StaffId, kinds: &[LetterKind]) -> Result<(), Failure> {
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    for id in store::letters_supersede(tx.conn, staff, &kinds)? {
        superseded(tx, id)?;
    }
    Ok(())
}

fn superseded(tx: &mut Tx<'_>, id: LetterId) -> Result<(), Failure> {
    tx.record("letter", id, "letter.superseded", json!({}), Hearers::nobody())
}

/// Claims the letters that are due. Whoever claims one has a minute to send it
/// and say so; if they die, it is sent again.
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

/// One round through the letters that are due. A letter whose row somebody holds
/// keeps no other from leaving.
pub struct Outbox {
    app: Arc<AppState>,
    left: HashSet<LetterId>,
    done: Done,
}

impl Outbox {
    /// Begins a round, with the letters that were asked for.
    ///
    /// # Errors
    /// Faults of the storage.
    pub async fn open(app: &Arc<AppState>) -> Result<Self, Failure> {
        let done = password::answer_requests(app).await?;
        Ok(Self { app: Arc::clone(app), left: HashSet::new(), done })
    }

    /// Claims the letter that is due first.
    ///
    /// # Errors
    /// Faults of the storage.
    pub async fn claim_next(&mut self) -> Result<Option<OpenLetter>, Failure> {
        // Some that are due are not fit to be sent, or held: look further.
        while self.left.len() < MOST_LEFT {
            // Looked up first, so that a quiet outbox costs no write.
            let most = 1 + i64::try_from(self.left.len()).unwrap_or(0);
            let due =
                self.app.read(Actor::System, move |conn, app| Ok(store::letters_due(conn, app.now(), most)?));
            let Some(row) = due.await?.into_iter().find(|row| !self.left.contains(&row.id)) else { break };
            let id = row.id;
            let (claimed, done) = rounds::walk(&self.app, JOB, vec![row], |row| row.id, claim).await;
            if done.has_left(id) {
                self.left.insert(id);
            }
            self.done = std::mem::take(&mut self.done).and(done);
            if let Some(letter) = claimed.into_iter().flatten().next() {
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }

    /// Notes what was written of one; says whether the round can go on.
    pub fn note<T>(&mut self, written: Result<T, Failure>) -> bool {
        self.done.note(written)
    }

    /// The end of a round in which `sent` letters left.
    ///
    /// # Errors
    /// What was met on the way.
    pub fn outcome(self, sent: usize) -> Result<usize, Failure> {
        self.done.outcome().map(|_| sent)
    }
}

fn claim(tx: &mut Tx<'_>, row: &LetterRow) -> Result<Option<OpenLetter>, Failure> {
    let claim = Claim { letter: row.id, until: tx.now + CLAIM };
    if store::letter_claim(tx.conn, row.id, row.tries, claim.until)? {
        open(tx, row, claim)
    } else {
        Ok(None)
    }
}

/// Opens a claimed letter, if it may leave as it is; one that may not is ended.
fn open(tx: &mut Tx<'_>, row: &LetterRow, claim: Claim) -> Result<Option<OpenLetter>, Failure> {
    let Some(kind) = LetterKind::parse(&row.kind) else {
        fail(tx, claim, row, Trouble::Unfit, None)?;
        return Ok(None);
    };
    // One that cannot be opened must not stand in the way of all others.
    let Ok(mut link) = tx.app.open("letter", "body_sealed", row.id, &row.body_sealed) else {
        fail(tx, claim, row, Trouble::Unfit, None)?;
        return Ok(None);
    };
    match standing(tx.conn, row, kind, &link, tx.now)? {
        Standing::Good => {}
        Standing::NotWanted => {
            if store::letter_supersede(tx.conn, row.id)? {
                superseded(tx, row.id)?;
            }
            return Ok(None);
        }
        Standing::Lapsed if kind.invites() && tx.now - row.created_at < domain::letter::PATIENCE => {
            link = password::fresh_link(tx, row.staff_id, LinkPurpose::Invite)?;
            let sealed = tx.app.seal("letter", "body_sealed", row.id, &link)?;
            store::letter_rewrite(tx.conn, row.id, &sealed)?;
        }
        Standing::Lapsed => {
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

/// What has become of the reason to send a letter.
enum Standing {
    Good,
    /// Its link lapses too soon for its reader.
    Lapsed,
    /// Its link was used or replaced, or its reader is gone.
    NotWanted,
}

fn standing(
    conn: &mut Conn,
    row: &LetterRow,
    kind: LetterKind,
    link: &str,
    now: Timestamp,
) -> Result<Standing, Failure> {
    // A notice has no link that could lapse, and is sent to whoever has left too.
    let Some(token) = link.split_once("#token=").map(|(_, token)| token) else {
        return Ok(Standing::Good);
    };
    let digest = digest::sha256(token.as_bytes());
    let found = match kind {
        LetterKind::EmailConfirm => email::link_standing(conn, &digest)?,
        _ => storage::staff::session::link_fetch(conn, &digest)?.map(|link| (link.expires_at, link.used_at)),
    };
    Ok(match found {
        _ if row.disabled_at.is_some() => Standing::NotWanted,
        Some((_, Some(_))) | None => Standing::NotWanted,
        Some((expires_at, None)) if expires_at <= now + LEAST_LIFE => Standing::Lapsed,
        Some(_) => Standing::Good,
    })
}

/// A mail server took the letter.
pub fn sent(tx: &mut Tx<'_>, claim: Claim) -> Result<(), Failure> {
    if store::letter_sent(tx.conn, claim, tx.now)? {
        tx.count(Fact::Letter("sent"));
        tx.record("letter", claim.letter, "letter.sent", json!({}), Hearers::nobody())?;
    }
    Ok(())
}

/// The letter was not taken: it waits for its next try, or is given up.
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
                let payload = json!({"trouble": trouble, "reply_code": reply_code});
                tx.record("letter", row.id, "letter.given_up", payload, Hearers::nobody())?;
            }
            Ok(LetterState::Dead)
        }
    }
}

/// Letters by id, in one state or in any.
pub fn list(
    conn: &mut Conn,
    state: Option<LetterState>,
    after: Option<LetterId>,
    limit: i64,
) -> Result<Page<LetterView>, Failure> {
    let views = store::letters_list(conn, state, after, limit)?.into_iter().map(view);
    Ok(Page::of(views.collect(), limit, |view| view.id.uuid()))
}

/// Sends a letter again, with a fresh link; links that went before it are void.
///
/// # Errors
/// `NotFound`; `StateMovedOn` with `opened` when the reader has set a password
/// since they were invited, `disabled` when they are, `superseded` when there is
/// nothing left to say.
pub fn resend(tx: &mut Tx<'_>, id: LetterId) -> Result<LetterView, Failure> {
    let row = store::letter_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let kind = LetterKind::parse(&row.kind).ok_or_else(|| Refusal::moved_on(row.state))?;
    if row.disabled_at.is_some() && kind != LetterKind::EmailChanged {
        return Err(Refusal::moved_on("disabled").into());
    }
    let reader = storage::staff::staff_hold(tx.conn, row.staff_id)?.ok_or(Code::NotFound)?;
    let link = match kind {
        LetterKind::Invite | LetterKind::Reinvite if reader.is_open() => {
            return Err(Refusal::moved_on("opened").into());
        }
        LetterKind::Invite | LetterKind::Reinvite => {
            storage::staff::session::links_void(tx.conn, reader.id, tx.now)?;
            password::fresh_link(tx, reader.id, LinkPurpose::Invite)?
        }
        LetterKind::Reset => password::fresh_link(tx, reader.id, LinkPurpose::Reset)?,
        LetterKind::EmailConfirm => email::fresh_link_again(tx, reader.id, row.email())?,
        LetterKind::AuthenticatorReset | LetterKind::EmailChanged | LetterKind::SignInAlarm => {
            tx.app.public_url.clone()
        }
    };
    let sealed = tx.app.seal("letter", "body_sealed", id, &link)?;
    let again = if store::letter_restart(tx.conn, id, &sealed, tx.now)? {
        tx.record("letter", id, "letter.resent", json!({}), Hearers::nobody())?;
        tx.wake(Topic::Letters);
        id
    } else if row.state == LetterState::Sent {
        // It was taken once: a repeat under the same Message-ID might be dropped.
        write(tx, kind, reader.id, row.own_email.as_deref(), &link)?
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
