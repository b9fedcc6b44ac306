//! The differences between a cabinet and the server that must be reconciled before anything may
//! start, and which of two boots is the current one.

use super::{identity::JournalHash, journal::JournalHead, messages::SlotReport};
use crate::time::Timestamp;

crate::text_enum! {
    /// How a cabinet and the server differ.
    pub enum DiscrepancyKind {
        /// Entries of the cabinet's journal have not arrived yet.
        JournalBehind = "journal_behind",
        /// The cabinet's journal is shorter than the part that the server has received.
        JournalLost = "journal_lost",
        /// The cabinet's journal contradicts the part that the server has received.
        JournalForked = "journal_forked",
        /// A slot holds another product or lot than the ledger shows.
        OtherProduct = "other_product",
    }
}

impl DiscrepancyKind {
    /// Whether the normal next steps of a working cabinet resolve it, without a person.
    pub fn passes(self) -> bool {
        self == Self::JournalBehind
    }
}

/// Compares the end of a cabinet's journal as `reported` with what has `arrived` of it. `stored` is
/// the hash that is stored for the reported seq.
pub fn compare_journals(
    reported: JournalHead,
    arrived: JournalHead,
    stored: Option<JournalHash>,
) -> Option<DiscrepancyKind> {
    if reported.seq > arrived.seq {
        return Some(DiscrepancyKind::JournalBehind);
    }
    // All empty journals are the same.
    let same = reported.seq == 0 || stored == Some(reported.hash);
    match (same, reported.seq == arrived.seq) {
        (false, _) => Some(DiscrepancyKind::JournalForked),
        (true, false) => Some(DiscrepancyKind::JournalLost),
        (true, true) => None,
    }
}

/// Whether a slot that is not empty holds another product or lot than `expected` by the ledger. A
/// different number of packs is handled by counts.
pub fn holds_other_product(reported: &SlotReport, expected: Option<(&str, &str)>) -> bool {
    let scanned = reported.product_code.as_deref().zip(reported.lot_no.as_deref());
    reported.count > 0 && (scanned.is_none() || scanned != expected)
}

/// What is known of the boot that says hello, and of the current boot.
#[derive(Debug, Clone, Copy)]
pub struct BootHello {
    /// Whether it is the current boot.
    pub is_present: bool,
    /// `None`: it was not seen before. Otherwise its highest known monotonic time, if that was
    /// recorded.
    pub known: Option<Option<i64>>,
    /// Milliseconds since it began.
    pub mono_ms: i64,
    /// When the access token of this hello was issued.
    pub token_at: Timestamp,
    /// When the token of the current boot's latest message was issued.
    pub present_token_at: Option<Timestamp>,
}

/// What a hello means for its boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootVerdict {
    /// The current boot again.
    Present,
    /// A new boot: whatever an earlier one had started is in doubt.
    Fresh,
    /// The current boot id was drawn a second time: its clock has gone back.
    Restarted,
    /// Another boot was taken for a later one, but this one is still running.
    Reinstated,
    /// An old message that arrived late.
    Late,
}

/// Classifies a hello. Boots are ordered by the server's own time, through the access tokens that
/// they use: a boot requests its own token before its first message. The cabinet's wall clock is
/// for people only.
///
/// A boot that was taken for an older one and reports a higher monotonic time than it had reported
/// is running: a late message of a dead boot must not lock it out. Should it be the dead one after
/// all, the running one becomes current again with its next message; what either had started is in
/// doubt each time.
pub fn classify_boot(hello: &BootHello) -> BootVerdict {
    if hello.is_present {
        let went_back = hello.known.flatten().is_some_and(|known_ms| hello.mono_ms < known_ms);
        return if went_back { BootVerdict::Restarted } else { BootVerdict::Present };
    }
    if hello.present_token_at.is_some_and(|present| hello.token_at < present) {
        return BootVerdict::Late;
    }
    match hello.known {
        None => BootVerdict::Fresh,
        Some(Some(known_ms)) if hello.mono_ms > known_ms => BootVerdict::Reinstated,
        Some(_) => BootVerdict::Late,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock::SlotNo;

    fn head(seq: i64, hash: u8) -> JournalHead {
        JournalHead { seq, hash: JournalHash::from_bytes([hash; 32]) }
    }

    #[test]
    fn a_journal_is_equal_behind_lost_or_forked() {
        let stored = |hash| Some(JournalHash::from_bytes([hash; 32]));
        assert_eq!(compare_journals(JournalHead::EMPTY, JournalHead::EMPTY, None), None);
        assert_eq!(compare_journals(head(3, 7), head(3, 7), stored(7)), None);
        let all = [
            (compare_journals(head(3, 7), head(2, 6), None), DiscrepancyKind::JournalBehind),
            (compare_journals(head(1, 7), JournalHead::EMPTY, None), DiscrepancyKind::JournalBehind),
            (compare_journals(head(2, 6), head(3, 7), stored(6)), DiscrepancyKind::JournalLost),
            (compare_journals(JournalHead::EMPTY, head(3, 7), None), DiscrepancyKind::JournalLost),
            (compare_journals(head(3, 8), head(3, 7), stored(7)), DiscrepancyKind::JournalForked),
            (compare_journals(head(2, 8), head(3, 7), stored(6)), DiscrepancyKind::JournalForked),
        ];
        for (found, wanted) in all {
            assert_eq!(found, Some(wanted));
        }
    }

    #[test]
    fn another_product_is_distinguished_from_fewer_packs() {
        let report = |product: Option<&str>, lot: Option<&str>, count| SlotReport {
            slot: SlotNo::new(1).unwrap(),
            product_code: product.map(str::to_owned),
            lot_no: lot.map(str::to_owned),
            expires_on: None,
            count,
        };
        let expected = Some(("A", "L1"));
        assert!(!holds_other_product(&report(Some("A"), Some("L1"), 9), expected));
        assert!(!holds_other_product(&report(None, None, 0), expected), "empty");
        assert!(!holds_other_product(&report(Some("B"), Some("L9"), 0), expected), "empty");
        assert!(!holds_other_product(&report(None, None, 0), None));
        for other in [(Some("B"), Some("L1")), (Some("A"), Some("L2")), (Some("A"), None), (None, None)] {
            assert!(holds_other_product(&report(other.0, other.1, 1), expected), "{other:?}");
            assert!(holds_other_product(&report(other.0, other.1, 1), None), "{other:?}");
        }
    }

    #[test]
    fn boots_are_ordered_by_their_tokens_and_clocks() {
        let at = |second| Timestamp::from_timestamp(second, 0).unwrap();
        let present = BootHello {
            is_present: true,
            known: Some(Some(500)),
            mono_ms: 500,
            token_at: at(100),
            present_token_at: Some(at(100)),
        };
        assert_eq!(classify_boot(&present), BootVerdict::Present);
        assert_eq!(classify_boot(&BootHello { mono_ms: 499, ..present }), BootVerdict::Restarted);
        assert_eq!(classify_boot(&BootHello { known: Some(None), ..present }), BootVerdict::Present);
        let fresh = BootHello { is_present: false, known: None, ..present };
        assert_eq!(classify_boot(&fresh), BootVerdict::Fresh);
        assert_eq!(classify_boot(&BootHello { token_at: at(99), ..fresh }), BootVerdict::Late);
        assert_eq!(classify_boot(&BootHello { present_token_at: None, ..fresh }), BootVerdict::Fresh);
        let passed = BootHello { is_present: false, ..present };
        assert_eq!(classify_boot(&passed), BootVerdict::Late);
        assert_eq!(classify_boot(&BootHello { mono_ms: 501, ..passed }), BootVerdict::Reinstated);
        assert_eq!(
            classify_boot(&BootHello { mono_ms: 501, known: Some(None), ..passed }),
            BootVerdict::Late
        );
        let older = BootHello { mono_ms: 501, token_at: at(99), ..passed };
        assert_eq!(classify_boot(&older), BootVerdict::Late);
    }
}
