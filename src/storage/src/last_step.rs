//! The last statement of a transaction before its commit: it appends the events, saves the answer,
//! and checks that the caller's authority still holds and will hold until the commit.
//!
//! On PostgreSQL all of it is one statement, so one round trip. It does not wait there for the row
//! of the authority while it has other rows locked: the transaction that ends the authority may need
//! those.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::Binary,
};

use super::{
    Live,
    authority::{Authority, authority_is_live},
    conn::Conn,
    dialect::EventsInsert,
    events::{NewEvent, events_append},
    idempotency::{NewAnswer, answer_save},
    sql_types::{At, Timestamptz, Uuid},
};

/// What a transaction does last.
#[derive(Debug)]
pub struct LastStep<'a> {
    /// The authority to check; none for the service itself, and for one whose row this transaction
    /// has changed.
    pub authority: Option<Authority>,
    /// Wait for the authority's row when another transaction is changing it.
    pub wait: bool,
    pub events: &'a [NewEvent],
    pub answer: Option<NewAnswer<'a>>,
}

/// Whether the transaction may be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastCheck {
    /// The authority holds, and its row is locked until the end of this transaction.
    Holds,
    /// It has ended.
    Ended,
    /// Another transaction is changing the authority's row, or has saved an answer under the same id:
    /// roll back and run again.
    Contended,
}

/// Runs the last step. Unless it returns [`LastCheck::Holds`] the transaction must be rolled back.
pub fn run(conn: &mut Conn, step: &LastStep<'_>) -> QueryResult<LastCheck> {
    match conn {
        // Its writes are serial: nothing has changed since the first statement of this transaction.
        Conn::Sqlite(_) => {
            events_append(conn, step.events)?;
            let saved = step.answer.as_ref().map_or(Ok(true), |answer| answer_save(conn, answer))?;
            Ok(if saved { LastCheck::Holds } else { LastCheck::Contended })
        }
        Conn::Pg(inner) => {
            let Some(statement) = Statement::of(step) else { return Ok(LastCheck::Holds) };
            if statement.execute(inner)? > 0 {
                return Ok(LastCheck::Holds);
            }
            match step.authority {
                Some(authority) if !authority_is_live(conn, authority)? => Ok(LastCheck::Ended),
                _ => Ok(LastCheck::Contended),
            }
        }
    }
}

/// The statement on PostgreSQL. Its number of rows is 0 when the transaction must be rolled back.
struct Statement<'a> {
    step: &'a LastStep<'a>,
    /// Absent without events.
    events: Option<EventsInsert<'a>>,
    answered_at: Option<&'a At>,
    live: Option<Live>,
}

impl<'a> Statement<'a> {
    /// `None` when there is nothing to do.
    fn of(step: &'a LastStep<'a>) -> Option<Self> {
        if step.events.is_empty() && step.answer.is_none() && step.authority.is_none() {
            return None;
        }
        let events = (!step.events.is_empty()).then(|| EventsInsert::of(step.events));
        Some(Self {
            step,
            events,
            answered_at: step.answer.as_ref().map(|answer| &answer.created_at),
            live: step.authority.map(|authority| Live::of(Some(authority))),
        })
    }

    /// `FROM .. WHERE ..`: the authority's row, if it is live and can be locked.
    fn authority<'b>(&'b self, live: &'b Live, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        live.rows(out)?;
        out.push_sql(if self.step.wait { " FOR SHARE" } else { " FOR SHARE SKIP LOCKED" });
        Ok(())
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let (answer, authority) = (&self.step.answer, &self.live);
        if let Some(events) = &self.events {
            if answer.is_none() && authority.is_none() {
                return events.walk_ast(out);
            }
            out.push_sql("WITH logged AS (");
            events.walk_ast(out.reborrow())?;
            out.push_sql(") ");
        }
        match (answer, self.answered_at) {
            (Some(answer), Some(at)) => {
                out.push_sql("INSERT INTO saved_answer (id, body_digest, answer_sealed, created_at) SELECT ");
                out.push_bind_param::<Uuid, _>(&answer.id)?;
                out.push_sql(", ");
                out.push_bind_param::<Binary, _>(answer.body_digest)?;
                out.push_sql(", ");
                out.push_bind_param::<Binary, _>(answer.answer_sealed)?;
                out.push_sql(", ");
                out.push_bind_param::<Timestamptz, _>(at)?;
                if let Some(authority) = authority {
                    self.authority(authority, &mut out)?;
                }
                out.push_sql(" ON CONFLICT DO NOTHING");
            }
            _ => {
                out.push_sql("SELECT 1");
                if let Some(authority) = authority {
                    self.authority(authority, &mut out)?;
                }
            }
        }
        Ok(())
    }
}

/// The text has few variants, so each is prepared once; diesel finds it by its text.
impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl RunQueryDsl<PgConnection> for Statement<'_> {}
