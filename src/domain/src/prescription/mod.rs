//! Prescribing: the rules a prescription must keep, its states, and the bytes that are
//! signed. It never writes or completes a line for the doctor, and it knows nothing of
//! payment or of cabinets beyond which class a lane may vend. Its numbers come from a
//! [`PrescribingPolicy`], so that a deployment can name its own and old ones stay explained.

mod decide;
mod document;
mod draft;
mod lanes;
mod policy;
pub mod rules;
mod state;
mod supply;
mod validity;

pub use decide::{Command, Event, ReturnReason, Signing, VoidReason, decide};
pub use document::{DocumentLine, PrescriptionDocument, canonical_bytes};
pub use draft::{ChildAttestation, Diagnosis, Override, PrescriptionDraft, SupplyKind};
pub use lanes::{CabinetLane, EncounterLane, may_prescribe, may_sell_without_prescription, may_vend};
pub use policy::PrescribingPolicy;
pub use rules::{DoctorStanding, PharmacistStanding, ReviewParty};
pub use state::{ENDED, EXPIRING, LIVE, Prescription, PrescriptionState};
pub use supply::{label, packs_needed};
pub use validity::{ExtensionProposal, propose_extension, valid_until};
