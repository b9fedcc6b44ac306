//! How the decision of a state machine is carried out, for every machine the same: load once,
//! `decide`, [`commit`]. No verb writes a state column in another way.

use crate::{Failure, Tx};
use domain::refusal::Refusal;

/// What a verb loaded of a state machine: its row, with the rows that belong to it.
pub(crate) trait Machine: Clone {
    type Event;

    /// Folds an event with the `apply` of the domain, the same that the audit uses.
    fn apply(&mut self, event: &Self::Event);

    /// Writes the columns in which `after` differs, with the state of `self` repeated in the WHERE
    /// clause. False when another transaction has changed the row first.
    ///
    /// # Errors
    /// Faults of the storage; refusals of what belongs to the row (stock, money).
    fn write(&self, after: &Self, events: &[Self::Event], tx: &mut Tx<'_>) -> Result<bool, Failure>;

    /// Appends an event to the log, for those who hear it. `self` is what the events made of it.
    fn record(&self, event: &Self::Event, tx: &mut Tx<'_>) -> Result<(), Failure>;

    /// The refusal when the row was changed first, or does not exist any more.
    ///
    /// # Errors
    /// Faults of the storage.
    fn moved_on(&self, tx: &mut Tx<'_>) -> Result<Refusal, Failure>;
}

/// Carries out what was decided on `before`, and returns what it became. No events, no statement.
///
/// # Errors
/// [`Machine::moved_on`], and those of [`Machine::write`].
pub(crate) fn commit<M: Machine>(tx: &mut Tx<'_>, before: &M, events: &[M::Event]) -> Result<M, Failure> {
    let mut after = before.clone();
    if events.is_empty() {
        return Ok(after);
    }
    events.iter().for_each(|event| after.apply(event));
    if !before.write(&after, events, tx)? {
        return Err(before.moved_on(tx)?.into());
    }
    for event in events {
        after.record(event, tx)?;
    }
    Ok(after)
}
