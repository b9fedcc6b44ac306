//! The turns that a journey may take, and how the simulated people on it agree
//! on one: it stands in the worker's own words, and the doctor passes on what
//! the pharmacist must know. So a doctor in another process takes it as well,
//! and the house sees nothing but text.

domain::text_enum! {
    /// What happens on a journey beside the usual.
    pub enum Turn {
        /// Nothing.
        Straight = "straight",
        /// The first doctor declines.
        Decline = "decline",
        /// The first doctor lets the offer lapse.
        Lapse = "lapse",
        /// The worker gives up while waiting.
        GiveUp = "give_up",
        /// The pharmacist sends the prescription back once.
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
    /// `text`, with the turn beside it.
    pub fn told(self, text: &str) -> String {
        match self {
            Self::Straight => text.to_owned(),
            turn => format!("{text} {OPENS}{turn}{CLOSES}"),
        }
    }

    /// The turn that `text` tells of; straight if none.
    pub fn in_text(text: &str) -> Self {
        let told = text.split_once(OPENS).and_then(|(_, rest)| rest.split_once(CLOSES));
        told.and_then(|(word, _)| Self::parse(word)).unwrap_or(Self::Straight)
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
    /// Takes it.
    Accept,
    /// Turns it down.
    Decline,
    /// Does not answer.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_read_back_out_of_any_text() {
        for turn in Turn::ALL {
            assert_eq!(Turn::in_text(&turn.told("发热 / fever")), *turn);
        }
        assert_eq!(Turn::in_text("发热 / fever"), Turn::Straight);
        assert_eq!(Turn::in_text("〔sample turn: unheard of〕"), Turn::Straight);
        assert_eq!(Turn::Decline.answer(1), OfferAnswer::Decline);
        assert_eq!(Turn::Decline.answer(2), OfferAnswer::Accept);
    }
}
