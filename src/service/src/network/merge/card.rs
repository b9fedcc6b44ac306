//! Which card opens a merged record. A worker who lost their card and was registered again has a
//! stopped card on the old record and a working one on the new: whichever record remains gets the
//! working card. If both cards work, the remaining record keeps its own.

use serde::{Deserialize, Serialize};

use crate::{Failure, Recipients, Tx};
use domain::event::worker::WorkerEvent;
use domain::ids::WorkerId;
use storage::network::{
    worker::WorkerRow,
    worker_change::{self as store, CardFields},
};

/// The working card that was moved, as it was on the merged record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    index: Vec<u8>,
    pin_salt: Option<Vec<u8>>,
    pin_mac: Option<Vec<u8>>,
}

/// Whether the card of `source` moves to `target`: it works and that of `target` is stopped.
pub(super) fn comes_over(source: &WorkerRow, target: &WorkerRow) -> bool {
    let works = source.card_index.is_some() && source.card_stopped_at.is_none();
    works && target.card_stopped_at.is_some()
}

/// Exchanges the two cards if only that of `source` works.
pub(super) fn take(
    tx: &mut Tx<'_>,
    source: &WorkerRow,
    target: &WorkerRow,
) -> Result<Option<Taken>, Failure> {
    let Some(index) = source.card_index.clone().filter(|_| comes_over(source, target)) else {
        return Ok(None);
    };
    store::cards_exchange(tx.conn, source, target)?;
    let event = WorkerEvent::CardReplaced { merged_from: Some(source.id), unmerged_from: None };
    tx.record(target.id, event, Recipients::worker(target.id))?;
    Ok(Some(Taken { index, pin_salt: source.pin_salt.clone(), pin_mac: source.pin_mac.clone() }))
}

/// Moves the card back when the merge is undone, unless its worker got another one since.
pub(super) fn give_back(
    tx: &mut Tx<'_>,
    from: WorkerId,
    target: &WorkerRow,
    taken: Option<Taken>,
) -> Result<(), Failure> {
    let (Some(taken), Some(source)) = (taken, storage::network::worker::worker_fetch(tx.conn, from)?) else {
        return Ok(());
    };
    if target.card_index.as_deref() == Some(taken.index.as_slice()) {
        store::cards_exchange(tx.conn, &source, target)?;
    } else if storage::network::worker::worker_by_card(tx.conn, &taken.index)?.is_none() {
        let Taken { index, pin_salt, pin_mac } = taken;
        // The card was replaced and so counts as lost; the one exchanged for it was stopped.
        let card = CardFields { index: Some(index), pin_salt, pin_mac, stopped_at: source.card_stopped_at };
        store::card_fields_set(tx.conn, from, &card)?;
    }
    let event = WorkerEvent::CardReplaced { merged_from: None, unmerged_from: Some(target.id) };
    tx.record(from, event, Recipients::worker(from))
}
