//! Balanced movements of money.

use serde_json::{Value, json};

use super::account::AccountRef;
use crate::{
    ids::{OrderId, OrderUnitId, WorkerId},
    money::Fen,
    refusal::{Code, Refusal},
    words::Bilingual,
};

crate::text_enum! {
    /// Why money moved. With its reference it is unique: the same thing is never
    /// booked twice.
    pub enum TransferReason {
        /// A worker's allowance for one month.
        AllowanceGranted = "allowance_granted",
        /// An order was paid.
        OrderPaid = "order_paid",
        /// A pack came out.
        UnitSettled = "unit_settled",
        /// A pack did not come out.
        UnitRefunded = "unit_refunded",
        /// A walk-in turned out to be a worker with a card.
        WorkerMerge = "worker_merge",
    }
}

/// One side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// Where.
    pub account: AccountRef,
    /// Positive comes in, negative goes out; never zero.
    pub amount: Fen,
}

/// A balanced set of postings, one per account. Made only by `new`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    reason: TransferReason,
    reference: String,
    postings: Vec<Posting>,
}

impl Transfer {
    /// # Errors
    /// `invalid_field` with one entry: empty, a zero amount, an account named twice,
    /// or a sum that is not zero.
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

    /// Why.
    pub fn reason(&self) -> TransferReason {
        self.reason
    }

    /// What for: unique among the transfers of one reason.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The sides.
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }

    /// The stable name in the event log.
    pub const fn kind(&self) -> &'static str {
        match self.reason {
            TransferReason::AllowanceGranted => "ledger.allowance_granted",
            TransferReason::OrderPaid => "ledger.order_paid",
            TransferReason::UnitSettled => "ledger.unit_settled",
            TransferReason::UnitRefunded => "ledger.unit_refunded",
            TransferReason::WorkerMerge => "ledger.worker_merge",
        }
    }

    /// Codes, ids and amounts.
    pub fn payload(&self) -> Value {
        let side = |posting: &Posting| {
            json!({
                "account": posting.account.kind(), "owner": posting.account.owner(), "amount_fen": posting.amount,
            })
        };
        json!({ "reference": self.reference, "postings": self.postings.iter().map(side).collect::<Vec<_>>() })
    }
}

/// Can a worker with this balance pay this much?
///
/// # Errors
/// `balance_too_low`; `invalid_field` for a negative amount.
pub fn can_pay(balance: Fen, amount: Fen) -> Result<(), Refusal> {
    if amount < Fen::ZERO {
        return Err(Refusal::new(Code::InvalidField));
    }
    if balance < amount {
        return Err(Refusal::new(Code::BalanceTooLow));
    }
    Ok(())
}

/// A month's allowance: fund to worker. `month` is `2026-11`.
///
/// # Errors
/// A negative amount; `Ok(None)` where it is zero and nothing moves.
pub fn grant_allowance(worker: WorkerId, month: &str, amount: Fen) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::NetworkFund, AccountRef::WorkerSubsidy(worker));
    moved(TransferReason::AllowanceGranted, format!("{worker}/{month}"), from, to, amount)
}

/// As [`grant_allowance`], for somebody who is known by a proved phone only:
/// one for each phone and month, whoever of its people is first. `phone` is its
/// keyed digest.
///
/// # Errors
/// As there.
pub fn grant_phone_allowance(
    worker: WorkerId,
    phone: &str,
    month: &str,
    amount: Fen,
) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::NetworkFund, AccountRef::WorkerSubsidy(worker));
    moved(TransferReason::AllowanceGranted, format!("phone/{phone}/{month}"), from, to, amount)
}

/// The month of an allowance, from the reference of its transfer.
pub fn allowance_month(reference: &str) -> Option<&str> {
    reference.rsplit_once('/').map(|(_, month)| month)
}

/// A payment: worker to the order's clearing. Ask `can_pay` first.
///
/// # Errors
/// As `grant_allowance`.
pub fn pay_order(worker: WorkerId, order: OrderId, total: Fen) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::WorkerSubsidy(worker), AccountRef::OrderClearing(order));
    moved(TransferReason::OrderPaid, order.to_string(), from, to, total)
}

/// A pack came out: clearing to revenue.
///
/// # Errors
/// As `grant_allowance`.
pub fn settle_unit(order: OrderId, unit: OrderUnitId, amount: Fen) -> Result<Option<Transfer>, Refusal> {
    let (from, to) = (AccountRef::OrderClearing(order), AccountRef::DispensingRevenue);
    moved(TransferReason::UnitSettled, unit.to_string(), from, to, amount)
}

/// A pack did not come out: clearing back to the worker.
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
    moved(TransferReason::UnitRefunded, unit.to_string(), from, to, amount)
}

/// What of two people's balances goes back to the fund when they turn out to be
/// one: what both were granted for the same months, as far as it is not spent.
/// So what either of them used counts against the one allowance.
pub fn merged_return(from: Fen, into: Fen, granted_twice: Fen) -> Fen {
    Fen(granted_twice.0.min(from.0.saturating_add(into.0)).max(0))
}

/// Brings the balance of one worker under another. `returned` goes back to the
/// fund ([`merged_return`]). `reference` is the merge.
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
        return Err(Refusal::new(Code::InvalidField));
    }
    three_ways(from, into, reference.to_owned(), -balance, Fen(balance.0 - returned.0), returned)
}

/// Undoes a merge: `from` has again what they had. What `into` cannot give back,
/// since they have spent it, comes out of the fund: the other person has no
/// part in it.
///
/// # Errors
/// As `grant_allowance`.
pub fn unmerge_worker(
    from: WorkerId,
    into: WorkerId,
    reference: &str,
    balance: Fen,
    returned: Fen,
    into_holds: Fen,
) -> Result<Option<Transfer>, Refusal> {
    if balance < Fen::ZERO || returned < Fen::ZERO || into_holds < Fen::ZERO {
        return Err(Refusal::new(Code::InvalidField));
    }
    let back = Fen((balance.0 - returned.0).min(into_holds.0));
    three_ways(from, into, format!("{reference}/undone"), balance, -back, Fen(back.0 - balance.0))
}

fn three_ways(
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

fn moved(
    reason: TransferReason,
    reference: String,
    from: AccountRef,
    to: AccountRef,
    amount: Fen,
) -> Result<Option<Transfer>, Refusal> {
    if amount < Fen::ZERO {
        return Err(Refusal::new(Code::InvalidField));
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
