//! What a worker is asked: symptoms that need help at once, whatever is measured.

use crate::words::Bilingual;

/// Declares the symptoms: variant = code, Chinese, English.
macro_rules! symptoms {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $zh:literal, $en:literal;)+) => {
        crate::text_enum! {
            /// Complaints that are red flags by themselves, as the worker or a colleague ticks them.
            pub enum SymptomFlag { $($(#[$doc])* $variant = $code),+ }
        }
        impl SymptomFlag {
            /// The text beside the checkbox.
            pub const fn label(self) -> Bilingual {
                match self { $(Self::$variant => Bilingual::fixed($zh, $en)),+ }
            }
        }
    };
}

symptoms! {
    /// Chest pain or pressure.
    ChestPain = "chest_pain", "胸痛、胸闷或压迫感", "Chest pain or pressure";
    /// Face, arm or speech suddenly changed.
    StrokeSigns = "stroke_signs", "突然口角歪斜、一侧手脚无力或说话不清", "A face that droops, a weak arm or slurred speech, suddenly";
    /// Bleeding that does not stop.
    HeavyBleeding = "heavy_bleeding", "大量出血或止不住的出血", "Heavy bleeding, or bleeding that does not stop";
    /// Too breathless to finish a sentence.
    SevereBreathlessness = "severe_breathlessness", "喘得说不完一句话", "Too short of breath to finish a sentence";
    /// Cannot be woken, or was unconscious.
    LossOfConsciousness = "loss_of_consciousness", "昏迷或叫不醒", "Unconscious, or cannot be woken";
    /// A seizure, now or within the hour.
    Seizure = "seizure", "抽搐（现在或一小时内）", "A seizure, now or within the hour";
    /// Hives with breathlessness, or swelling of the throat.
    SevereAllergicReaction = "severe_allergic_reaction", "全身风团伴呼吸困难或咽喉发紧", "Hives with hard breathing or a tight throat";
    /// Hot, confused or collapsed after work in heat.
    HeatStrokeSigns = "heat_stroke_signs", "高温作业后发热、糊涂或倒下", "Hot, confused or collapsed after work in heat";
    /// A crash or a crush injury.
    MajorInjury = "major_injury", "车祸、挤压等严重外伤", "A crash, a crushing or another major injury";
    /// Swallowed or touched poison, or an overdose.
    Poisoning = "poisoning", "误服毒物或药物过量", "Poison swallowed or touched, or an overdose";
    /// Thoughts of ending one's life.
    SelfHarmThoughts = "self_harm_thoughts", "有伤害自己或轻生的念头", "Thoughts of harming oneself or of ending one's life";
    /// The worst headache ever, or one that came like a blow.
    WorstHeadache = "worst_headache", "突发的、从未有过的剧烈头痛", "The worst headache ever, or one that came like a blow";
    /// Fainted, and awake again.
    Fainting = "fainting", "晕倒过（已清醒）", "Fainted, awake again";
    /// Short of breath at rest.
    Breathlessness = "breathlessness", "休息时也觉得气短", "Short of breath at rest";
    /// Black stool, or vomited blood.
    BlackStoolOrVomitedBlood = "black_stool_or_vomited_blood", "黑便或呕血", "Black stool, or vomited blood";
    /// A blow to the head.
    HeadInjury = "head_injury", "头部受伤", "A blow to the head";
    /// An injured eye.
    EyeInjury = "eye_injury", "眼睛受伤", "An injured eye";
    /// A chemical in the eye.
    ChemicalInEye = "chemical_in_eye", "化学品溅入眼睛", "A chemical in the eye";
    /// A burn or a scald.
    Burn = "burn", "烧伤或烫伤", "A burn or a scald";
    /// An electric shock.
    ElectricShock = "electric_shock", "触电", "An electric shock";
    /// Breathed gas or smoke.
    GasOrSmoke = "gas_or_smoke", "吸入煤气、烟雾或有毒气体", "Breathed gas, smoke or fumes";
    /// A fall from height.
    FallFromHeight = "fall_from_height", "从高处坠落", "A fall from height";
    /// A bite or a sting.
    BiteOrSting = "bite_or_sting", "被动物、蛇咬伤或被蜂蜇伤", "A bite by an animal or a snake, or a sting";
    /// A swollen face, lips or tongue.
    FaceSwelling = "face_swelling", "面部、嘴唇或舌头肿胀", "A swollen face, lips or tongue";
    /// Dark urine after heat or hard work.
    DarkUrineAfterHeat = "dark_urine_after_heat", "高温或重体力劳动后尿色深如茶", "Urine dark as tea after heat or hard work";
    /// Pregnant and bleeding.
    PregnancyBleeding = "pregnancy_bleeding", "怀孕且有出血", "Pregnant and bleeding";
}
