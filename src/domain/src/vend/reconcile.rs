//! Where a cabinet and the server differ so that nothing may start before they
//! agree, and which of two boots is the one that lives.

use super::{identity::JournalHash, journal::JournalHead, messages::SlotReport};
use crate::time::Timestamp;

crate::text_enum! {
    /// In what a cabinet and the server differ.
    pub enum DiscrepancyKind {
        /// Entries of the cabinet's journal have not arrived yet.
        JournalBehind = "journal_behind",
        /// The cabinet's journal is shorter than what has arrived of it.
        JournalLost = "journal_lost",
        /// The cabinet's journal is another than what has arrived of it.
        JournalForked = "journal_forked",
        /// A slot holds another product or lot than the books say.
        OtherProduct = "other_product",
    }
}

impl DiscrepancyKind {
    /// Whether it ends by what a sound cabinet does next, without a person.
    pub fn passes(self) -> bool {
        self == Self::JournalBehind
    }
}

/// How the end of a cabinet's journal stands to what has `arrived` of it; `kept`
/// is the hash that arrived under the seq that the cabinet names as its last.
pub fn compare_journals(
    told: JournalHead,
    arrived: JournalHead,
    kept: Option<JournalHash>,
) -> Option<DiscrepancyKind> {
    if told.seq > arrived.seq {
        return Some(DiscrepancyKind::JournalBehind);
    }
    // There is but one empty journal.
    let same = told.seq == 0 || kept == Some(told.hash);
    match (same, told.seq == arrived.seq) {
        (false, _) => Some(DiscrepancyKind::JournalForked),
        (true, false) => Some(DiscrepancyKind::JournalLost),
        (true, true) => None,
    }
}

/// Whether a slot that is not empty holds something else than product and lot
/// of the books. Another number of packs is the business of counts.
pub fn holds_another(told: &SlotReport, books: Option<(&str, &str)>) -> bool {
    let scanned = told.product_code.as_deref().zip(told.lot_no.as_deref());
    told.count > 0 && (scanned.is_none() || scanned != books)
}

/// What is known of the boot that says hello, and of the present one.
#[derive(Debug, Clone, Copy)]
pub struct BootSaid {
    /// It is the present one.
    pub is_present: bool,
    /// It was heard of before; then how far its clock was heard to run, if that
    /// was noted.
    pub known: Option<Option<i64>>,
    /// Milliseconds since it began.
    pub mono_ms: i64,
    /// When the access token was made with which it speaks.
    pub token_at: Timestamp,
    /// The same of the present boot's newest word.
    pub present_token_at: Option<Timestamp>,
}

/// What a hello makes of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootVerdict {
    /// The present one speaks again.
    Present,
    /// A new one: whatever another had started is in doubt.
    Fresh,
    /// The present id, drawn a second time: its clock has gone back.
    Restarted,
    /// Another had passed for a later one, but this one still runs.
    TakesBack,
    /// An old message, late on the line.
    Late,
}

/// Judges a hello. The server's own time orders boots, by the tokens with which
/// they speak: a boot asks for one of its own before its first word. The
/// cabinet's wall clock is for people only.
///
/// A boot that was passed for an older one and says more than it had said, by its
/// own clock, lives: it must not be locked out by a late message of a dead one.
/// Should it be the dead one after all, the living one takes its place back by
/// its next word; what either had started is in doubt each time.
pub fn judge_boot(said: &BootSaid) -> BootVerdict {
    if said.is_present {
        let back = said.known.flatten().is_some_and(|heard| said.mono_ms < heard);
        return if back { BootVerdict::Restarted } else { BootVerdict::Present };
    }
    if said.present_token_at.is_some_and(|present| said.token_at < present) {
        return BootVerdict::Late;
    }
    match said.known {
        None => BootVerdict::Fresh,
        Some(Some(heard)) if said.mono_ms > heard => BootVerdict::TakesBack,
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
    fn a_journal_is_the_same_behind_lost_or_another() {
        let kept = |hash| Some(JournalHash::from_bytes([hash; 32]));
        assert_eq!(compare_journals(JournalHead::EMPTY, JournalHead::EMPTY, None), None);
        assert_eq!(compare_journals(head(3, 7), head(3, 7), kept(7)), None);
        let all = [
            (compare_journals(head(3, 7), head(2, 6), None), DiscrepancyKind::JournalBehind),
            (compare_journals(head(1, 7), JournalHead::EMPTY, None), DiscrepancyKind::JournalBehind),
            (compare_journals(head(2, 6), head(3, 7), kept(6)), DiscrepancyKind::JournalLost),
            (compare_journals(JournalHead::EMPTY, head(3, 7), None), DiscrepancyKind::JournalLost),
            (compare_journals(head(3, 8), head(3, 7), kept(7)), DiscrepancyKind::JournalForked),
            (compare_journals(head(2, 8), head(3, 7), kept(6)), DiscrepancyKind::JournalForked),
        ];
        for (found, wanted) in all {
            assert_eq!(found, Some(wanted));
        }
    }

    #[test]
    fn a_slot_with_something_else_in_it_is_told_from_one_with_fewer_packs() {
        let report = |product: Option<&str>, lot: Option<&str>, count| SlotReport {
            slot: SlotNo::new(1).unwrap(),
            product_code: product.map(str::to_owned),
            lot_no: lot.map(str::to_owned),
            expires_on: None,
            count,
        };
        let books = Some(("A", "L1"));
        assert!(!holds_another(&report(Some("A"), Some("L1"), 9), books));
        assert!(!holds_another(&report(None, None, 0), books), "empty");
        assert!(!holds_another(&report(Some("B"), Some("L9"), 0), books), "empty");
        assert!(!holds_another(&report(None, None, 0), None));
        for other in [(Some("B"), Some("L1")), (Some("A"), Some("L2")), (Some("A"), None), (None, None)] {
            assert!(holds_another(&report(other.0, other.1, 1), books), "{other:?}");
            assert!(holds_another(&report(other.0, other.1, 1), None), "{other:?}");
        }
    }

    #[test]
    fn boots_are_told_apart_by_their_tokens_and_clocks() {
        let at = |second| Timestamp::from_timestamp(second, 0).unwrap();
        let present = BootSaid {
            is_present: true,
            known: Some(Some(500)),
            mono_ms: 500,
            token_at: at(100),
            present_token_at: Some(at(100)),
        };
        assert_eq!(judge_boot(&present), BootVerdict::Present);
        assert_eq!(judge_boot(&BootSaid { mono_ms: 499, ..present }), BootVerdict::Restarted);
        assert_eq!(judge_boot(&BootSaid { known: Some(None), ..present }), BootVerdict::Present);
        let fresh = BootSaid { is_present: false, known: None, ..present };
        assert_eq!(judge_boot(&fresh), BootVerdict::Fresh);
        assert_eq!(judge_boot(&BootSaid { token_at: at(99), ..fresh }), BootVerdict::Late);
        assert_eq!(judge_boot(&BootSaid { present_token_at: None, ..fresh }), BootVerdict::Fresh);
        let passed = BootSaid { is_present: false, ..present };
        assert_eq!(judge_boot(&passed), BootVerdict::Late);
        assert_eq!(judge_boot(&BootSaid { mono_ms: 501, ..passed }), BootVerdict::TakesBack);
        assert_eq!(judge_boot(&BootSaid { mono_ms: 501, known: Some(None), ..passed }), BootVerdict::Late);
        let older = BootSaid { mono_ms: 501, token_at: at(99), ..passed };
        assert_eq!(judge_boot(&older), BootVerdict::Late);
    }
}
