//! The events of the ledger: codes, ids and amounts only.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::{AccountKind, AccountOwnerId};
use crate::{event::events, money::Fen};

/// One side of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostedAmount {
    pub account: AccountKind,
    /// The worker or the order; none for an account that exists once.
    pub owner: Option<AccountOwnerId>,
    /// Positive raises the balance, negative lowers it.
    pub amount_fen: Fen,
}

events! {
    /// Money moved. The reference is unique among the transfers of one kind.
    pub enum TransferEvent, kinds TransferEventKind {
        AllowanceGranted = "ledger.allowance_granted" to(worker) {
            reference: String,
            postings: Vec<PostedAmount>,
        },
        OrderPaid = "ledger.order_paid" to(worker) { reference: String, postings: Vec<PostedAmount> },
        UnitSettled = "ledger.unit_settled" to(worker) { reference: String, postings: Vec<PostedAmount> },
        UnitRefunded = "ledger.unit_refunded" to(worker) { reference: String, postings: Vec<PostedAmount> },
        WorkerMerge = "ledger.worker_merge" to(worker) { reference: String, postings: Vec<PostedAmount> },
    }
}
