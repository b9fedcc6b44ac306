//! By what a person is known to the network, and what that entitles them to.

use super::DocumentKind;

crate::text_enum! {
    /// By what somebody without a card is found again.
    pub enum IdentityKind {
        /// A phone that a code proved, together with the name.
        Phone = "phone",
        /// A resident identity number.
        ResidentId = "resident_id",
        /// A passport's number, together with the name.
        Passport = "passport",
        /// Another document's number, together with the name.
        Other = "other",
    }
}

impl IdentityKind {
    /// The kind of a document.
    pub const fn of(document: DocumentKind) -> Self {
        match document {
            DocumentKind::ResidentId => Self::ResidentId,
            DocumentKind::Passport => Self::Passport,
            DocumentKind::Other => Self::Other,
        }
    }
}

crate::text_enum! {
    /// How sure the network is of who somebody is.
    pub enum Identified {
        /// A card and its PIN.
        Card = "card",
        /// An identity document that a reader read or an operator saw.
        Document = "document",
        /// A phone that a code proved, together with the name.
        Phone = "phone",
        /// Only what was said. Care is given; there is no allowance.
        Unchecked = "unchecked",
    }
}

impl Identified {
    /// Whether a monthly allowance belongs to somebody known in this way. A
    /// phone counts only where the deployment says so.
    pub const fn is_verified_person(self) -> bool {
        match self {
            Self::Card | Self::Document => true,
            Self::Phone | Self::Unchecked => false,
        }
    }
}

crate::text_enum! {
    /// What a code that was sent to a phone is for; it is good for nothing else.
    pub enum CodePurpose {
        /// Checking in without a card.
        CheckIn = "check_in",
        /// A worker's new phone.
        ChangePhone = "change_phone",
        /// A worker's new PIN, where the old one is forgotten.
        ResetPin = "reset_pin",
    }
}

crate::text_enum! {
    /// A change of a worker that opens a record, and so needs a second operator.
    pub enum ChangeKind {
        /// A new card.
        Card = "card",
        /// A new PIN.
        Pin = "pin",
        /// An identity document that an operator saw.
        Document = "document",
        /// A merge of a record that somebody can open by themselves.
        Merge = "merge",
    }
}

crate::text_enum! {
    /// Where such a change stands.
    pub enum ChangeState {
        /// For a second operator.
        Waiting = "waiting",
        /// It was done.
        Approved = "approved",
        /// It will not be done.
        Refused = "refused",
    }
}
