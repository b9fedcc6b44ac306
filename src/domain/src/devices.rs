//! The enrolled devices of a station.

crate::text_enum! {
    /// What can be enrolled.
    pub enum DeviceKind {
        /// A station's screen.
        Station = "station",
        /// The cabinet at a station.
        Cabinet = "cabinet",
    }
}

crate::text_enum! {
    /// Why a device's key is no longer accepted.
    pub enum RetireReason {
        /// Another one was enrolled in its place.
        Replaced = "replaced",
        /// An operator revoked it.
        Revoked = "revoked",
    }
}
