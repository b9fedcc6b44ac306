//! The money of the network: double entry, whole fen.
//!
//! Every transfer sums to zero, so money is only ever moved. Workers spend a subsidy
//! that the network grants to
//! people whom it knows; what they pay rests in clearing until the pack has come
//! out or the money goes back. Nothing here rounds, and no worker's balance falls
//! below zero.

pub mod account;
pub mod transfer;

pub use account::{AccountKind, AccountOwnerId, AccountRef};
pub use transfer::{
    Posting, Transfer, TransferReason, allowance_month, can_pay, grant_allowance, grant_phone_allowance,
    merge_worker, merged_return, pay_order, refund_unit, settle_unit, unmerge_worker,
};
