//! Balanced transfers of money.

use super::{
    account::AccountRef,
    event::{PostedAmount, TransferEvent},
};
use crate::{
    ids::{OrderId, OrderUnitId, WorkerId},
    money::Fen,
    refusal::{Code, Refusal},
    words::Bilingual,
};

crate::text_enum! {
    /// Why money moved. Reason and reference together are unique, so nothing is
    /// booked twice.
    pub enum TransferReason {
        /// A worker's allowance for one month.
        AllowanceGranted = "allowance_granted",
        OrderPaid = "order_paid",
        /// A pack was dispensed.
        UnitSettled = "unit_settled",
        /// A pack was not dispensed.
        UnitRefunded = "unit_refunded",
        /// Two worker records of one person were merged, or a merge was undone.
        WorkerMerge = "worker_merge",
    }
}

/// One side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    pub account: AccountRef,
    /// Positive raises the balance, negative lowers it; never zero.
    pub amount: Fen,
}

/// A balanced set of postings, one per account. Only `new` creates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    reason: TransferReason,
    reference: String,
    postings: Vec<Posting>,
}

impl Transfer {
    /// # Errors
    /// `invalid_field` with one entry: no postings, a zero amount, a repeated account, or a
    /// sum that is not zero.
    pub fn new(
        reason: TransferReason,
        reference: impl Into<String>,
        postings: Vec<Posting>,
    ) -> Result<Self, Refusal> {
        let mut accounts: Vec<AccountRef> = postings.iter().map(|posting| posting.account).collect();
        accounts.sort_unstable();
        let problem = if postings.is_empty() {
            Some("empty")
        } else if postings.iter().any(|posting| posting.amount == Fen::ZERO) {
            Some("zero_amount")
        } else if accounts.windows(2).any(|pair| pair[0] == pair[1]) {
            Some("account_twice")
        } else if postings.iter().map(|posting| i128::from(posting.amount.0)).sum::<i128>() != 0 {
            Some("unbalanced")
        } else {
            None
        };
        match problem {
            Some(code) => {
                let message = Bilingual::fixed("借贷必须平衡。", "The postings must balance.");
                Err(Refusal::field("postings", code, message))
            }
            None => Ok(Self { reason, reference: reference.into(), postings }),
        }
    }

    pub fn reason(&self) -> TransferReason {
        self.reason
    }

    /// Unique among the transfers of one reason.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }

    /// The event that records it.
    pub fn event(&self) -> TransferEvent {
        let side = |posting: &Posting| PostedAmount {
            account: posting.account.kind(),
            owner: posting.account.owner(),
            amount_fen: posting.amount,
        };
        let reference = self.reference.clone();
        let postings = self.postings.iter().map(side).collect();
        match self.reason {
            TransferReason::AllowanceGranted => TransferEvent::AllowanceGranted { reference, postings },
            TransferReason::OrderPaid => TransferEvent::OrderPaid { reference, postings },
            TransferReason::UnitSettled => TransferEvent::UnitSettled { reference, postings },
            TransferReason::UnitRefunded => TransferEvent::UnitRefunded { reference, postings },
            TransferReason::WorkerMerge => TransferEvent::WorkerMerge { reference, postings },
        }
    }
}

/// Checks that a worker with this balance can pay this amount.
///
/// # Errors
/// `balance_too_low`; `invalid_field` for a negative amount.
pub fn can_pay(balance: Fen, amount: Fen) -> Result<(), Refusal> {
    if amount < Fen::ZERO {
        return Err(Refusal::out_of_range("amount_fen"));
    }
    if balance < amount {
        return Err(Refusal::new(Code::BalanceTooLow));
    }
    Ok(())
}

/// A monthly allowance, from the fund to the worker. `month` is written `2026-11`.
/// `Ok(None)` if the amount is zero.
///
/// # Errors
/// `invalid_field` for a negative amount.
pub fn grant_allowance(worker: WorkerId, month: &str, amount: Fen) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::NetworkFund, AccountRef::WorkerSubsidy(worker));
    transfer_between(TransferReason::AllowanceGranted, format!("{worker}/{month}"), from, to, amount)
}

/// As [`grant_allowance`], for a worker who is identified by a verified phone only:
/// one allowance per phone and month, for the first person who uses it. `phone` is the
/// keyed digest of the number.
///
/// # Errors
/// As `grant_allowance`.
pub fn grant_phone_allowance(
    worker: WorkerId,
    phone: &str,
    month: &str,
    amount: Fen,
) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::NetworkFund, AccountRef::WorkerSubsidy(worker));
    transfer_between(TransferReason::AllowanceGranted, format!("phone/{phone}/{month}"), from, to, amount)
}

/// The month of an allowance, from the reference of its transfer.
pub fn allowance_month(reference: &str) -> Option<&str> {
    reference.rsplit_once('/').map(|(_, month)| month)
}

/// A payment, from the worker to the order's clearing account. Call `can_pay` first.
///
/// # Errors
/// As `grant_allowance`.
pub fn pay_order(worker: WorkerId, order: OrderId, total: Fen) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::WorkerSubsidy(worker), AccountRef::OrderClearing(order));
    transfer_between(TransferReason::OrderPaid, order.to_string(), from, to, total)
}

/// Settles a dispensed pack, from clearing to revenue.
///
/// # Errors
/// As `grant_allowance`.
pub fn settle_unit(order: OrderId, unit: OrderUnitId, amount: Fen) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::OrderClearing(order), AccountRef::DispensingRevenue);
    transfer_between(TransferReason::UnitSettled, unit.to_string(), from, to, amount)
}

/// Refunds a pack that was not dispensed, from clearing to the worker.
///
/// # Errors
/// As `grant_allowance`.
pub fn refund_unit(
    worker: WorkerId,
    order: OrderId,
    unit: OrderUnitId,
    amount: Fen,
) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::OrderClearing(order), AccountRef::WorkerSubsidy(worker));
    transfer_between(TransferReason::UnitRefunded, unit.to_string(), from, to, amount)
}

/// The amount that goes back to the fund when two worker records are merged: what both
/// were granted for the same months, up to the sum of their balances. So spending by
/// either record counts against the one allowance.
pub fn merged_return(from: Fen, into: Fen, granted_twice: Fen) -> Fen {
    Fen(granted_twice.0.min(from.0.saturating_add(into.0)).max(0))
}

/// Moves the balance of worker `from` to `into`. `returned` goes back to the
/// fund ([`merged_return`]). `reference` identifies the merge.
///
/// # Errors
/// As `grant_allowance`.
pub fn merge_worker(
    from: WorkerId,
    into: WorkerId,
    reference: &str,
    balance: Fen,
    returned: Fen,
) -> Result<Option<Transfer>, Refusal> {
    if balance < Fen::ZERO || returned < Fen::ZERO {
        return Err(Refusal::out_of_range("balance_fen"));
    }
    merge_transfer(from, into, reference.to_owned(), -balance, Fen(balance.0 - returned.0), returned)
}

/// Undoes a merge: restores the balance of `from`. What `into` cannot give back because
/// it is spent comes out of the fund, since `from` did not spend it. `into_balance` is
/// the present balance of `into`.
///
/// # Errors
/// As `grant_allowance`.
pub fn unmerge_worker(
    from: WorkerId,
    into: WorkerId,
    reference: &str,
    balance: Fen,
    returned: Fen,
    into_balance: Fen,
) -> Result<Option<Transfer>, Refusal> {
    if balance < Fen::ZERO || returned < Fen::ZERO || into_balance < Fen::ZERO {
        return Err(Refusal::out_of_range("balance_fen"));
    }
    let back = Fen((balance.0 - returned.0).min(into_balance.0));
    merge_transfer(from, into, format!("{reference}/undone"), balance, -back, Fen(back.0 - balance.0))
}

fn merge_transfer(
    from: WorkerId,
    into: WorkerId,
    reference: String,
    to_from: Fen,
    to_into: Fen,
    to_fund: Fen,
) -> Result<Option<Transfer>, Refusal> {
    let sides = [
        (AccountRef::WorkerSubsidy(from), to_from),
        (AccountRef::WorkerSubsidy(into), to_into),
        (AccountRef::NetworkFund, to_fund),
    ];
    let sides = sides.into_iter().filter(|(_, amount)| *amount != Fen::ZERO);
    let sides: Vec<Posting> = sides.map(|(account, amount)| Posting { account, amount }).collect();
    if sides.is_empty() {
        return Ok(None);
    }
    Transfer::new(TransferReason::WorkerMerge, reference, sides).map(Some)
}

fn transfer_between(
    reason: TransferReason,
    reference: String,
    from: AccountRef,
    to: AccountRef,
    amount: Fen,
) -> Result<Option<Transfer>, Refusal> {
    if amount < Fen::ZERO {
        return Err(Refusal::out_of_range("amount_fen"));
    }
    if amount == Fen::ZERO {
        return Ok(None);
    }
    let sides = vec![Posting { account: from, amount: -amount }, Posting { account: to, amount }];
    Transfer::new(reason, reference, sides).map(Some)
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
