//! Numbers that several rules share: `rules/thresholds.csv`.

macro_rules! thresholds {
    ($($(#[$doc:meta])* $name:ident: $kind:ty),+ $(,)?) => {
        /// The shared numbers of an edition.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Thresholds { $($(#[$doc])* pub $name: $kind),+ }

        impl Thresholds {
            /// The ids of the table's rows.
            pub(super) const IDS: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Sets the number with this id. `None` if there is no such number or `value` does not fit.
            pub(super) fn set(&mut self, id: &str, value: i64) -> Option<()> {
                match id {
                    $(stringify!($name) => self.$name = <$kind>::try_from(value).ok()?,)+
                    _ => return None,
                }
                Some(())
            }

            /// The number with this id; 0 if there is none.
            #[cfg(test)]
            pub(super) fn get(&self, id: &str) -> i64 {
                match id {
                    $(stringify!($name) => i64::from(self.$name),)+
                    _ => 0,
                }
            }
        }
    };
}

thresholds! {
    /// Breath alcohol above this, as blood mg/100 mL, is positive.
    alcohol_positive_above: i64,
    /// Of grade 3 hypertension, mmHg.
    severe_systolic: i64,
    severe_diastolic: i64,
    /// eGFR below which there is kidney disease.
    kidney_disease_below_egfr: i64,
    /// From this age the adult maximum applies; below it a child's dose is needed.
    adult_dose_from_years: u32,
    /// From this age an unknown minimum age of a product does not matter.
    adult_from_years: u32,
    /// A temperature from this, in tenths of a degree, is fever.
    fever_from_tenths: i64,
    /// Below this age a guardian and a paediatrician are attested.
    small_child_below_years: u32,
    /// From this age an unanswered question about pregnancy is `unknown`.
    may_be_pregnant_from_years: u32,
    may_be_pregnant_to_years: u32,
}
