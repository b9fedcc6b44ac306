//! Common names of conditions, in both languages. A name that is not listed here is returned to
//! the person who entered it, with the question asked again.

use super::codes::Condition;
use super::script::simplified;

/// Condition and its names: simplified characters, lower case, without spaces and signs. The
/// first name is the Chinese label.
const NAMES: &[(Condition, &[&str])] = &[
    (
        Condition::Pregnancy,
        &["怀孕", "妊娠", "孕妇", "孕期", "有孕", "怀孕中", "pregnant", "expecting", "huaiyun"],
    ),
    (
        Condition::BreastFeeding,
        &["哺乳", "哺乳期", "喂奶", "母乳喂养", "nursing", "lactating", "lactation", "breastfeeding"],
    ),
    (
        Condition::LiverDisease,
        &[
            "肝病",
            "肝炎",
            "乙肝",
            "丙肝",
            "脂肪肝",
            "肝功能不全",
            "肝功能异常",
            "肝不好",
            "hepatitis",
            "fattyliver",
        ],
    ),
    (
        Condition::SevereLiverDisease,
        &[
            "严重肝病",
            "肝硬化",
            "肝衰竭",
            "肝癌",
            "重度肝病",
            "重度肝功能不全",
            "严重肝功能不全",
            "cirrhosis",
            "livercirrhosis",
            "liverfailure",
            "livercancer",
        ],
    ),
    (
        Condition::KidneyDisease,
        &[
            "肾病",
            "肾炎",
            "肾功能不全",
            "慢性肾病",
            "慢性肾脏病",
            "肾不好",
            "nephritis",
            "ckd",
            "renaldisease",
            "chronickidneydisease",
        ],
    ),
    (
        Condition::SevereKidneyDisease,
        &[
            "严重肾病",
            "肾衰竭",
            "肾衰",
            "尿毒症",
            "透析",
            "重度肾功能不全",
            "严重肾功能不全",
            "renalfailure",
            "kidneyfailure",
            "dialysis",
            "uremia",
            "uraemia",
        ],
    ),
    (
        Condition::PepticUlcer,
        &[
            "胃溃疡",
            "十二指肠溃疡",
            "消化性溃疡",
            "溃疡",
            "溃疡病",
            "ulcer",
            "stomachulcer",
            "gastriculcer",
            "duodenalulcer",
        ],
    ),
    (
        Condition::Bleeding,
        &[
            "出血性疾病",
            "消化道出血",
            "胃出血",
            "血友病",
            "凝血障碍",
            "凝血功能障碍",
            "bleedingdisorder",
            "gibleeding",
            "haemophilia",
            "hemophilia",
        ],
    ),
    (Condition::NsaidAsthma, &["阿司匹林哮喘", "aspirinasthma", "aspirininducedasthma"]),
    (Condition::Asthma, &["哮喘", "支气管哮喘", "气喘", "xiaochuan"]),
    (Condition::LongQt, &["qt间期延长", "qt延长", "长qt", "长qt综合征", "qtprolongation", "longqtsyndrome"]),
    (Condition::HeartFailure, &["心力衰竭", "心衰", "心功能不全", "chf", "congestiveheartfailure"]),
    (
        Condition::CoronaryDisease,
        &[
            "冠心病",
            "心绞痛",
            "心肌梗死",
            "心梗",
            "心脏支架",
            "angina",
            "heartattack",
            "myocardialinfarction",
            "chd",
            "coronaryheartdisease",
            "coronaryarterydisease",
        ],
    ),
    (
        Condition::HeartBlock,
        &["心脏传导阻滞", "房室传导阻滞", "传导阻滞", "心动过缓", "bradycardia", "avblock"],
    ),
    (Condition::Hypertension, &["高血压", "高血压病", "血压高", "highbloodpressure", "gaoxueya"]),
    (Condition::Diabetes, &["糖尿病", "血糖高", "高血糖", "diabetic", "diabetesmellitus", "tangniaobing"]),
    (Condition::Glaucoma, &["青光眼"]),
    (
        Condition::ProstaticHyperplasia,
        &[
            "前列腺增生",
            "前列腺肥大",
            "前列腺",
            "尿潴留",
            "bph",
            "prostate",
            "enlargedprostate",
            "urinaryretention",
        ],
    ),
    (
        Condition::Hyperthyroidism,
        &["甲亢", "甲状腺功能亢进", "甲状腺机能亢进", "overactivethyroid", "gravesdisease"],
    ),
    (Condition::Epilepsy, &["癫痫", "羊癫疯", "seizures", "seizuredisorder"]),
    (Condition::MyastheniaGravis, &["重症肌无力", "肌无力"]),
    (Condition::G6pdDeficiency, &["蚕豆病", "g6pd缺乏", "g6pd缺乏症", "g6pd", "favism"]),
    (Condition::Angioedema, &["血管性水肿", "血管神经性水肿", "angiooedema"]),
    (Condition::Myopathy, &["肌病", "横纹肌溶解", "muscledisease", "rhabdomyolysis"]),
    (Condition::GutObstruction, &["肠梗阻", "ileus", "bowelobstruction", "intestinalobstruction"]),
    (Condition::Dysentery, &["痢疾", "血便", "便血", "bloodystool", "bloodydiarrhoea", "bloodydiarrhea"]),
    (Condition::Hyperkalaemia, &["高钾血症", "高血钾", "血钾高", "hyperkalemia", "highpotassium"]),
    (Condition::MetabolicAcidosis, &["代谢性酸中毒", "酸中毒", "酮症酸中毒", "acidosis", "ketoacidosis"]),
    (Condition::Gout, &["痛风", "tongfeng"]),
    (Condition::Fever, &["发热", "发烧", "fever"]),
    (
        Condition::AlcoholUse,
        &[
            "经常饮酒",
            "饮酒",
            "长期饮酒",
            "酗酒",
            "喝酒",
            "经常喝酒",
            "酒精依赖",
            "alcoholic",
            "alcoholism",
            "drinker",
        ],
    ),
    (Condition::Phenylketonuria, &["苯丙酮尿症", "苯丙酮尿", "pku"]),
];

impl Condition {
    /// The condition with the common name or code `text`.
    pub fn named(text: &str) -> Option<Self> {
        let normalized: String = simplified(text).chars().filter(|c| c.is_alphanumeric()).collect();
        let known = |word: &str| {
            let code = |one: &&Condition| one.as_str().replace('_', "") == word;
            let by_name = NAMES.iter().find(|(_, names)| names.contains(&word)).map(|(one, _)| *one);
            by_name.or_else(|| Condition::ALL.iter().find(code).copied())
        };
        let stripped =
            ["我有", "患有", "得过", "有", "患"].iter().find_map(|word| normalized.strip_prefix(word));
        known(&normalized).or_else(|| known(stripped?))
    }

    /// The Chinese display name.
    pub fn label_zh(self) -> &'static str {
        let row = NAMES.iter().find(|(one, _)| *one == self);
        row.and_then(|(_, names)| names.first()).copied().unwrap_or(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_names_and_each_name_is_unique() {
        let mut seen = std::collections::HashSet::new();
        for condition in Condition::ALL {
            assert!(!condition.label_zh().is_ascii(), "{condition}");
            assert_eq!(Condition::named(condition.as_str()), Some(*condition));
            assert_eq!(Condition::named(condition.label_zh()), Some(*condition));
        }
        for (condition, names) in NAMES {
            for name in *names {
                assert!(seen.insert(*name), "{name}");
                assert_eq!(Condition::named(name), Some(*condition), "{name}");
            }
        }
        for (text, meant) in [
            ("懷孕", Condition::Pregnancy),
            ("有高血壓", Condition::Hypertension),
            ("Liver cirrhosis", Condition::SevereLiverDisease),
            ("胃潰瘍", Condition::PepticUlcer),
            ("heart-failure", Condition::HeartFailure),
        ] {
            assert_eq!(Condition::named(text), Some(meant), "{text}");
        }
        for text in ["", "祖传毛病", "有", "tired"] {
            assert_eq!(Condition::named(text), None, "{text}");
        }
    }
}
