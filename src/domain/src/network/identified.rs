//! How a worker was identified, and what that entitles them to.

use super::DocumentKind;

crate::text_enum! {
    /// What a consent is for; each is given and withdrawn separately.
    /// Source: the project's clinical rules, prescribing table, "consent".
    pub enum ConsentPurpose {
        /// Keeping and using health data for care.
        HealthCare = "health_care",
        /// Showing the employer fit or hold, never a reading.
        EmployerFitness = "employer_fitness",
    }
}

crate::text_enum! {
    /// The identifier by which a worker without a card is found again.
    pub enum IdentityKind {
        /// A phone verified by a code, together with the name.
        Phone = "phone",
        ResidentId = "resident_id",
        /// A passport number, together with the name.
        Passport = "passport",
        /// Another document's number, together with the name.
        Other = "other",
    }
}

impl IdentityKind {
    pub const fn of(document: DocumentKind) -> Self {
        match document {
            DocumentKind::ResidentId => Self::ResidentId,
            DocumentKind::Passport => Self::Passport,
            DocumentKind::Other => Self::Other,
        }
    }
}

crate::text_enum! {
    /// How reliably a worker was identified.
    pub enum Identified {
        /// A card and its PIN.
        Card = "card",
        /// An identity document that a reader read or an operator saw.
        Document = "document",
        /// A phone verified by a code, together with the name.
        Phone = "phone",
        /// Only the worker's own statement. Care is given; there is no allowance.
        Unchecked = "unchecked",
    }
}

impl Identified {
    /// Whether this identification entitles to a monthly allowance. A phone does so only
    /// if the deployment enables it.
    pub const fn is_verified_person(self) -> bool {
        match self {
            Self::Card | Self::Document => true,
            Self::Phone | Self::Unchecked => false,
        }
    }
}

crate::text_enum! {
    /// The only purpose for which a code that was sent to a phone is valid.
    pub enum CodePurpose {
        /// Checking in without a card.
        CheckIn = "check_in",
        /// A worker's new phone.
        ChangePhone = "change_phone",
        /// A worker's new PIN, if the old one is forgotten.
        ResetPin = "reset_pin",
    }
}

crate::text_enum! {
    /// A change of a worker that gives access to a record, and so needs a second operator.
    pub enum ChangeKind {
        Card = "card",
        Pin = "pin",
        /// An identity document that an operator saw.
        Document = "document",
        /// A merge of a record that its owner can access by themselves.
        Merge = "merge",
    }
}

crate::text_enum! {
    /// The state of such a change.
    pub enum ChangeState {
        /// Waits for a second operator.
        Waiting = "waiting",
        /// Carried out.
        Approved = "approved",
        /// Rejected; not carried out.
        Refused = "refused",
    }
}
