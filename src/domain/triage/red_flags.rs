//! Red flags: signs that bypass the queue's order. Each shows the emergency
//! number at once and alerts the operator, and the worker still gets a doctor.

use serde::Serialize;

use super::{level::TriageFacts, news2::News2Band};
use crate::domain::{
    vitals::{Acvpu, ReadingKind, Severity},
    words::Bilingual,
};

/// The emergency number shown with every red flag (mainland China).
pub const EMERGENCY_NUMBER: &str = "120";

/// From this NEWS2 total, or lower bound of one, it is an emergency. Source: house rules, vitals.
const NEWS2_EMERGENCY_FROM: i64 = 7;

crate::text_enum! {
    /// Complaints that are red flags by themselves, as the worker or a colleague ticks them.
    pub enum SymptomFlag {
        /// Chest pain or pressure.
        ChestPain = "chest_pain",
        /// Face, arm or speech suddenly changed.
        StrokeSigns = "stroke_signs",
        /// Bleeding that does not stop.
        HeavyBleeding = "heavy_bleeding",
        /// Cannot finish a sentence for want of breath.
        SevereBreathlessness = "severe_breathlessness",
        /// Fainted or cannot be woken.
        LossOfConsciousness = "loss_of_consciousness",
        /// A fit, now or within the hour.
        Seizure = "seizure",
        /// Swelling of face or throat, or hives with breathlessness.
        SevereAllergicReaction = "severe_allergic_reaction",
        /// Hot, confused or collapsed after work in heat.
        HeatStrokeSigns = "heat_stroke_signs",
        /// A fall from height, a crash, a crushing or an electric shock.
        MajorInjury = "major_injury",
        /// Swallowed, breathed or touched poison, or an overdose.
        Poisoning = "poisoning",
        /// Thoughts of ending one's life.
        SelfHarmThoughts = "self_harm_thoughts",
    }
}

crate::text_enum! {
    /// Why a red flag was raised.
    pub enum RedFlagCode {
        /// See [`SymptomFlag::ChestPain`].
        ChestPain = "chest_pain",
        /// See [`SymptomFlag::StrokeSigns`].
        StrokeSigns = "stroke_signs",
        /// See [`SymptomFlag::HeavyBleeding`].
        HeavyBleeding = "heavy_bleeding",
        /// See [`SymptomFlag::SevereBreathlessness`].
        SevereBreathlessness = "severe_breathlessness",
        /// See [`SymptomFlag::LossOfConsciousness`].
        LossOfConsciousness = "loss_of_consciousness",
        /// See [`SymptomFlag::Seizure`].
        Seizure = "seizure",
        /// See [`SymptomFlag::SevereAllergicReaction`].
        SevereAllergicReaction = "severe_allergic_reaction",
        /// See [`SymptomFlag::HeatStrokeSigns`].
        HeatStrokeSigns = "heat_stroke_signs",
        /// See [`SymptomFlag::MajorInjury`].
        MajorInjury = "major_injury",
        /// See [`SymptomFlag::Poisoning`].
        Poisoning = "poisoning",
        /// See [`SymptomFlag::SelfHarmThoughts`].
        SelfHarmThoughts = "self_harm_thoughts",
        /// A complete NEWS2 of 7 or more.
        News2High = "news2_high",
        /// An incomplete NEWS2 whose known parts already reach 7.
        News2PartialHigh = "news2_partial_high",
        /// Oxygen saturation below the emergency limit.
        OxygenLow = "oxygen_low",
        /// Answers to pain only, or not at all. [P]
        NotResponding = "not_responding",
    }
}

impl From<SymptomFlag> for RedFlagCode {
    fn from(symptom: SymptomFlag) -> Self {
        match symptom {
            SymptomFlag::ChestPain => Self::ChestPain,
            SymptomFlag::StrokeSigns => Self::StrokeSigns,
            SymptomFlag::HeavyBleeding => Self::HeavyBleeding,
            SymptomFlag::SevereBreathlessness => Self::SevereBreathlessness,
            SymptomFlag::LossOfConsciousness => Self::LossOfConsciousness,
            SymptomFlag::Seizure => Self::Seizure,
            SymptomFlag::SevereAllergicReaction => Self::SevereAllergicReaction,
            SymptomFlag::HeatStrokeSigns => Self::HeatStrokeSigns,
            SymptomFlag::MajorInjury => Self::MajorInjury,
            SymptomFlag::Poisoning => Self::Poisoning,
            SymptomFlag::SelfHarmThoughts => Self::SelfHarmThoughts,
        }
    }
}

impl RedFlagCode {
    /// What to do now; every sentence names the emergency number.
    pub const fn advice(self) -> Bilingual {
        match self {
            Self::ChestPain => Bilingual::fixed(
                "胸痛：立即拨打 120，停止活动，坐下休息。",
                "Chest pain: call 120 now, stop all effort and sit down.",
            ),
            Self::StrokeSigns => Bilingual::fixed(
                "疑似中风：立即拨打 120，记下发病时间，不要进食。",
                "Signs of a stroke: call 120 now, note when it began, eat and drink nothing.",
            ),
            Self::HeavyBleeding => Bilingual::fixed(
                "大量出血：立即拨打 120，用力按压伤口。",
                "Heavy bleeding: call 120 now and press hard on the wound.",
            ),
            Self::SevereBreathlessness => Bilingual::fixed(
                "严重呼吸困难：立即拨打 120，保持坐位。",
                "Severe breathlessness: call 120 now and stay upright.",
            ),
            Self::LossOfConsciousness => Bilingual::fixed(
                "晕厥或昏迷：立即拨打 120，让患者侧卧。",
                "Loss of consciousness: call 120 now and lay the person on the side.",
            ),
            Self::Seizure => Bilingual::fixed(
                "抽搐：立即拨打 120，移开周围硬物，不要往口中塞东西。",
                "A seizure: call 120 now, clear hard objects away, put nothing in the mouth.",
            ),
            Self::SevereAllergicReaction => Bilingual::fixed(
                "严重过敏：立即拨打 120，平卧；呼吸困难时取坐位。",
                "A severe allergic reaction: call 120 now and lie down, or sit if breathing is hard.",
            ),
            Self::HeatStrokeSigns => Bilingual::fixed(
                "疑似热射病：立即拨打 120，移到阴凉处，用水和风降温。",
                "Signs of heat stroke: call 120 now, move into the shade, cool with water and air.",
            ),
            Self::MajorInjury => Bilingual::fixed(
                "严重外伤：立即拨打 120，不要移动患者。",
                "A major injury: call 120 now and do not move the person.",
            ),
            Self::Poisoning => Bilingual::fixed(
                "疑似中毒：立即拨打 120，不要催吐，保留包装。",
                "Poisoning: call 120 now, do not induce vomiting, keep the packaging.",
            ),
            Self::SelfHarmThoughts => Bilingual::fixed(
                "您并不孤单：请立即拨打 120，不要独处。",
                "You are not alone: call 120 now and do not stay by yourself.",
            ),
            Self::News2High => Bilingual::fixed(
                "生命体征危急：立即拨打 120。",
                "The vital signs are critical: call 120 now.",
            ),
            Self::News2PartialHigh => Bilingual::fixed(
                "已测得的生命体征危急：立即拨打 120。",
                "The vital signs measured so far are critical: call 120 now.",
            ),
            Self::OxygenLow => Bilingual::fixed(
                "血氧过低：立即拨打 120，保持坐位。",
                "Oxygen saturation is very low: call 120 now and stay upright.",
            ),
            Self::NotResponding => Bilingual::fixed(
                "意识不清：立即拨打 120，检查呼吸。",
                "Not responding: call 120 now and check the breathing.",
            ),
        }
    }
}

/// One reason to call for help at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RedFlag {
    /// Why.
    pub code: RedFlagCode,
    /// What to do now.
    pub advice: Bilingual,
    /// Whom to call.
    pub emergency_number: &'static str,
}

impl From<RedFlagCode> for RedFlag {
    fn from(code: RedFlagCode) -> Self {
        Self { code, advice: code.advice(), emergency_number: EMERGENCY_NUMBER }
    }
}

/// Every red flag of `facts`, each once, in the order of [`RedFlagCode`].
pub fn red_flags(facts: &TriageFacts<'_>) -> Vec<RedFlag> {
    let mut codes: Vec<RedFlagCode> = facts.symptoms.iter().map(|&symptom| symptom.into()).collect();
    if let Some(score) = facts.news2.filter(|score| score.partial_total >= NEWS2_EMERGENCY_FROM) {
        codes.push(match score.band {
            News2Band::Incomplete => RedFlagCode::News2PartialHigh,
            News2Band::Low | News2Band::LowMedium | News2Band::Medium | News2Band::High => {
                RedFlagCode::News2High
            }
        });
    }
    let emergency_oxygen = |kind, severity| kind == ReadingKind::Spo2 && severity == Severity::Emergency;
    if facts.findings.iter().any(|finding| emergency_oxygen(finding.kind, finding.severity)) {
        codes.push(RedFlagCode::OxygenLow);
    }
    if matches!(facts.consciousness, Some(Acvpu::Pain | Acvpu::Unresponsive)) {
        codes.push(RedFlagCode::NotResponding);
    }
    codes.sort_unstable();
    codes.dedup();
    codes.into_iter().map(RedFlag::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        triage::{News2Input, news2},
        vitals::{VitalFinding, VitalRules, assess},
    };

    fn codes(facts: &TriageFacts<'_>) -> Vec<RedFlagCode> {
        red_flags(facts).into_iter().map(|flag| flag.code).collect()
    }

    fn oxygen(value: i64) -> VitalFinding {
        let reading = crate::domain::vitals::ValidReading {
            kind: ReadingKind::Spo2,
            value,
            second: None,
            device: "oximeter".into(),
            measured_at: chrono::DateTime::UNIX_EPOCH,
            fasting: None,
        };
        assess(&reading, None, &VitalRules::default()).expect("oxygen has categories")
    }

    #[test]
    fn every_symptom_is_a_flag_of_its_own_spelling_that_names_the_number() {
        for &symptom in SymptomFlag::ALL {
            let flags = red_flags(&TriageFacts { symptoms: &[symptom, symptom], ..TriageFacts::default() });
            assert_eq!(flags.len(), 1);
            assert_eq!(flags[0].code.as_str(), symptom.as_str());
        }
        for &code in RedFlagCode::ALL {
            assert!(
                code.advice().zh.contains(EMERGENCY_NUMBER) && code.advice().en.contains(EMERGENCY_NUMBER)
            );
        }
    }

    #[test]
    fn an_incomplete_score_flags_by_its_lower_bound() {
        let six = News2Input { heart_rate_per_min: Some(140), systolic_mmhg: Some(80), ..Default::default() };
        let seven = News2Input { temperature_tenths_c: Some(385), ..six.clone() };
        let (six, seven) = (news2(&six).expect("in range"), news2(&seven).expect("in range"));
        assert_eq!(codes(&TriageFacts { news2: Some(&six), ..Default::default() }), []);
        let flagged = codes(&TriageFacts { news2: Some(&seven), ..Default::default() });
        assert_eq!(flagged, [RedFlagCode::News2PartialHigh]);
    }

    #[test]
    fn oxygen_below_ninety_and_no_response() {
        let (low, fine) = ([oxygen(89)], [oxygen(90)]);
        assert_eq!(codes(&TriageFacts { findings: &low, ..Default::default() }), [RedFlagCode::OxygenLow]);
        assert_eq!(codes(&TriageFacts { findings: &fine, ..Default::default() }), []);
        let awake = |acvpu| codes(&TriageFacts { consciousness: Some(acvpu), ..Default::default() });
        assert_eq!(awake(Acvpu::Voice), []);
        assert_eq!(awake(Acvpu::Unresponsive), [RedFlagCode::NotResponding]);
    }
}
