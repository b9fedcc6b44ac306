//! Lanes: on what legal basis a doctor sees a worker and a cabinet dispenses, and so what is
//! permitted there and what is not.

use crate::formulary::SaleClass;

crate::text_enum! {
    /// The basis on which a doctor sees this worker.
    pub enum EncounterLane {
        /// A prior diagnosis is on file.
        FollowUpWithEvidence = "follow_up_with_evidence",
        /// A clinician is with the worker.
        WithOnsiteClinician = "with_onsite_clinician",
        /// A first visit for a listed minor ailment, where the local health authority permits it.
        MinorAilmentPilot = "minor_ailment_pilot",
        /// Advice only, and class-B over-the-counter drugs.
        ConsultationOnly = "consultation_only",
    }
}

crate::text_enum! {
    /// The basis on which a cabinet vends.
    pub enum CabinetLane {
        /// A retailer's self-service machine: class-B over-the-counter drugs only.
        RetailBOnly = "retail_b_only",
        /// The hospital's own locker for reviewed prescriptions.
        InstitutionDispense = "institution_dispense",
    }
}

/// Whether this encounter may result in a prescription. Source: the project's clinical rules,
/// lanes. Whether a station permits the pilot lane at all is the network's policy.
pub(crate) const fn may_prescribe(lane: EncounterLane) -> bool {
    match lane {
        EncounterLane::FollowUpWithEvidence
        | EncounterLane::WithOnsiteClinician
        | EncounterLane::MinorAilmentPilot => true,
        EncounterLane::ConsultationOnly => false,
    }
}

/// Whether this cabinet may vend a product of this class against a reviewed prescription. Source:
/// the project's clinical rules, lanes; retail lane from the notice of 2024-04-22 (one source).
pub const fn may_vend(lane: CabinetLane, class: SaleClass) -> bool {
    match (lane, class) {
        (CabinetLane::InstitutionDispense, SaleClass::Rx | SaleClass::OtcA | SaleClass::OtcB) => true,
        (CabinetLane::RetailBOnly, SaleClass::OtcB) => true,
        (CabinetLane::RetailBOnly, SaleClass::Rx | SaleClass::OtcA) => false,
    }
}

/// Whether this cabinet may vend a product of this class without a prescription. Class B in the
/// retail lane only: the hospital's locker serves reviewed prescriptions.
pub const fn may_sell_without_prescription(lane: CabinetLane, class: SaleClass) -> bool {
    match (lane, class) {
        (CabinetLane::RetailBOnly, SaleClass::OtcB) => true,
        (CabinetLane::RetailBOnly, SaleClass::Rx | SaleClass::OtcA) => false,
        (CabinetLane::InstitutionDispense, SaleClass::Rx | SaleClass::OtcA | SaleClass::OtcB) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consultation_only_never_emits_a_prescription() {
        let may: Vec<_> = EncounterLane::ALL.iter().filter(|lane| may_prescribe(**lane)).collect();
        assert_eq!(may.len(), 3);
        assert!(!may_prescribe(EncounterLane::ConsultationOnly));
    }

    #[test]
    fn a_retail_machine_vends_class_b_only() {
        for class in SaleClass::ALL {
            assert_eq!(may_vend(CabinetLane::RetailBOnly, *class), *class == SaleClass::OtcB);
            assert!(may_vend(CabinetLane::InstitutionDispense, *class));
            assert!(!may_sell_without_prescription(CabinetLane::InstitutionDispense, *class));
        }
        assert!(may_sell_without_prescription(CabinetLane::RetailBOnly, SaleClass::OtcB));
        assert!(!may_sell_without_prescription(CabinetLane::RetailBOnly, SaleClass::OtcA));
    }
}
