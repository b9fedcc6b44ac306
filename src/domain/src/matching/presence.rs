//! A doctor's duty status.

crate::text_enum! {
    /// A doctor's duty status. It is stored in the database, because losing it
    /// would lose offers.
    pub enum Presence {
        Off = "off",
        Available = "available",
        /// Left an offer unanswered; gets no offers until they set themselves available.
        Away = "away",
    }
}
