//! The server's keys.

crate::text_enum! {
    /// Keys that rotate.
    pub enum KeyKind {
        /// Signs access tokens and vend authorizations.
        Token = "token",
        /// Seals fields.
        Seal = "seal",
        /// Signs prescriptions.
        Prescription = "prescription",
        /// Signs the head of the audit chain.
        Audit = "audit",
    }
}
