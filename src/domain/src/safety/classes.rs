//! Drug classes as far as the rules tell them apart, and small sets of them.

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
    /// The same on the skin or in the eye.
    TopicalNsaid,
    /// Aspirin in the small dose that thins blood; decided by the dose.
    LowDoseAspirin,
    /// ACE inhibitor.
    AceInhibitor,
    /// Angiotensin receptor blocker.
    Arb,
    /// Diuretic.
    Diuretic,
    /// Beta blocker.
    BetaBlocker,
    /// Calcium channel blocker.
    CalciumBlocker,
    /// Macrolide antibiotic.
    Macrolide,
    /// Penicillin.
    Penicillin,
    /// Cephalosporin.
    Cephalosporin,
    /// Beta-lactam with the amino side chain of ampicillin.
    SideChainAmino,
    /// Beta-lactam with a methoxyimino side chain.
    SideChainMethoxyimino,
    /// Antibacterial sulfonamide.
    Sulfonamide,
    /// Fluoroquinolone.
    Quinolone,
    /// Tetracycline.
    Tetracycline,
    /// Nitroimidazole.
    Nitroimidazole,
    /// Statin.
    Statin,
    /// Reacts with ethanol as disulfiram does.
    EthanolReactive,
    /// Ethanol itself.
    Ethanol,
    /// Phosphodiesterase-5 inhibitor.
    Pde5Inhibitor,
    /// Nitrate.
    Nitrate,
    /// Any antihistamine.
    Antihistamine,
    /// Antihistamine that makes sleepy.
    SedatingAntihistamine,
    /// Lengthens QT.
    QtDrug,
    /// Ephedra and its alkaloids.
    EphedraLike,
    /// Narrows the vessels of the nose, and those elsewhere: by mouth, or as drops and spray.
    Decongestant,
    /// Gives off iodine.
    Iodine,
    /// Proton-pump inhibitor.
    ProtonPumpInhibitor,
    /// Sulfonylurea.
    Sulfonylurea,
    /// Never prescribed here: narcotics, psychotropics, ephedrine compounds and those that need
    /// measured blood levels.
    Never,
    /// Stays in the gut or on the skin; nothing to interact with in the blood.
    NotAbsorbed,
}

/// A set of classes; copying one is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u64);

impl Classes {
    /// No class.
    pub const NONE: Classes = Classes(0);

    /// The set of these classes.
    pub const fn of(list: &[DrugClass]) -> Classes {
        let mut bits = 0;
        let mut at = 0;
        while at < list.len() {
            bits |= 1 << (list[at] as u8);
            at += 1;
        }
        Classes(bits)
    }

    /// Is `class` in the set?
    pub const fn has(self, class: DrugClass) -> bool {
        self.0 & (1 << (class as u8)) != 0
    }

    /// Do both sets share a class?
    pub const fn meets(self, other: Classes) -> bool {
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
