//! The money of the network: double entry, whole fen.
//!
//! Every transfer sums to zero, so money is never created or lost. Workers spend a
//! subsidy that the network grants to identified people; a payment stays in the order's
//! clearing account until the pack is dispensed or refunded. Nothing here rounds, and a
//! worker's balance is never negative.

pub mod account;
mod event;
pub mod transfer;

pub use account::{AccountKind, AccountOwnerId, AccountRef};
pub use event::{PostedAmount, TransferEvent, TransferEventKind};
pub use transfer::{
    Transfer, TransferReason, allowance_month, can_pay, grant_allowance, grant_phone_allowance, merge_worker,
    merged_return, pay_order, refund_unit, settle_unit, unmerge_worker,
};
