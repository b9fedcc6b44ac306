//! Moves packs between the places of the stock records, and opens and closes slots.

pub mod check;
mod folds;
pub mod recall;
pub(crate) mod restocking;
mod slot;

pub(crate) use slot::{LoadedSlot, close_slot};

use std::collections::BTreeMap;

use crate::{Failure, Tx};
use domain::{
    refusal::Code,
    stock::{SlotStock, StockChange},
};
use storage::stock::{self as store, StockKey, StockedSlot};

/// Writes changes of the stock records, those of one record in one statement.
///
/// # Errors
/// `OutOfStock` when a record has too few packs.
pub(crate) fn move_stock(
    tx: &mut Tx<'_>,
    changes: impl IntoIterator<Item = (StockKey, StockChange)>,
) -> Result<(), Failure> {
    let mut sums: BTreeMap<StockKey, StockChange> = BTreeMap::new();
    for (key, change) in changes {
        let sum = sums.entry(key).or_default();
        *sum = sum.and(change);
    }
    sums.retain(|_, change| *change != StockChange::default());
    for (key, change) in sums {
        if !store::stock_move(tx.conn, &key, change.figures())? {
            return Err(Code::OutOfStock.into());
        }
    }
    Ok(())
}

/// The packs in a slot.
pub(crate) fn packs(slot: &StockedSlot) -> Result<SlotStock, Failure> {
    SlotStock::new(slot.figures).ok_or_else(|| Failure::inconsistent("stored stock figures do not add up"))
}
