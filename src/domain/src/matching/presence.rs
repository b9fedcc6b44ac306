//! Whether a doctor takes offers now.

crate::text_enum! {
    /// A doctor's duty status; it is kept in the database, because losing it
    /// would lose offers.
    pub enum Presence {
        /// Off duty.
        Off = "off",
        /// Takes offers.
        Available = "available",
        /// Left an offer unanswered, and must say that they are back.
        Away = "away",
    }
}
