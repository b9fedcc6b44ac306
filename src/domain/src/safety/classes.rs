//! The drug classes that the rules distinguish, and small sets of them.

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A class that a rule can name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DrugClass { $($(#[$doc])* $name),+ }

        impl DrugClass {
            /// Every class.
            pub const ALL: &'static [DrugClass] = &[$(DrugClass::$name),+];
        }
    };
}

classes! {
    /// Non-steroidal anti-inflammatory drug that reaches the blood.
    Nsaid,
    /// An NSAID applied to the skin or the eye.
    TopicalNsaid,
    /// Aspirin in the small antiplatelet dose; decided by the dose.
    LowDoseAspirin,
    AceInhibitor,
    /// Angiotensin receptor blocker.
    Arb,
    Diuretic,
    BetaBlocker,
    CalciumBlocker,
    Macrolide,
    Penicillin,
    Cephalosporin,
    /// Beta-lactam with the amino side chain of ampicillin.
    SideChainAmino,
    /// Beta-lactam with a methoxyimino side chain.
    SideChainMethoxyimino,
    /// Antibacterial sulfonamide.
    Sulfonamide,
    Quinolone,
    Tetracycline,
    Nitroimidazole,
    Statin,
    /// Causes a disulfiram-like reaction with ethanol.
    EthanolReactive,
    Ethanol,
    /// Phosphodiesterase-5 inhibitor.
    Pde5Inhibitor,
    Nitrate,
    /// Any antihistamine.
    Antihistamine,
    /// Sedating antihistamine.
    SedatingAntihistamine,
    /// Prolongs the QT interval.
    QtDrug,
    /// Ephedra and its alkaloids.
    EphedraLike,
    /// Constricts blood vessels, of the nose and elsewhere: by mouth, or as drops and spray.
    Decongestant,
    /// Contains or releases iodine.
    Iodine,
    ProtonPumpInhibitor,
    Sulfonylurea,
    /// Never prescribed here: narcotics, psychotropics, ephedrine compounds and those that need
    /// measured blood levels.
    Never,
    /// Stays in the gut or on the skin; no systemic interactions.
    NotAbsorbed,
}

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u64);

impl Classes {
    /// The empty set.
    pub const NONE: Classes = Classes(0);

    pub const fn of(list: &[DrugClass]) -> Classes {
        let mut bits = 0;
        let mut at = 0;
        while at < list.len() {
            bits |= 1 << (list[at] as u8);
            at += 1;
        }
        Classes(bits)
    }

    /// Whether `class` is in the set.
    pub const fn has(self, class: DrugClass) -> bool {
        self.0 & (1 << (class as u8)) != 0
    }

    /// Whether both sets share a class.
    pub(crate) const fn meets(self, other: Classes) -> bool {
        self.0 & other.0 != 0
    }

    /// The classes in either set.
    pub const fn or(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }

    /// The classes in both sets.
    pub const fn and(self, other: Classes) -> Classes {
        Classes(self.0 & other.0)
    }

    /// The set without `class`.
    pub const fn without(self, class: DrugClass) -> Classes {
        Classes(self.0 & !(1 << (class as u8)))
    }
}
