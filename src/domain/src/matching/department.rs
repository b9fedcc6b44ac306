//! The departments that a consultation can ask for.

use crate::words::Bilingual;

macro_rules! departments {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $zh:literal, $en:literal;)+) => {
        crate::text_enum! {
            /// A department of a hospital.
            pub enum Department { $($(#[$doc])* $variant = $code),+ }
        }
        impl Department {
            /// The display name.
            pub const fn label(self) -> Bilingual {
                match self { $(Self::$variant => Bilingual::fixed($zh, $en)),+ }
            }
        }
    };
}

departments! {
    /// The first overflow department.
    GeneralPractice = "general_practice", "全科", "general practice";
    InternalMedicine = "internal_medicine", "内科", "internal medicine";
    Surgery = "surgery", "外科", "surgery";
    Orthopaedics = "orthopaedics", "骨科", "orthopaedics";
    Dermatology = "dermatology", "皮肤科", "dermatology";
    Ophthalmology = "ophthalmology", "眼科", "ophthalmology";
    Ent = "ent", "耳鼻喉科", "ear, nose and throat";
    Paediatrics = "paediatrics", "儿科", "paediatrics";
    ObstetricsGynaecology = "obstetrics_gynaecology", "妇产科", "obstetrics and gynaecology";
    Cardiology = "cardiology", "心血管内科", "cardiology";
    Gastroenterology = "gastroenterology", "消化内科", "gastroenterology";
    Respiratory = "respiratory", "呼吸内科", "respiratory medicine";
    Neurology = "neurology", "神经内科", "neurology";
    TraditionalChineseMedicine = "traditional_chinese_medicine", "中医科", "traditional Chinese medicine";
    Psychiatry = "psychiatry", "精神科", "psychiatry";
}
