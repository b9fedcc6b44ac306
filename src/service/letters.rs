//! Letters are written in the transaction of the verb that wants them, and
//! sent by a job afterwards. They hold a link and a name, never health data.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use super::{Actor, Failure, Hearers, House, Tx};
use crate::{
    coordination::Topic,
    domain::{
        ids::{LetterId, StaffId},
        time::Timestamp,
    },
    storage::letters as store,
};

/// Letters looked at in one round.
const ROUND: i64 = 50;
/// The first pause after a failed try; each next one is twice as long. [P]
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The longest pause. [P]
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);
/// After this a letter is given up: its link has lapsed.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::hours(72);

/// A letter, claimed and opened for sending.
pub struct OpenLetter {
    /// Which letter; the same at every try.
    pub id: LetterId,
    /// `invite` or `reset`.
    pub kind: String,
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
}

/// Puts a letter with a link into the outbox.
pub(super) fn write(tx: &mut Tx<'_>, kind: &str, staff: StaffId, link: &str) -> Result<(), Failure> {
    let id = LetterId::generate();
    let body = tx.house.seal("letter", "body_sealed", id, link)?;
    store::letter_add(tx.conn, id, kind, staff, &body, tx.now)?;
    let payload = json!({"staff": staff, "kind": kind});
    tx.record("letter", id, "letter.written", payload, Hearers::nobody())?;
    tx.wake(Topic::Letters);
    Ok(())
}

/// Claims the letters that are due. Whoever claims one has until its next try
/// to send it and say so; if they die, it is sent again.
pub async fn claim_due(house: &Arc<House>) -> Result<Vec<OpenLetter>, Failure> {
    super::staff_password::answer_requests(house).await?;
    // Looked up first, so that a quiet outbox costs no write.
    let now = house.now();
    let due = house.read(Actor::System, move |conn, _| Ok(store::letters_due(conn, now, ROUND)?)).await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    house
        .write(Actor::System, move |tx| {
            let mut claimed = Vec::with_capacity(due.len());
            for row in &due {
                if tx.now - row.created_at > GIVEN_UP_AFTER {
                    finish(tx, row.id, None)?;
                } else if store::letter_claim(tx.conn, row.id, row.tries, tx.now + pause(row.tries))? {
                    claimed.push(OpenLetter {
                        link: tx.house.open("letter", "body_sealed", row.id, &row.body_sealed)?,
                        id: row.id,
                        kind: row.kind.clone(),
                        email: row.email.clone(),
                        name_zh: row.name_zh.clone(),
                        name_en: row.name_en.clone(),
                        written_at: row.created_at,
                    });
                }
            }
            Ok(claimed)
        })
        .await
}

/// Notes that a letter was handed over, or can never be.
pub fn finish(tx: &mut Tx<'_>, id: LetterId, sent_at: Option<Timestamp>) -> Result<(), Failure> {
    if store::letter_finish(tx.conn, id, sent_at)? {
        let kind = if sent_at.is_some() { "letter.sent" } else { "letter.given_up" };
        tx.record("letter", id, kind, json!({}), Hearers::nobody())?;
    }
    Ok(())
}

fn pause(tries: i32) -> TimeDelta {
    let doubled = u32::try_from(tries).unwrap_or(0).min(12);
    (FIRST_PAUSE * 2_i32.pow(doubled)).min(LONGEST_PAUSE)
}
