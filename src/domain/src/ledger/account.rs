//! The ledger's accounts.

use crate::ids::{Id, OrderId, WorkerId};

crate::text_enum! {
    /// What an account is for.
    pub enum AccountKind {
        /// Source of the network's money; the only account that may be overdrawn.
        NetworkFund = "network_fund",
        /// The money that one worker may spend.
        WorkerSubsidy = "worker_subsidy",
        /// Paid for one order, but not yet settled or refunded.
        OrderClearing = "order_clearing",
        /// Revenue from dispensed packs.
        DispensingRevenue = "dispensing_revenue",
    }
}

impl AccountKind {
    /// Whether the balance may be negative.
    pub const fn may_overdraw(self) -> bool {
        match self {
            Self::NetworkFund => true,
            Self::WorkerSubsidy | Self::OrderClearing | Self::DispensingRevenue => false,
        }
    }
}

/// Type marker for [`AccountOwnerId`].
#[derive(Debug)]
pub enum AccountOwner {}

/// A worker's or an order's id, as the owner of an account.
pub type AccountOwnerId = Id<AccountOwner>;

/// An account by kind and owner; storage looks up its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountRef {
    /// Exists once.
    NetworkFund,
    WorkerSubsidy(WorkerId),
    OrderClearing(OrderId),
    /// Exists once.
    DispensingRevenue,
}

impl AccountRef {
    pub const fn kind(self) -> AccountKind {
        match self {
            Self::NetworkFund => AccountKind::NetworkFund,
            Self::WorkerSubsidy(_) => AccountKind::WorkerSubsidy,
            Self::OrderClearing(_) => AccountKind::OrderClearing,
            Self::DispensingRevenue => AccountKind::DispensingRevenue,
        }
    }

    /// `None` for the accounts that exist once.
    pub const fn owner(self) -> Option<AccountOwnerId> {
        match self {
            Self::NetworkFund | Self::DispensingRevenue => None,
            Self::WorkerSubsidy(worker) => Some(AccountOwnerId::from_uuid(worker.uuid())),
            Self::OrderClearing(order) => Some(AccountOwnerId::from_uuid(order.uuid())),
        }
    }
}
