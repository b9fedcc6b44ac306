use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn bad_postings_are_refused() {
    let code = |postings: &[(AccountRef, i64)]| {
        let postings =
            postings.iter().map(|(account, n)| Posting { account: *account, amount: Fen(*n) }).collect();
        Transfer::new(TransferReason::OrderPaid, "x", postings).unwrap_err().fields[0].code.clone()
    };
    let (fund, revenue) = (AccountRef::NetworkFund, AccountRef::DispensingRevenue);
    assert_eq!(code(&[]), "empty");
    assert_eq!(code(&[(fund, 0)]), "zero_amount");
    assert_eq!(code(&[(fund, 1), (fund, -1)]), "account_twice");
    assert_eq!(code(&[(fund, 1), (revenue, -2)]), "unbalanced");
    assert_eq!(code(&[(fund, i64::MAX), (revenue, i64::MAX)]), "unbalanced");
}

#[test]
fn merged_workers_have_one_allowance_and_spending_by_either_counts() {
    // Balances before, amount granted twice, balance after the merge.
    for (from, into, twice, left) in
        [(20, 20, 20, 20), (5, 20, 20, 5), (5, 10, 20, 0), (0, 0, 20, 0), (20, 0, 0, 20), (25, 40, 20, 45)]
    {
        let returned = merged_return(Fen(from), Fen(into), Fen(twice));
        assert_eq!(from + into - returned.0, left, "{from} {into} {twice}");
    }
}

#[test]
fn undoing_a_merge_restores_the_balance() {
    let (one, other) = (WorkerId::generate(), WorkerId::generate());
    // Balance before the merge, returned then, the other's balance now: what each gets.
    for (balance, returned, other_balance, into, fund) in
        [(20, 20, 20, 0, -20), (20, 0, 20, -20, 0), (20, 0, 5, -5, -15), (5, 20, 5, 15, -20), (0, 0, 9, 0, 0)]
    {
        let transfer =
            unmerge_worker(one, other, "m", Fen(balance), Fen(returned), Fen(other_balance)).expect("fine");
        let amount = |account| {
            let of = |transfer: &Transfer| {
                transfer
                    .postings()
                    .iter()
                    .find(|side| side.account == account)
                    .map_or(0, |side| side.amount.0)
            };
            transfer.as_ref().map_or(0, of)
        };
        assert_eq!(amount(AccountRef::WorkerSubsidy(one)), balance);
        assert_eq!(amount(AccountRef::WorkerSubsidy(other)), into);
        assert_eq!(amount(AccountRef::NetworkFund), fund);
    }
}

proptest! {
    /// Allowances, payments, settlements and refunds in any order.
    #[test]
    fn sums_stay_zero_and_only_the_fund_is_overdrawn(
        steps in proptest::collection::vec((0u8..4, 0usize..2, 0i64..50), 0..60),
    ) {
        let workers = [WorkerId::generate(), WorkerId::generate()];
        let mut balances: BTreeMap<AccountRef, i64> = BTreeMap::new();
        let mut open: Vec<(WorkerId, OrderId, OrderUnitId, Fen)> = Vec::new();
        for (what, who, n) in steps {
            let (worker, amount) = (workers[who], Fen(n));
            let transfer = match what {
                0 => grant_allowance(worker, "2026-11", amount).unwrap(),
                1 => {
                    let balance = Fen(balances.get(&AccountRef::WorkerSubsidy(worker)).copied().unwrap_or(0));
                    if can_pay(balance, amount).is_err() {
                        prop_assert!(balance < amount);
                        continue;
                    }
                    let order = OrderId::generate();
                    open.push((worker, order, OrderUnitId::generate(), amount));
                    pay_order(worker, order, amount).unwrap()
                }
                _ => {
                    if open.is_empty() { continue }
                    let (worker, order, unit, amount) = open.swap_remove(n as usize % open.len());
                    if what == 2 { settle_unit(order, unit, amount).unwrap() }
                    else { refund_unit(worker, order, unit, amount).unwrap() }
                }
            };
            for posting in transfer.iter().flat_map(|t| t.postings()) {
                *balances.entry(posting.account).or_default() += posting.amount.0;
            }
            prop_assert_eq!(balances.values().sum::<i64>(), 0);
            for (account, balance) in &balances {
                prop_assert!(*balance >= 0 || account.kind().may_overdraw(), "{:?} {}", account, balance);
            }
            let clearing: i64 = open.iter().map(|(.., amount)| amount.0).sum();
            let in_clearing: i64 = balances.iter().filter(|(a, _)| matches!(a, AccountRef::OrderClearing(_))).map(|(_, b)| b).sum();
            prop_assert_eq!(in_clearing, clearing);
        }
    }
}
