//! The departments that a consultation can ask for.

use crate::words::Bilingual;

macro_rules! departments {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $zh:literal, $en:literal;)+) => {
        crate::text_enum! {
            /// A department of a hospital.
            pub enum Department { $($(#[$doc])* $variant = $code),+ }
        }
        impl Department {
            /// The name for people.
            pub const fn label(self) -> Bilingual {
                match self { $(Self::$variant => Bilingual::fixed($zh, $en)),+ }
            }
        }
    };
}

departments! {
    /// Where overflow goes first.
    GeneralPractice = "general_practice", "全科", "general practice";
    /// Internal medicine.
    InternalMedicine = "internal_medicine", "内科", "internal medicine";
    /// Surgery.
    Surgery = "surgery", "外科", "surgery";
    /// Bones and joints.
    Orthopaedics = "orthopaedics", "骨科", "orthopaedics";
    /// Skin.
    Dermatology = "dermatology", "皮肤科", "dermatology";
    /// Eyes.
    Ophthalmology = "ophthalmology", "眼科", "ophthalmology";
    /// Ear, nose and throat.
    Ent = "ent", "耳鼻喉科", "ear, nose and throat";
    /// Children.
    Paediatrics = "paediatrics", "儿科", "paediatrics";
    /// Women's health and births.
    ObstetricsGynaecology = "obstetrics_gynaecology", "妇产科", "obstetrics and gynaecology";
    /// Heart.
    Cardiology = "cardiology", "心血管内科", "cardiology";
    /// Stomach and gut.
    Gastroenterology = "gastroenterology", "消化内科", "gastroenterology";
    /// Lungs.
    Respiratory = "respiratory", "呼吸内科", "respiratory medicine";
    /// Nerves and brain.
    Neurology = "neurology", "神经内科", "neurology";
    /// Traditional Chinese medicine.
    TraditionalChineseMedicine = "traditional_chinese_medicine", "中医科", "traditional Chinese medicine";
    /// Mental health.
    Psychiatry = "psychiatry", "精神科", "psychiatry";
}
