//! The enums and code types of a formulary row.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::names::canonical_ingredient;

macro_rules! code_type {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $canonical:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// `None` if `text` is not a valid code.
            pub fn parse(text: &str) -> Option<Self> {
                let valid: fn(&str) -> bool = $valid;
                let canonical: fn(&str) -> &str = $canonical;
                valid(text).then(|| Self(canonical(text).to_owned()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text).ok_or($what)
            }
        }
        impl From<$name> for String {
            fn from(code: $name) -> String {
                code.0
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

code_type! {
    /// The code of one product: a drug of one maker in one pack. 2 to 40 of `A-Z a-z 0-9 - _ .`
    ProductCode,
    |text| (2..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
    |text| text,
    "a product code is 2 to 40 of A-Z a-z 0-9 - _ ."
}

code_type! {
    /// One active ingredient: the international nonproprietary name in lower-case English
    /// (`paracetamol`), words joined by `_`; a herbal compound has the compound's name.
    /// Another name of a known ingredient (`acetaminophen`) is converted to its code.
    IngredientCode,
    |text| (2..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-'),
    |text| canonical_ingredient(text).unwrap_or(text),
    "an ingredient is a lower-case international name, words joined by _"
}

crate::text_enum! {
    /// The dosage form of a product.
    pub enum Form {
        /// Swallowed tablet.
        Tablet = "tablet",
        /// Tablet that releases slowly; never halved.
        SustainedReleaseTablet = "sustained_release_tablet",
        /// Tablet that is chewed.
        ChewableTablet = "chewable_tablet",
        /// Tablet that is dispersed in water.
        DispersibleTablet = "dispersible_tablet",
        /// Pills of traditional medicine.
        Pill = "pill",
        /// Capsule, hard or soft.
        Capsule = "capsule",
        /// Capsule that releases slowly.
        SustainedReleaseCapsule = "sustained_release_capsule",
        /// Sachet of granules.
        GranuleSachet = "granule_sachet",
        /// Sachet of powder.
        PowderSachet = "powder_sachet",
        /// Solution or syrup to drink.
        OralLiquid = "oral_liquid",
        /// Suspension to drink.
        OralSuspension = "oral_suspension",
        /// Ethanol tincture to drink.
        Tincture = "tincture",
        /// Tablet that is sucked.
        Lozenge = "lozenge",
        /// Cream for the skin.
        Cream = "cream",
        /// Ointment for the skin.
        Ointment = "ointment",
        /// Gel for the skin.
        Gel = "gel",
        /// Lotion, liniment or oil for the skin.
        Lotion = "lotion",
        /// Solution for skin or wounds.
        TopicalSolution = "topical_solution",
        /// Dressing or plaster on a wound.
        Dressing = "dressing",
        /// Medicated patch.
        Patch = "patch",
        /// Drops for the eye.
        EyeDrops = "eye_drops",
        /// Ointment for the eye.
        EyeOintment = "eye_ointment",
        /// Drops for the ear.
        EarDrops = "ear_drops",
        /// Spray for the nose.
        NasalSpray = "nasal_spray",
        Inhaler = "inhaler",
        Suppository = "suppository",
        /// In the catalogue only; never prescribed here.
        Injection = "injection",
    }
}

impl Form {
    /// Whether the drug acts locally, with little systemic absorption.
    pub const fn is_local(self) -> bool {
        use Form::{
            Capsule, ChewableTablet, Cream, DispersibleTablet, Dressing, EarDrops, EyeDrops, EyeOintment,
            Gel, GranuleSachet, Inhaler, Injection, Lotion, Lozenge, NasalSpray, Ointment, OralLiquid,
            OralSuspension, Patch, Pill, PowderSachet, Suppository, SustainedReleaseCapsule,
            SustainedReleaseTablet, Tablet, Tincture, TopicalSolution,
        };
        match self {
            Cream | Ointment | Gel | Lotion | TopicalSolution | Dressing | Patch | EyeDrops | EyeOintment
            | EarDrops | NasalSpray => true,
            Tablet
            | SustainedReleaseTablet
            | ChewableTablet
            | DispersibleTablet
            | Pill
            | Capsule
            | SustainedReleaseCapsule
            | GranuleSachet
            | PowderSachet
            | OralLiquid
            | OralSuspension
            | Tincture
            | Lozenge
            | Inhaler
            | Suppository
            | Injection => false,
        }
    }

    /// Whether it is swallowed, so that it meets other drugs in the stomach.
    pub const fn is_swallowed(self) -> bool {
        !self.is_local() && !matches!(self, Form::Inhaler | Form::Suppository | Form::Injection)
    }

    /// The dose unit of this form.
    pub const fn unit(self) -> DoseUnit {
        match self {
            Form::Tablet
            | Form::SustainedReleaseTablet
            | Form::ChewableTablet
            | Form::DispersibleTablet
            | Form::Lozenge => DoseUnit::Tablet,
            Form::Pill => DoseUnit::Pill,
            Form::Capsule | Form::SustainedReleaseCapsule => DoseUnit::Capsule,
            Form::GranuleSachet | Form::PowderSachet => DoseUnit::Sachet,
            Form::OralLiquid
            | Form::OralSuspension
            | Form::Tincture
            | Form::Lotion
            | Form::TopicalSolution
            | Form::Injection => DoseUnit::Millilitre,
            Form::Cream | Form::Ointment | Form::Gel | Form::EyeOintment => DoseUnit::Gram,
            Form::Dressing | Form::Patch | Form::Suppository => DoseUnit::Piece,
            Form::EyeDrops | Form::EarDrops => DoseUnit::Drop,
            Form::NasalSpray | Form::Inhaler => DoseUnit::Puff,
        }
    }
}

crate::text_enum! {
    /// The unit of a dose. `strength_ug` and `units_per_pack` are per this unit.
    pub enum DoseUnit {
        Tablet = "tablet",
        /// One pill of traditional medicine.
        Pill = "pill",
        Capsule = "capsule",
        Sachet = "sachet",
        Millilitre = "ml",
        /// One gram of cream, ointment or gel.
        Gram = "g",
        /// One drop; a bottle contains 20 drops per millilitre.
        Drop = "drop",
        /// One patch, dressing or suppository.
        Piece = "piece",
        /// One puff or spray.
        Puff = "puff",
    }
}

crate::text_enum! {
    /// How a product may be sold in China.
    pub enum SaleClass {
        /// On prescription only.
        Rx = "rx",
        /// Over the counter, class A (red): in a pharmacy with a pharmacist.
        OtcA = "otc_a",
        /// Over the counter, class B (green).
        OtcB = "otc_b",
    }
}

crate::text_enum! {
    /// A condition of the worker that a label can contraindicate or warn about.
    pub enum Condition {
        Pregnancy = "pregnancy",
        BreastFeeding = "breast_feeding",
        /// Liver disease of any degree.
        LiverDisease = "liver_disease",
        SevereLiverDisease = "severe_liver_disease",
        /// Kidney disease of any degree.
        KidneyDisease = "kidney_disease",
        SevereKidneyDisease = "severe_kidney_disease",
        /// Present or past.
        PepticUlcer = "peptic_ulcer",
        /// Bleeding of stomach or gut, or a bleeding disorder.
        Bleeding = "bleeding",
        /// Asthma triggered by aspirin or another NSAID.
        NsaidAsthma = "nsaid_asthma",
        /// Asthma of another kind.
        Asthma = "asthma",
        /// Long QT, congenital or acquired.
        LongQt = "long_qt",
        HeartFailure = "heart_failure",
        CoronaryDisease = "coronary_disease",
        /// Slow heart or heart block.
        HeartBlock = "heart_block",
        /// Diagnosed hypertension.
        Hypertension = "hypertension",
        Diabetes = "diabetes",
        /// Narrow-angle glaucoma.
        Glaucoma = "glaucoma",
        /// Enlarged prostate or urine retention.
        ProstaticHyperplasia = "prostatic_hyperplasia",
        /// Overactive thyroid.
        Hyperthyroidism = "hyperthyroidism",
        Epilepsy = "epilepsy",
        MyastheniaGravis = "myasthenia_gravis",
        /// Lack of glucose-6-phosphate dehydrogenase.
        G6pdDeficiency = "g6pd_deficiency",
        /// Past angio-oedema, of any cause.
        Angioedema = "angioedema",
        /// Muscle disease, or muscle pain with raised creatine kinase.
        Myopathy = "myopathy",
        /// Blockage of the gut, or constipation that must not be made worse.
        GutObstruction = "gut_obstruction",
        /// Bloody stools, or diarrhoea with high fever.
        Dysentery = "dysentery",
        /// High potassium.
        Hyperkalaemia = "hyperkalaemia",
        /// Acidosis, or a state that leads to it.
        MetabolicAcidosis = "metabolic_acidosis",
        Gout = "gout",
        /// Fever is the complaint that is treated now.
        Fever = "fever",
        /// Regular drinking of alcohol.
        AlcoholUse = "alcohol_use",
        Phenylketonuria = "phenylketonuria",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_reject_other_characters() {
        assert!(ProductCode::parse("PCM-500.12").is_some());
        for bad in ["", "A", "对乙酰氨基酚", "two words", &"A".repeat(41)] {
            assert!(ProductCode::parse(bad).is_none(), "{bad}");
        }
        assert!(IngredientCode::parse("clavulanic_acid").is_some());
        assert!(IngredientCode::parse("Paracetamol").is_none());
        assert!(serde_json::from_str::<ProductCode>("\"no spaces please\"").is_err());
    }

    #[test]
    fn codes_round_trip() {
        for form in Form::ALL {
            assert_eq!(Form::parse(form.as_str()), Some(*form));
        }
        for condition in Condition::ALL {
            assert_eq!(Condition::parse(condition.as_str()), Some(*condition));
        }
        assert!(Form::Gel.is_local() && !Form::Tincture.is_local());
        assert_eq!(Form::EyeDrops.unit(), DoseUnit::Drop);
    }
}
