//! The accounts.

use crate::ids::{Id, OrderId, WorkerId};

crate::text_enum! {
    /// What an account is for.
    pub enum AccountKind {
        /// Where the network's money comes from; the only one that may be overdrawn.
        NetworkFund = "network_fund",
        /// What one worker may spend.
        WorkerSubsidy = "worker_subsidy",
        /// Paid for one order, and neither dispensed nor refunded yet.
        OrderClearing = "order_clearing",
        /// Earned by packs that came out.
        DispensingRevenue = "dispensing_revenue",
    }
}

impl AccountKind {
    /// May its balance be negative?
    pub const fn may_overdraw(self) -> bool {
        match self {
            Self::NetworkFund => true,
            Self::WorkerSubsidy | Self::OrderClearing | Self::DispensingRevenue => false,
        }
    }
}

/// Marks the id of whoever or whatever an account belongs to.
#[derive(Debug)]
pub enum AccountOwner {}

/// A worker's or an order's id, as the owner of an account.
pub type AccountOwnerId = Id<AccountOwner>;

/// An account, named by what it is for; storage finds its id by kind and owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountRef {
    /// The one fund.
    NetworkFund,
    /// Of one worker.
    WorkerSubsidy(WorkerId),
    /// Of one order.
    OrderClearing(OrderId),
    /// The one revenue account.
    DispensingRevenue,
}

impl AccountRef {
    /// What it is for.
    pub const fn kind(self) -> AccountKind {
        match self {
            Self::NetworkFund => AccountKind::NetworkFund,
            Self::WorkerSubsidy(_) => AccountKind::WorkerSubsidy,
            Self::OrderClearing(_) => AccountKind::OrderClearing,
            Self::DispensingRevenue => AccountKind::DispensingRevenue,
        }
    }

    /// Whose it is; `None` for the accounts that exist once.
    pub const fn owner(self) -> Option<AccountOwnerId> {
        match self {
            Self::NetworkFund | Self::DispensingRevenue => None,
            Self::WorkerSubsidy(worker) => Some(AccountOwnerId::from_uuid(worker.uuid())),
            Self::OrderClearing(order) => Some(AccountOwnerId::from_uuid(order.uuid())),
        }
    }
}
