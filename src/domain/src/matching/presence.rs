//! A doctor's duty status.

crate::text_enum! {
    /// A doctor's duty status. It is stored in the database, because losing it
    /// would lose offers.
    pub enum Presence {
        Off = "off",
        Available = "available",
        /// Left an offer unanswered, or their line was lost; gets no offers until they set
        /// themselves available.
        Away = "away",
    }
}

crate::text_enum! {
    /// Why a doctor was made away.
    pub enum AwayReason {
        /// They left an offer unanswered.
        OfferExpired = "offer_expired",
        /// They were not heard from for longer than the grace.
        LostLine = "lost_line",
    }
}

crate::text_enum! {
    /// What a doctor can do now: their presence, and what keeps them from the next offer.
    pub enum DutyStatus {
        Off = "off",
        Away = "away",
        /// No place is left in any medium.
        Busy = "busy",
        /// After a consultation; offers come again when it is over.
        WrapUp = "wrap_up",
        Available = "available",
    }
}
