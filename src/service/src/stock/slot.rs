//! How decisions about a slot are carried out.

use crate::{
    Failure, Recipients, Tx,
    machine::{Machine, commit},
    vend::slot_no,
};
use domain::{
    event::cabinet::CabinetEvent,
    ids::CabinetId,
    refusal::{Code, Refusal},
    stock::{Slot, SlotClosedReason, SlotCommand, SlotEvent},
    time::Timestamp,
};
use storage::stock::{self as store, SlotRow};

/// A slot whose cabinet is locked.
#[derive(Debug, Clone)]
pub(crate) struct LoadedSlot {
    row: SlotRow,
    slot: Slot,
    /// Whether the cabinet's log records the change. An attempt that closes a slot does so in its own.
    recorded: bool,
    now: Timestamp,
}

impl LoadedSlot {
    /// # Errors
    /// A stored slot number that is none.
    pub fn new(tx: &Tx<'_>, row: SlotRow) -> Result<Self, Failure> {
        let slot = Slot { number: slot_no(row.slot_no)?, closed: row.closed_reason };
        Ok(Self { row, slot, recorded: true, now: tx.now })
    }

    /// Decides on the slot, and carries it out.
    ///
    /// # Errors
    /// Faults of the storage.
    pub fn command(self, tx: &mut Tx<'_>, command: SlotCommand) -> Result<(), Failure> {
        let event = self.slot.decide(command);
        commit(tx, &self, event.as_slice())?;
        Ok(())
    }

    /// Closes the slot because of an attempt, whose event records it.
    ///
    /// # Errors
    /// Faults of the storage.
    pub fn close_by_attempt(self, tx: &mut Tx<'_>, reason: SlotClosedReason) -> Result<(), Failure> {
        Self { recorded: false, ..self }.command(tx, SlotCommand::Close(reason))
    }
}

impl Machine for LoadedSlot {
    type Event = SlotEvent;

    fn apply(&mut self, event: &SlotEvent) {
        self.slot.apply(event);
        self.row.closed_reason = self.slot.closed;
        self.row.closed_at = match event {
            SlotEvent::Closed { .. } => Some(self.now),
            SlotEvent::Reclosed { .. } => self.row.closed_at,
            SlotEvent::Opened { .. } => None,
        };
    }

    fn write(&self, after: &Self, _: &[SlotEvent], tx: &mut Tx<'_>) -> Result<bool, Failure> {
        Ok(store::slot_replace(tx.conn, self.row.closed_reason, &after.row)?)
    }

    fn record(&self, event: &SlotEvent, tx: &mut Tx<'_>) -> Result<(), Failure> {
        if !self.recorded {
            return Ok(());
        }
        tx.record(self.row.cabinet_id, CabinetEvent::from(*event), Recipients::nobody())
    }

    fn moved_on(&self, tx: &mut Tx<'_>) -> Result<Refusal, Failure> {
        Ok(match store::slot_fetch(tx.conn, self.row.cabinet_id, self.row.slot_no)? {
            Some(slot) => match slot.row.closed_reason {
                Some(reason) => Refusal::moved_on(reason),
                None => Refusal::moved_on("open"),
            },
            None => Refusal::new(Code::NotFound),
        })
    }
}

/// Closes a slot for a reason of the cabinet itself, not of an attempt.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn close_slot(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    slot: i32,
    reason: SlotClosedReason,
) -> Result<(), Failure> {
    match store::slot_fetch(tx.conn, cabinet, slot)? {
        Some(slot) => LoadedSlot::new(tx, slot.row)?.command(tx, SlotCommand::Close(reason)),
        None => Ok(()),
    }
}
