//! Which edition of the catalogue is in force in this process. Every instance
//! holds it whole; an import puts a new one into the database. A hint tells the
//! other instances to look, a job looks now and then because hints may be
//! lost, and whoever would change something looks first when nobody has for
//! that long: so nobody prescribes by what another edition has replaced for longer.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::TimeDelta;

use crate::{Actor, AppState, Failure, Tx};
use coordination::Topic;
use domain::{
    formulary::{Formulary, Product},
    time::Timestamp,
};
use storage::{Conn, formulary as store};

/// An edition may be in force for this long after the database has another. [P]
pub const LOOK_EVERY: TimeDelta = TimeDelta::seconds(15);

/// The edition in force.
#[derive(Default)]
pub(crate) struct Edition(RwLock<Held>);

#[derive(Clone, Default)]
struct Held {
    book: Arc<Formulary>,
    /// Its number, and when it was seen to be the database's.
    seen: Option<(i64, Timestamp)>,
}

impl Edition {
    fn current(&self) -> Held {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds what a look found, unless a look that began later was faster.
    fn hold(&self, found: Held) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let at = |held: &Held| held.seen.map(|(_, at)| at);
        if at(&held) <= at(&found) {
            *held = found;
        }
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner).seen;
        // A clock that was set back says nothing.
        seen.is_some_and(|(_, at)| at <= now && now < at + LOOK_EVERY)
    }
}

impl AppState {
    /// The formulary as it stands; holding it keeps that edition.
    pub fn formulary(&self) -> Arc<Formulary> {
        self.edition.current().book
    }
}

/// Puts the database's edition in force, if it is another. Tells how many
/// products were read.
///
/// # Errors
/// What the storage said; a stored product that cannot be read.
pub async fn look(app: &Arc<AppState>) -> Result<usize, Failure> {
    app.read(Actor::System, look_on).await
}

/// Looks, if nobody has for too long. Before a verb and never in its
/// transaction: there an import may be read that is not committed yet, and what
/// this process holds is not undone with it.
///
/// # Errors
/// As [`look`].
pub(crate) async fn ensure_recent(app: &Arc<AppState>) -> Result<(), Failure> {
    if !app.edition.is_recent(app.now()) {
        look(app).await?;
    }
    Ok(())
}

/// Notes in this transaction that products were written.
///
/// # Errors
/// What the storage said.
pub(crate) fn changed(tx: &mut Tx<'_>) -> Result<(), Failure> {
    store::edition_advance(tx.conn)?;
    tx.wake(Topic::Catalogue);
    Ok(())
}

fn look_on(conn: &mut Conn, app: &AppState) -> Result<usize, Failure> {
    let began = app.now();
    // The number before the products: what is imported in between is another
    // edition at the next look.
    let number = store::edition_number(conn)?;
    let mut held = app.edition.current();
    let mut read = 0;
    if held.seen.is_none_or(|(known, _)| known != number) {
        let bodies = store::products_all(conn)?;
        let products =
            bodies.iter().map(|(_, body)| serde_json::from_str(body)).collect::<Result<Vec<Product>, _>>()?;
        read = products.len();
        held.book = Arc::new(Formulary::from_products(products));
    }
    held.seen = Some((number, began));
    app.edition.hold(held);
    Ok(read)
}
