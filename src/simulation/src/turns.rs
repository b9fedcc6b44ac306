//! The turns that a journey may take, and how the simulated people agree on one:
//! the turn is marked in the worker's complaint text, and the doctor copies it to
//! the diagnosis if it concerns the pharmacist. So it also works with doctors in
//! another process, and the server sees only text.

domain::text_enum! {
    /// How a journey deviates from the normal course.
    pub enum Turn {
        /// No deviation.
        Straight = "straight",
        /// The first doctor declines.
        Decline = "decline",
        /// The first doctor lets the offer lapse.
        Lapse = "lapse",
        /// The worker gives up while waiting.
        GiveUp = "give_up",
        /// The pharmacist returns the prescription once.
        Return = "return",
        /// The worker cancels the paid order.
        CancelOrder = "cancel_order",
        /// The motors jam, and nothing comes out.
        Jam = "jam",
    }
}

const OPENS: &str = "〔sample turn: ";
const CLOSES: &str = "〕";

impl Turn {
    /// `text` with the turn's mark appended.
    pub(crate) fn mark_in(self, text: &str) -> String {
        match self {
            Self::Straight => text.to_owned(),
            turn => format!("{text} {OPENS}{turn}{CLOSES}"),
        }
    }

    /// The turn marked in `text`; `Straight` if there is no mark.
    pub(crate) fn in_text(text: &str) -> Self {
        let marked = text.split_once(OPENS).and_then(|(_, rest)| rest.split_once(CLOSES));
        marked.and_then(|(code, _)| Self::parse(code)).unwrap_or(Self::Straight)
    }

    /// What a doctor does with the `fence`th offer of such a consultation.
    pub fn answer(self, fence: i64) -> OfferAnswer {
        match self {
            Self::Decline if fence == 1 => OfferAnswer::Decline,
            Self::Lapse if fence == 1 => OfferAnswer::None,
            Self::GiveUp => OfferAnswer::None,
            _ => OfferAnswer::Accept,
        }
    }
}

/// What a simulated doctor does with an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferAnswer {
    Accept,
    Decline,
    /// Lets it expire.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_read_back_out_of_any_text() {
        for turn in Turn::ALL {
            assert_eq!(Turn::in_text(&turn.mark_in("发热 / fever")), *turn);
        }
        assert_eq!(Turn::in_text("发热 / fever"), Turn::Straight);
        assert_eq!(Turn::in_text("〔sample turn: unheard of〕"), Turn::Straight);
        assert_eq!(Turn::Decline.answer(1), OfferAnswer::Decline);
        assert_eq!(Turn::Decline.answer(2), OfferAnswer::Accept);
    }
}
