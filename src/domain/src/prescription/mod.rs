//! Prescribing: the rules that a prescription must follow, its states, and the bytes that are
//! signed. It never writes or completes a line for the doctor. Of payment and cabinets it knows
//! only which sale class a lane may vend. Its numbers come from a [`PrescribingPolicy`], so that a
//! deployment can set its own and old decisions remain explained.

mod decide;
mod document;
mod draft;
mod event;
mod lanes;
mod long_term;
mod partial;
mod policy;
mod review;
pub mod rules;
mod state;
mod supply;
mod validity;

pub use decide::{Command, Signing, VoidReason, decide, draft};
pub use document::{
    AsSigned, DocumentDepartment, DocumentFormat, DocumentHospital, DocumentLine, DocumentPatient,
    DocumentPrescriber, DocumentRules, FirstDocument, FirstLine, PrescriptionDocument,
};
pub use draft::{ChildAttestation, Diagnosis, Override, PrescriptionDraft, StatedSkinTest, SupplyKind};
pub use event::{Event, EventKind};
pub use lanes::{CabinetLane, EncounterLane, may_sell_without_prescription, may_vend};
pub use long_term::LongTermAttestation;
pub use partial::{SupplyChange, SupplyDecider, SupplyLine, SupplyReason};
pub use policy::PrescribingPolicy;
pub use review::{ReleaseReason, ReturnReason};
pub use rules::{DoctorStanding, PharmacistStanding};
pub use state::{Claim, ENDED, EXPIRING, LIVE, Prescription, PrescriptionState};
pub use supply::{directions, label, packs_needed, specification};
pub use validity::{propose_extension, valid_until};
