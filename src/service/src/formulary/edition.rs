//! The edition of the catalogue that this process uses. Every instance caches it whole, with the
//! network's departments, the safety rules and the selections of the formulary; an import, or a change of
//! any of them, makes a new edition in the database. Other instances reload when they are notified;
//! as notifications may be lost, a job also reloads regularly, and a write first reloads if the
//! last look is too old. So no instance prescribes from a replaced edition for longer than
//! [`MAX_EDITION_AGE`].

use std::sync::{Arc, PoisonError, RwLock};

use chrono::TimeDelta;

use crate::{Actor, AppState, Failure, Tx, network::department::Departments};
use base::telemetry::Chain;
use coordination::Topic;
use domain::{
    formulary::{Formulary, Product, selection::Selections},
    safety::{RuleEditions, RuleSet},
    time::Timestamp,
};
use storage::{Conn, formulary as store};

/// The longest time for which a replaced edition may still be used. Our default.
pub const MAX_EDITION_AGE: TimeDelta = TimeDelta::seconds(15);

/// The cached edition.
#[derive(Default)]
pub(crate) struct Edition(RwLock<Cached>);

#[derive(Clone, Default)]
struct Cached {
    formulary: Arc<Formulary>,
    departments: Arc<Departments>,
    rules: Arc<RuleEditions>,
    selections: Arc<Selections>,
    /// Its number, and when it was last confirmed to be the database's.
    seen: Option<(i64, Timestamp)>,
}

impl Edition {
    fn current(&self) -> Cached {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn departments(&self) -> Arc<Departments> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).departments)
    }

    pub(crate) fn selections(&self) -> Arc<Selections> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).selections)
    }

    /// The safety rules in force at `now`.
    pub(crate) fn rules(&self, now: Timestamp) -> Arc<RuleSet> {
        let rules = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).rules);
        Arc::clone(rules.in_force(now))
    }

    /// Stores the result of a look, unless one that began later has stored its own already.
    fn store(&self, found: Cached) {
        let mut cached = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let at = |cached: &Cached| cached.seen.map(|(_, at)| at);
        if at(&cached) <= at(&found) {
            *cached = found;
        }
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner).seen;
        // A time in the future comes from a clock that was set back.
        seen.is_some_and(|(_, at)| at <= now && now < at + MAX_EDITION_AGE)
    }
}

impl AppState {
    /// The current formulary; the returned value stays that edition.
    pub fn formulary(&self) -> Arc<Formulary> {
        self.edition.current().formulary
    }
}

/// Loads the database's edition if it is another than the cached one. Returns how many
/// products were read.
///
/// # Errors
/// Faults of the storage; a stored product that cannot be parsed.
pub async fn look(app: &Arc<AppState>) -> Result<usize, Failure> {
    app.read(Actor::System, look_with).await
}

/// Looks if the last look is too old. Called before a service operation and never in its
/// transaction: that could read an import that is not committed, and the cached edition
/// would not be rolled back with it.
///
/// # Errors
/// As [`look`].
pub(crate) async fn ensure_recent(app: &Arc<AppState>) -> Result<(), Failure> {
    if !app.edition.is_recent(app.now()) {
        look(app).await?;
    }
    Ok(())
}

/// Makes this instance use what it has changed itself. If that fails, the job looks again soon.
pub async fn look_after_change(app: &Arc<AppState>) {
    if let Err(failure) = look(app).await {
        tracing::warn!(error = %Chain(&failure), "the new edition could not be read yet");
    }
}

/// Marks in this transaction that products, departments, rules or selections were written: a new edition.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn changed(tx: &mut Tx<'_>) -> Result<(), Failure> {
    store::edition_advance(tx.conn)?;
    tx.wake(Topic::Catalogue);
    Ok(())
}

fn look_with(conn: &mut Conn, app: &AppState) -> Result<usize, Failure> {
    let began = app.now();
    // Read the number before the products: an import in between is found by the next look.
    let number = store::edition_number(conn)?;
    let mut cached = app.edition.current();
    let mut read = 0;
    if cached.seen.is_none_or(|(known, _)| known != number) {
        let bodies = store::products_all(conn)?;
        let products =
            bodies.iter().map(|(_, body)| serde_json::from_str(body)).collect::<Result<Vec<Product>, _>>()?;
        read = products.len();
        let formulary = Formulary::from_products(products);
        formulary.prepare();
        cached.formulary = Arc::new(formulary);
        cached.departments = Arc::new(Departments::read(conn)?);
        cached.rules = Arc::new(crate::safety::edition::read(conn, began)?);
        cached.selections = Arc::new(super::selection::read(conn, began)?);
    }
    cached.seen = Some((number, began));
    app.edition.store(cached);
    Ok(read)
}
