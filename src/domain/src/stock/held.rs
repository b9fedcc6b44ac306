//! Packs that open drafts hold softly: a doctor who looks sees what earlier drafts leave. Nothing is
//! reserved: an order takes any free pack, and whoever orders and pays first has it.

use crate::{
    ids::{ConsultationId, PrescriptionId},
    time::Timestamp,
};

/// Packs of one product on an open draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftedPacks {
    pub consultation: ConsultationId,
    pub prescription: PrescriptionId,
    pub drafted_at: Timestamp,
    pub product: String,
    pub packs: u32,
}

/// How many packs of `product` the drafts of others hold before `own`, whose own draft, once there is one,
/// comes before those that are later: of two drafts for the last pack, the first one's doctor still sees it.
pub fn held_before(drafts: &[DraftedPacks], own: Option<ConsultationId>, product: &str) -> u32 {
    let turn = |draft: &DraftedPacks| (draft.drafted_at, draft.prescription);
    let is_own = |draft: &&DraftedPacks| Some(draft.consultation) == own;
    let own_turn = drafts.iter().find(is_own).map(turn);
    let before = drafts.iter().filter(|draft| {
        draft.product == product && !is_own(draft) && own_turn.is_none_or(|own| turn(draft) < own)
    });
    before.map(|draft| draft.packs).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_drafts_the_first_still_sees_the_pack() {
        let (first, second, third) =
            (ConsultationId::generate(), ConsultationId::generate(), ConsultationId::generate());
        let draft = |consultation, seconds, product: &str| DraftedPacks {
            consultation,
            prescription: PrescriptionId::generate(),
            drafted_at: Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds),
            product: product.to_owned(),
            packs: 2,
        };
        let drafts = [draft(second, 5, "A"), draft(first, 1, "A"), draft(first, 1, "B")];
        assert_eq!(held_before(&drafts, Some(first), "A"), 0);
        assert_eq!(held_before(&drafts, Some(second), "A"), 2);
        assert_eq!(held_before(&drafts, Some(second), "B"), 2);
        assert_eq!(held_before(&drafts, Some(third), "A"), 4);
        assert_eq!(held_before(&drafts, None, "A"), 4);
    }
}
