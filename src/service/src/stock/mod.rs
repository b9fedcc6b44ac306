//! Moves packs between the places of the stock records.

pub mod check;
mod folds;
pub mod recall;
pub(crate) mod restocking;

use crate::{Failure, Tx};
use domain::{
    refusal::Code,
    stock::{Movement, SlotStock},
};
use storage::stock::{self as store, StockKey};

/// Another transaction may move packs of the same lot between reading and writing; after this many
/// tries the operation fails with `Overloaded`.
const TRIES: usize = 8;

/// Moves packs of one lot in one slot, by the rules of `SlotStock`.
///
/// # Errors
/// Refusals of the rules: `OutOfStock`, `AttemptInDoubt`; `Overloaded` under contention.
pub fn move_packs(tx: &mut Tx<'_>, key: &StockKey, movement: Movement) -> Result<(), Failure> {
    for _ in 0..TRIES {
        let figures = store::stock_figures(tx.conn, key)?.ok_or(Code::OutOfStock)?;
        let stock = SlotStock::new(figures)
            .ok_or_else(|| Failure::inconsistent("stored stock figures do not add up"))?;
        let next = stock.after(movement)?;
        if store::stock_replace(tx.conn, key, figures, next.figures())? {
            return Ok(());
        }
    }
    Err(Code::Overloaded.into())
}

/// The packs of one lot in one slot.
pub fn packs(tx: &mut Tx<'_>, key: &StockKey) -> Result<SlotStock, Failure> {
    match store::stock_figures(tx.conn, key)? {
        Some(figures) => {
            SlotStock::new(figures).ok_or_else(|| Failure::inconsistent("stored stock figures do not add up"))
        }
        None => Ok(SlotStock::EMPTY),
    }
}
