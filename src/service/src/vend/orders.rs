//! The orders and attempts that a transaction works on, each read once under the lock of its
//! cabinet and then as the transaction's own writes left it.

use std::collections::HashMap;

use super::attempt::LoadedAttempt;
use crate::{Failure, Tx, order::write::LoadedOrder};
use domain::{
    ids::{AttemptId, OrderId, OrderUnitId},
    refusal::Code,
};
use storage::order::{
    self as store, WholeOrder,
    prescribed::{self, WithLines},
};

#[derive(Debug, Default)]
pub(crate) struct Orders {
    orders: HashMap<OrderId, LoadedOrder>,
    attempts: HashMap<AttemptId, LoadedAttempt>,
}

impl Orders {
    /// Reads the orders of these attempts, unless they are there already.
    ///
    /// # Errors
    /// Faults of the storage.
    pub fn read_attempts(&mut self, tx: &mut Tx<'_>, ids: &[AttemptId]) -> Result<(), Failure> {
        let missing: Vec<AttemptId> =
            ids.iter().copied().filter(|id| !self.attempts.contains_key(id)).collect();
        for order in store::orders_of_attempts(tx.conn, &missing)? {
            self.put(tx, order)?;
        }
        Ok(())
    }

    /// Reads an order, unless it is there already; `None` if it does not exist.
    ///
    /// # Errors
    /// Faults of the storage.
    pub fn read(&mut self, tx: &mut Tx<'_>, id: OrderId) -> Result<Option<&mut LoadedOrder>, Failure> {
        if !self.orders.contains_key(&id)
            && let Some(order) = store::order_whole(tx.conn, id)?
        {
            self.put(tx, order)?;
        }
        Ok(self.orders.get_mut(&id))
    }

    /// As [`Self::read`], and returns the prescription of the order as it is stored.
    ///
    /// # Errors
    /// Faults of the storage.
    pub fn read_prescribed(&mut self, tx: &mut Tx<'_>, id: OrderId) -> Result<Option<WithLines>, Failure> {
        let found = prescribed::order_prescribed(tx.conn, id)?;
        self.put_prescribed(tx, found)
    }

    /// As [`Self::read_prescribed`], for the order of an attempt.
    ///
    /// # Errors
    /// Faults of the storage.
    pub fn read_attempt_prescribed(
        &mut self,
        tx: &mut Tx<'_>,
        id: AttemptId,
    ) -> Result<Option<WithLines>, Failure> {
        let found = prescribed::order_prescribed_of_attempt(tx.conn, id)?;
        self.put_prescribed(tx, found)
    }

    fn put_prescribed(
        &mut self,
        tx: &Tx<'_>,
        found: Option<(WholeOrder, Option<WithLines>)>,
    ) -> Result<Option<WithLines>, Failure> {
        let Some((order, prescription)) = found else { return Ok(None) };
        self.put(tx, order)?;
        Ok(prescription)
    }

    fn put(&mut self, tx: &Tx<'_>, order: WholeOrder) -> Result<(), Failure> {
        let WholeOrder { row, units, attempts } = order;
        // Two attempts of one batch may have the same order.
        if self.orders.contains_key(&row.id) {
            return Ok(());
        }
        for attempt in attempts {
            self.attempts.insert(attempt.id, LoadedAttempt::new(tx, attempt, row.worker_id)?);
        }
        self.orders.insert(row.id, LoadedOrder::new(tx, row, units)?);
        Ok(())
    }

    /// An order that was read.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn order(&mut self, id: OrderId) -> Result<&mut LoadedOrder, Failure> {
        self.orders.get_mut(&id).ok_or_else(|| Code::NotFound.into())
    }

    /// An attempt that was read.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn attempt(&mut self, id: AttemptId) -> Result<&mut LoadedAttempt, Failure> {
        self.attempts.get_mut(&id).ok_or_else(|| Code::NotFound.into())
    }

    /// The attempts for a pack.
    pub fn attempts_of(&self, unit: OrderUnitId) -> impl Iterator<Item = &LoadedAttempt> {
        self.attempts.values().filter(move |attempt| attempt.row.order_unit_id == unit)
    }

    /// The attempts of an order, oldest first.
    pub fn attempts_of_order(&self, order: OrderId) -> Vec<&LoadedAttempt> {
        let mut all: Vec<_> =
            self.attempts.values().filter(|attempt| attempt.row.order_id == order).collect();
        all.sort_unstable_by_key(|attempt| attempt.row.id);
        all
    }

    /// Adds attempts that were issued for an order that was read.
    pub fn add(&mut self, issued: Vec<LoadedAttempt>) {
        self.attempts.extend(issued.into_iter().map(|attempt| (attempt.row.id, attempt)));
    }
}
