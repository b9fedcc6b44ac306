//! Red flags: signs that bypass the queue order. Each shows the emergency number at once and alerts
//! the operator, and the worker still gets a doctor.

use serde::Serialize;

use super::symptoms::SymptomFlag;
use crate::words::Bilingual;

/// The emergency number shown with every red flag (mainland China).
pub const EMERGENCY_NUMBER: &str = "120";

/// The national line for psychological help (mainland China, since 2025-01-01).
pub const SUPPORT_NUMBER: &str = "12356";

/// Declares the codes: variant = code, Chinese, English. The texts say what to do now, and each
/// contains the emergency number.
macro_rules! red_flags {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $zh:literal, $en:literal;)+) => {
        crate::text_enum! {
            /// Why a red flag was raised.
            pub enum RedFlagCode { $($(#[$doc])* $variant = $code),+ }
        }
        impl RedFlagCode {
            /// What to do now; every text contains the emergency number.
            pub const fn advice(self) -> Bilingual {
                match self { $(Self::$variant => Bilingual::fixed($zh, $en)),+ }
            }
        }
    };
}

red_flags! {
    ChestPain = "chest_pain", "胸痛：立即拨打 120，停止活动，坐下休息；请人去取最近的 AED。", "Chest pain: call 120 now, stop all effort and sit down; send somebody for the nearest AED.";
    StrokeSigns = "stroke_signs", "疑似中风：立即拨打 120，记下发病时间，不要进食。", "Signs of a stroke: call 120 now, note when it began, eat and drink nothing.";
    HeavyBleeding = "heavy_bleeding", "大量出血：立即拨打 120，用力按压伤口不松手。", "Heavy bleeding: call 120 now, press hard on the wound and keep pressing.";
    SevereBreathlessness = "severe_breathlessness", "严重呼吸困难：立即拨打 120，保持坐位。", "Severe breathlessness: call 120 now and stay upright.";
    LossOfConsciousness = "loss_of_consciousness", "昏迷：立即拨打 120；没有呼吸就做心肺复苏并取最近的 AED，有呼吸就让患者侧卧。", "Loss of consciousness: call 120 now; without breathing start CPR and fetch the nearest AED, with breathing lay the person on the side.";
    Seizure = "seizure", "抽搐：立即拨打 120，移开周围硬物，不要往口中塞东西。", "A seizure: call 120 now, clear hard objects away, put nothing in the mouth.";
    SevereAllergicReaction = "severe_allergic_reaction", "严重过敏：立即拨打 120，平卧；呼吸困难时取坐位。", "A severe allergic reaction: call 120 now and lie down, or sit if breathing is hard.";
    HeatStrokeSigns = "heat_stroke_signs", "疑似热射病：立即拨打 120，移到阴凉处，用水和风降温。", "Signs of heat stroke: call 120 now, move into the shade, cool with water and air.";
    MajorInjury = "major_injury", "严重外伤：立即拨打 120，不要移动患者，压住出血处。", "A major injury: call 120 now, do not move the person, press on what bleeds.";
    Poisoning = "poisoning", "疑似中毒：立即拨打 120，不要催吐，保留包装。", "Poisoning: call 120 now, do not induce vomiting, keep the packaging.";
    SelfHarmThoughts = "self_harm_thoughts", "您并不孤单：请拨打全国统一心理援助热线 12356，不要独处；有立即危险时拨打 120。", "You are not alone: call the support line 12356 and do not stay by yourself; in immediate danger call 120.";
    WorstHeadache = "worst_headache", "突发剧烈头痛：立即拨打 120，平卧不动，不要自行服用止痛药。", "A sudden worst headache: call 120 now, lie still, take no painkiller on your own.";
    Fainting = "fainting", "晕倒：立即拨打 120，平卧并抬高双腿，不要马上站起。", "Fainting: call 120 now, lie down with the legs raised, do not get up at once.";
    Breathlessness = "breathlessness", "气短：立即拨打 120，坐直，解开衣领，停止活动。", "Short of breath: call 120 now, sit upright, loosen the collar, stop all effort.";
    BlackStoolOrVomitedBlood = "black_stool_or_vomited_blood", "黑便或呕血：立即拨打 120，侧卧，不要进食饮水，不要服用止痛药。", "Black stool or vomited blood: call 120 now, lie on the side, eat and drink nothing, take no painkiller.";
    HeadInjury = "head_injury", "头部受伤：立即拨打 120，不要移动头颈；呕吐、嗜睡或糊涂时尤其危险。", "A head injury: call 120 now, keep head and neck still; vomiting, sleepiness or confusion is dangerous.";
    EyeInjury = "eye_injury", "眼外伤：拨打 120，轻轻遮盖眼睛，不要揉、不要按、不要取出扎入物。", "An eye injury: call 120, cover the eye lightly, do not rub or press, leave what is stuck in it.";
    ChemicalInEye = "chemical_in_eye", "化学品入眼：立刻用流动清水冲洗 15 分钟以上，撑开眼皮，同时拨打 120。", "A chemical in the eye: rinse at once with running water for 15 minutes or more, lids held open, and call 120.";
    Burn = "burn", "烧烫伤：用流动凉水冲 15 到 20 分钟，不要涂抹任何东西，面积大或在面部时立即拨打 120。", "A burn: cool with running water for 15 to 20 minutes, put nothing on it; call 120 now if it is large or on the face.";
    ElectricShock = "electric_shock", "触电：先切断电源，不要用手碰人；拨打 120，没有呼吸就做心肺复苏并取最近的 AED。", "An electric shock: cut the power first, do not touch the person; call 120, without breathing start CPR and fetch the nearest AED.";
    GasOrSmoke = "gas_or_smoke", "吸入毒气或烟雾：立即离开到空气新鲜处并拨打 120；此时血氧仪读数可能假性正常。", "Gas or smoke: leave for fresh air at once and call 120; the oximeter may read falsely normal.";
    FallFromHeight = "fall_from_height", "高处坠落：立即拨打 120，不要搬动，固定头颈。", "A fall from height: call 120 now, do not move the person, hold head and neck still.";
    BiteOrSting = "bite_or_sting", "咬伤或蜇伤：用肥皂水和清水冲洗 15 分钟；蛇咬时肢体放低不动并拨打 120；呼吸困难或肿胀时立即拨打 120。", "A bite or sting: wash with soap and water for 15 minutes; for a snake keep the limb low and still and call 120; with hard breathing or swelling call 120 now.";
    FaceSwelling = "face_swelling", "面部或舌头肿胀：立即拨打 120，坐直，停止接触可疑的食物或药物。", "A swollen face or tongue: call 120 now, sit upright, stop the food or drug that may have caused it.";
    DarkUrineAfterHeat = "dark_urine_after_heat", "热后尿色深：立即停止劳动，到阴凉处饮水，不要服用止痛药，并拨打 120。", "Dark urine after heat: stop work now, drink water in the shade, take no painkiller, and call 120.";
    PregnancyBleeding = "pregnancy_bleeding", "孕期出血：立即拨打 120，左侧卧，不要走动。", "Bleeding in pregnancy: call 120 now, lie on the left side, do not walk about.";
    /// A complete NEWS2 of 7 or more.
    News2High = "news2_high", "生命体征危急：立即拨打 120。", "The vital signs are critical: call 120 now.";
    /// An incomplete NEWS2 whose known parts already reach 7.
    News2PartialHigh = "news2_partial_high", "已测得的生命体征危急：立即拨打 120。", "The vital signs measured so far are critical: call 120 now.";
    /// Two parts of NEWS2 that score 3.
    News2TwoThrees = "news2_two_threes", "两项生命体征危急：立即拨打 120。", "Two vital signs are critical: call 120 now.";
    /// Oxygen saturation below the emergency limit.
    OxygenLow = "oxygen_low", "血氧过低：立即拨打 120，保持坐位。", "Oxygen saturation is very low: call 120 now and stay upright.";
    /// Answers to pain only, or not at all.
    NotResponding = "not_responding", "意识不清：立即拨打 120，检查呼吸；没有呼吸就做心肺复苏并取最近的 AED。", "Not responding: call 120 now and check the breathing; without it start CPR and fetch the nearest AED.";
    /// Newly confused, or answers to a voice only.
    NotAlert = "not_alert", "神志不清：立即拨打 120，不要让患者独处。", "Confused or drowsy: call 120 now and do not leave the person alone.";
    /// Temperature at or above the limit.
    TemperatureHigh = "temperature_high", "体温过高：立即拨打 120，移到阴凉处，用水和风降温。", "A dangerously high temperature: call 120 now, move into the shade, cool with water and air.";
    /// Temperature at or below the limit.
    TemperatureLow = "temperature_low", "体温过低：立即拨打 120，脱去湿衣，裹暖，轻搬轻放。", "A dangerously low temperature: call 120 now, take wet clothes off, wrap up warm, move gently.";
    /// Glucose below the limit, or the meter shows LO.
    GlucoseLow = "glucose_low", "血糖过低：能吞咽时立即吃糖，并拨打 120；不能吞咽时不要喂食。", "Glucose is very low: take sugar now if able to swallow, and call 120; feed nothing to who cannot swallow.";
    /// The meter shows HI.
    GlucoseHigh = "glucose_high", "血糖超出仪器上限：立即拨打 120，多喝水。", "Glucose is above the meter's range: call 120 now and drink water.";
    /// Blood pressure below the limit.
    PressureLow = "pressure_low", "血压过低：立即拨打 120，平卧并抬高双腿。", "Blood pressure is very low: call 120 now, lie down with the legs raised.";
    /// Blood pressure at or above the limit.
    PressureHigh = "pressure_high", "血压过高：立即拨打 120，坐下安静休息。", "Blood pressure is dangerously high: call 120 now, sit down and keep quiet.";
    /// Heart rate above the limit.
    HeartRateHigh = "heart_rate_high", "心率过快：立即拨打 120，坐下休息。", "The heart beats too fast: call 120 now and sit down.";
    /// Heart rate below the limit.
    HeartRateLow = "heart_rate_low", "心率过慢：立即拨打 120，平卧休息。", "The heart beats too slowly: call 120 now and lie down.";
    /// Respiratory rate at or above the limit.
    BreathingFast = "breathing_fast", "呼吸过快：立即拨打 120，保持坐位。", "Breathing is too fast: call 120 now and stay upright.";
    /// Respiratory rate at or below the limit.
    BreathingSlow = "breathing_slow", "呼吸过慢：立即拨打 120，唤醒并看护，没有呼吸就做心肺复苏。", "Breathing is too slow: call 120 now, keep the person awake; without breathing start CPR.";
    /// Two readings in the warning band of pregnancy, or of a child's age.
    GroupWarnings = "group_warnings", "多项生命体征同时处于警戒范围：立即拨打 120；孕妇左侧卧，儿童由大人看护。", "Several vital signs are in their warning range together: call 120 now; when pregnant lie on the left side, keep a child in an adult's care.";
    /// Fever in pregnancy together with another sign.
    PregnancyFever = "pregnancy_fever", "孕期发热伴其他异常：立即拨打 120，左侧卧。", "Fever in pregnancy with another sign: call 120 now and lie on the left side.";
}

impl From<SymptomFlag> for RedFlagCode {
    fn from(symptom: SymptomFlag) -> Self {
        // Each symptom has a red flag with the same code; a test checks all of them.
        Self::parse(symptom.as_str()).unwrap_or(Self::LossOfConsciousness)
    }
}

/// One reason to call for help at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RedFlag {
    pub code: RedFlagCode,
    /// What to do now.
    pub advice: Bilingual,
    /// Whom to call.
    pub emergency_number: &'static str,
}

impl From<RedFlagCode> for RedFlag {
    fn from(code: RedFlagCode) -> Self {
        let emergency_number =
            if code == RedFlagCode::SelfHarmThoughts { SUPPORT_NUMBER } else { EMERGENCY_NUMBER };
        Self { code, advice: code.advice(), emergency_number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symptom_has_a_flag_with_its_code_and_its_own_advice_with_the_number() {
        for &symptom in SymptomFlag::ALL {
            assert_eq!(RedFlagCode::from(symptom).as_str(), symptom.as_str());
        }
        let mut seen = std::collections::HashSet::new();
        for &code in RedFlagCode::ALL {
            let advice = code.advice();
            assert!(advice.zh.contains(EMERGENCY_NUMBER) && advice.en.contains(EMERGENCY_NUMBER), "{code}");
            assert!(seen.insert(advice.zh.clone()) && seen.insert(advice.en.clone()), "{code}");
        }
    }

    #[test]
    fn thoughts_of_self_harm_lead_to_the_support_line() {
        let flag = RedFlag::from(RedFlagCode::SelfHarmThoughts);
        assert_eq!(flag.emergency_number, "12356");
        assert!(flag.advice.zh.contains("12356") && flag.advice.en.contains("12356"));
    }
}
