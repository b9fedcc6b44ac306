//! The keys of the server, and those with which doctors sign.

crate::text_enum! {
    /// Keys that rotate.
    pub enum KeyKind {
        /// Signs access tokens and vend authorizations.
        Token = "token",
        /// Seals fields.
        Seal = "seal",
        /// Certifies the keys with which doctors sign; until version 0.3 it signed prescriptions itself.
        Prescription = "prescription",
        /// Signs the head of the audit chain.
        Audit = "audit",
    }
}

crate::text_enum! {
    /// Why a doctor's signing key ended. What it signed before stays valid, unless it was compromised.
    pub enum KeyEnd {
        /// Another key replaced it: by age, or because its certificate names an old fact.
        Superseded = "superseded",
        /// The account was disabled.
        Disabled = "disabled",
        /// The licence ended, or is not verified any more.
        LicenceEnded = "licence_ended",
        /// Somebody else may have used it: nothing that it signed is accepted.
        Compromised = "compromised",
    }
}

crate::text_enum! {
    /// The algorithms of doctors' signatures, by their names in a signature's header.
    pub enum SigningAlgorithm {
        /// Ed25519 (RFC 8037), inside.
        EdDsa = "EdDSA",
        /// SM2 with SM3 (GB/T 32918.2), by a certificate authority's signing service.
        Sm2 = "SM2",
    }
}
