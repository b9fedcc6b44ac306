//! The pair table: interactions of two things that are taken together.

use super::{
    classes::DrugClass::{
        self, AceInhibitor, Arb, Diuretic, Ethanol, EthanolReactive, LowDoseAspirin, Nitrate, Nsaid,
        Pde5Inhibitor, QtDrug, SedatingAntihistamine, TopicalNsaid,
    },
    report::Severity::{self, Block, Note, Warn},
};
use crate::words::Bilingual;

/// One side of a pair rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Every ingredient of this class.
    Class(DrugClass),
    /// This ingredient.
    Ingredient(&'static str),
}

/// The condition under which a pair rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    /// The left side is taken at more than this many micrograms a day, or at an unknown dose.
    LeftAboveDayUg(i64),
    /// The worker works at height.
    AtHeight,
    /// The worker does not work at height.
    NotAtHeight,
    /// Kidney disease, or dehydration.
    KidneyOrDehydrated,
    /// A drug of this class is taken too.
    WithThird(DrugClass),
    /// The breath test is positive.
    BreathPositive,
}

/// One row of the table. It applies in both directions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PairRule {
    /// Stable code.
    pub code: &'static str,
    pub left: Side,
    pub right: Side,
    pub when: When,
    pub severity: Severity,
    /// The sentence in Chinese and English.
    pub message: (&'static str, &'static str),
    /// The source that the finding cites.
    pub source: &'static str,
}

impl PairRule {
    /// The sentence for people.
    pub const fn sentence(&self) -> Bilingual {
        Bilingual::fixed(self.message.0, self.message.1)
    }
}

const CLINICAL_RULES: &str = "Waystation clinical rules, pair table";
const OURS: &str = "Waystation policy default";

const fn class(class: DrugClass) -> Side {
    Side::Class(class)
}
const fn drug(code: &'static str) -> Side {
    Side::Ingredient(code)
}
const fn row(
    code: &'static str,
    left: Side,
    right: Side,
    when: When,
    severity: Severity,
    message: (&'static str, &'static str),
    source: &'static str,
) -> PairRule {
    PairRule { code, left, right, when, severity, message, source }
}

const SIMVA_MACROLIDE: (&str, &str) = (
    "辛伐他汀与克拉霉素或红霉素合用可致横纹肌溶解。",
    "Simvastatin with clarithromycin or erythromycin can destroy muscle.",
);
const ATORVA_MACROLIDE: (&str, &str) = (
    "阿托伐他汀与克拉霉素或红霉素合用增加肌病风险。",
    "Atorvastatin with clarithromycin or erythromycin raises the risk of muscle disease.",
);
const RENAL: (&str, &str) = (
    "肾病、利尿剂或脱水时，非甾体抗炎药与普利/沙坦类合用可损伤肾脏。",
    "With kidney disease, a diuretic or dehydration, an NSAID with an ACE inhibitor or ARB can harm the kidneys.",
);
const RENAL_NOTE: (&str, &str) = (
    "非甾体抗炎药会减弱普利/沙坦类的降压作用，请多饮水并监测血压。",
    "An NSAID weakens an ACE inhibitor or ARB; drink enough and watch the blood pressure.",
);
const METFORMIN_ETHANOL: (&str, &str) =
    ("二甲双胍与酒精合用增加乳酸酸中毒风险。", "Metformin with ethanol raises the risk of lactic acidosis.");
const PARACETAMOL_ETHANOL: (&str, &str) =
    ("对乙酰氨基酚与酒精合用损伤肝脏。", "Paracetamol with ethanol harms the liver.");

/// The rows, in the order of the project's clinical rules. Rows with the source `OURS` are our
/// defaults.
pub(super) const PAIRS: &[PairRule] = &[
    row(
        "simvastatin_macrolide",
        drug("simvastatin"),
        drug("clarithromycin"),
        When::Always,
        Block,
        SIMVA_MACROLIDE,
        CLINICAL_RULES,
    ),
    row(
        "simvastatin_macrolide",
        drug("simvastatin"),
        drug("erythromycin"),
        When::Always,
        Block,
        SIMVA_MACROLIDE,
        CLINICAL_RULES,
    ),
    row(
        "simvastatin_amlodipine",
        drug("simvastatin"),
        drug("amlodipine"),
        When::LeftAboveDayUg(20_000),
        Block,
        (
            "与氨氯地平合用时辛伐他汀每日不得超过 20 毫克。",
            "With amlodipine, simvastatin may not exceed 20 mg a day.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "simvastatin_azithromycin",
        drug("simvastatin"),
        drug("azithromycin"),
        When::Always,
        Warn,
        (
            "辛伐他汀与阿奇霉素合用偶见横纹肌溶解。",
            "Simvastatin with azithromycin can, rarely, destroy muscle.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "atorvastatin_macrolide",
        drug("atorvastatin"),
        drug("clarithromycin"),
        When::Always,
        Warn,
        ATORVA_MACROLIDE,
        CLINICAL_RULES,
    ),
    row(
        "atorvastatin_macrolide",
        drug("atorvastatin"),
        drug("erythromycin"),
        When::Always,
        Warn,
        ATORVA_MACROLIDE,
        CLINICAL_RULES,
    ),
    row(
        "nsaid_low_dose_aspirin",
        class(Nsaid),
        class(LowDoseAspirin),
        When::Always,
        Warn,
        (
            "布洛芬等会削弱小剂量阿司匹林的保护作用，须错开服用：阿司匹林后至少 30 分钟，或其前 8 小时。",
            "Ibuprofen and the like weaken low-dose aspirin; space them: at least 30 minutes after the aspirin or 8 hours before it.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "two_nsaids",
        class(Nsaid),
        class(Nsaid),
        When::Always,
        Block,
        ("不得同时使用两种非甾体抗炎药。", "Two NSAIDs may not be taken together."),
        CLINICAL_RULES,
    ),
    row(
        "nsaid_topical_nsaid",
        class(Nsaid),
        class(TopicalNsaid),
        When::Always,
        Warn,
        ("口服与外用非甾体抗炎药合用会累加。", "An NSAID by mouth and one on the skin add up."),
        OURS,
    ),
    row(
        "nsaid_warfarin",
        class(Nsaid),
        drug("warfarin"),
        When::Always,
        Block,
        ("非甾体抗炎药与华法林合用可致大出血。", "An NSAID with warfarin can cause grave bleeding."),
        CLINICAL_RULES,
    ),
    row(
        "low_dose_aspirin_warfarin",
        class(LowDoseAspirin),
        drug("warfarin"),
        When::Always,
        Block,
        ("阿司匹林与华法林合用可致大出血。", "Aspirin with warfarin can cause grave bleeding."),
        CLINICAL_RULES,
    ),
    row("nsaid_ace_arb", class(Nsaid), class(AceInhibitor), When::Always, Note, RENAL_NOTE, CLINICAL_RULES),
    row("nsaid_ace_arb", class(Nsaid), class(Arb), When::Always, Note, RENAL_NOTE, CLINICAL_RULES),
    row(
        "nsaid_ace_arb_kidney",
        class(Nsaid),
        class(AceInhibitor),
        When::KidneyOrDehydrated,
        Warn,
        RENAL,
        CLINICAL_RULES,
    ),
    row(
        "nsaid_ace_arb_kidney",
        class(Nsaid),
        class(Arb),
        When::KidneyOrDehydrated,
        Warn,
        RENAL,
        CLINICAL_RULES,
    ),
    row(
        "nsaid_ace_arb_diuretic",
        class(Nsaid),
        class(AceInhibitor),
        When::WithThird(Diuretic),
        Warn,
        RENAL,
        CLINICAL_RULES,
    ),
    row(
        "nsaid_ace_arb_diuretic",
        class(Nsaid),
        class(Arb),
        When::WithThird(Diuretic),
        Warn,
        RENAL,
        CLINICAL_RULES,
    ),
    row(
        "disulfiram_like",
        class(EthanolReactive),
        class(Ethanol),
        When::Always,
        Block,
        (
            "甲硝唑、头孢哌酮等与酒精（含酒精酊剂）合用可致双硫仑样反应。",
            "Metronidazole, cefoperazone and the like react dangerously with ethanol, tinctures included.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "pde5_nitrate",
        class(Pde5Inhibitor),
        class(Nitrate),
        When::Always,
        Block,
        (
            "西地那非类与硝酸酯合用可致致命低血压。",
            "A PDE5 inhibitor with a nitrate can drop the blood pressure fatally.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "two_sedating_at_height",
        class(SedatingAntihistamine),
        class(SedatingAntihistamine),
        When::AtHeight,
        Block,
        (
            "高处作业者不得合用两种致嗜睡抗组胺药。",
            "Two sedating antihistamines are not for a worker at height.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "sedating_ethanol_at_height",
        class(SedatingAntihistamine),
        class(Ethanol),
        When::AtHeight,
        Block,
        (
            "高处作业者不得将致嗜睡抗组胺药与酒精合用。",
            "A sedating antihistamine with ethanol is not for a worker at height.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "two_sedating",
        class(SedatingAntihistamine),
        class(SedatingAntihistamine),
        When::NotAtHeight,
        Warn,
        ("两种致嗜睡抗组胺药合用，嗜睡加重。", "Two sedating antihistamines add up to more sleepiness."),
        OURS,
    ),
    row(
        "sedating_ethanol",
        class(SedatingAntihistamine),
        class(Ethanol),
        When::NotAtHeight,
        Warn,
        ("致嗜睡抗组胺药与酒精合用，嗜睡加重。", "A sedating antihistamine with ethanol makes more sleepy."),
        OURS,
    ),
    row(
        "azithromycin_qt",
        drug("azithromycin"),
        class(QtDrug),
        When::Always,
        Block,
        (
            "阿奇霉素与多潘立酮、莫西沙星等合用可致致命心律失常。",
            "Azithromycin with a drug that lengthens QT (domperidone, moxifloxacin) can cause a fatal rhythm.",
        ),
        CLINICAL_RULES,
    ),
    row(
        "omeprazole_clopidogrel",
        drug("omeprazole"),
        drug("clopidogrel"),
        When::Always,
        Warn,
        ("奥美拉唑减弱氯吡格雷的作用。", "Omeprazole weakens clopidogrel."),
        CLINICAL_RULES,
    ),
    row(
        "metformin_ethanol",
        drug("metformin"),
        class(Ethanol),
        When::Always,
        Warn,
        METFORMIN_ETHANOL,
        CLINICAL_RULES,
    ),
    row(
        "metformin_ethanol_breath",
        drug("metformin"),
        class(Ethanol),
        When::BreathPositive,
        Block,
        METFORMIN_ETHANOL,
        CLINICAL_RULES,
    ),
    row(
        "paracetamol_ethanol",
        drug("paracetamol"),
        class(Ethanol),
        When::Always,
        Warn,
        PARACETAMOL_ETHANOL,
        CLINICAL_RULES,
    ),
    row(
        "paracetamol_ethanol_breath",
        drug("paracetamol"),
        class(Ethanol),
        When::BreathPositive,
        Block,
        PARACETAMOL_ETHANOL,
        CLINICAL_RULES,
    ),
];
