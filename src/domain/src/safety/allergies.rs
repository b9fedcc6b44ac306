//! Allergies by class: the same class blocks; a related class with possible cross-reaction warns.

use super::{
    classes::{
        Classes,
        DrugClass::{
            Cephalosporin, Iodine, Macrolide, Nitroimidazole, Nsaid, Penicillin, Quinolone, SideChainAmino,
            SideChainMethoxyimino, Sulfonamide, Tetracycline,
        },
    },
    findings::Findings,
    input::Profile,
    items::Items,
    named_drug::{ingredients_of_text, parts},
    negation::means_none,
    report::Severity,
    rules::RuleSet,
};
use crate::{
    formulary::{Formulary, simplified},
    words::Bilingual,
};

const CLINICAL_RULES: &str = "Waystation clinical rules, pair table (allergy)";

/// One allergy that names a class.
struct ClassAllergy {
    spellings: &'static [&'static str],
    blocks: Classes,
    warns: Classes,
}

const CLASSES: &[ClassAllergy] = &[
    ClassAllergy {
        spellings: &["penicillins", "penicillin", "benzylpenicillin", "青霉素", "青霉素类"],
        blocks: Classes::of(&[Penicillin, SideChainAmino]),
        warns: Classes::of(&[Cephalosporin]),
    },
    ClassAllergy {
        spellings: &["cephalosporins", "cephalosporin", "头孢", "头孢菌素", "头孢类"],
        blocks: Classes::of(&[Cephalosporin]),
        warns: Classes::of(&[Penicillin]),
    },
    ClassAllergy {
        spellings: &["nsaids", "nsaid", "非甾体抗炎药", "解热镇痛药"],
        blocks: Classes::of(&[Nsaid]),
        warns: Classes::NONE,
    },
    ClassAllergy {
        spellings: &["sulfonamides", "sulfonamide", "sulfa", "磺胺", "磺胺类"],
        blocks: Classes::of(&[Sulfonamide]),
        warns: Classes::NONE,
    },
    ClassAllergy {
        spellings: &["macrolides", "macrolide", "大环内酯", "大环内酯类"],
        blocks: Classes::of(&[Macrolide]),
        warns: Classes::NONE,
    },
    ClassAllergy {
        spellings: &["quinolones", "quinolone", "喹诺酮", "喹诺酮类"],
        blocks: Classes::of(&[Quinolone]),
        warns: Classes::NONE,
    },
    ClassAllergy {
        spellings: &["tetracyclines", "tetracycline", "四环素", "四环素类"],
        blocks: Classes::of(&[Tetracycline]),
        warns: Classes::NONE,
    },
    ClassAllergy {
        spellings: &["iodine", "iodide", "iodophor", "povidone_iodine", "碘", "碘伏", "碘酒", "聚维酮碘"],
        blocks: Classes::of(&[Iodine]),
        warns: Classes::NONE,
    },
    ClassAllergy {
        spellings: &["nitroimidazoles", "nitroimidazole", "硝基咪唑类"],
        blocks: Classes::of(&[Nitroimidazole]),
        warns: Classes::NONE,
    },
];

/// Allergies that do not concern any drug.
const NOT_DRUGS: &[&str] = &[
    "pollen",
    "dust",
    "dust_mites",
    "food",
    "seafood",
    "peanut",
    "milk",
    "egg",
    "latex",
    "insect_stings",
    "cold",
    "花粉",
    "尘螨",
    "食物",
    "海鲜",
    "花生",
    "牛奶",
    "鸡蛋",
    "mango",
    "shrimp",
    "crab",
    "shellfish",
    "nuts",
    "mould",
    "mold",
    "cat",
    "dog",
    "animal_hair",
    "芒果",
    "虾",
    "蟹",
    "虾蟹",
    "海产品",
    "坚果",
    "霉菌",
    "柳絮",
    "杨絮",
    "宠物毛发",
    "猫毛",
    "狗毛",
    "冷空气",
    "紫外线",
    "日光",
    "乳胶",
    "蜂蜇",
];

/// Classes in which an allergy to one drug blocks the related drugs too.
const SHARED: Classes = Classes::of(&[
    Penicillin,
    SideChainAmino,
    SideChainMethoxyimino,
    Nsaid,
    Sulfonamide,
    Macrolide,
    Quinolone,
    Tetracycline,
    Nitroimidazole,
]);
/// Classes with possible cross-reactions between each other.
const BETA_LACTAM: Classes = Classes::of(&[Penicillin, Cephalosporin]);

/// The meaning of one allergy entry.
enum Meaning {
    Drug { ingredients: Vec<u16>, blocks: Classes, warns: Classes },
    NotADrug,
    Unknown,
}

fn meaning(text: &str, formulary: &Formulary, rules: &RuleSet) -> Meaning {
    let spelt = simplified(text.trim()).replace([' ', '-'], "_");
    // Example: `对青霉素过敏`
    let bare = spelt.strip_prefix('对').unwrap_or(&spelt);
    let bare = ["药物过敏", "过敏史", "过敏"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
    if means_none(text) || NOT_DRUGS.contains(&bare) {
        return Meaning::NotADrug;
    }
    let class = |word: &str| CLASSES.iter().find(|row| row.spellings.contains(&word));
    if let Some(row) = class(bare).or_else(|| class(bare.strip_suffix("类药")?)) {
        return Meaning::Drug { ingredients: Vec::new(), blocks: row.blocks, warns: row.warns };
    }
    let ingredients = ingredients_of_text(bare, formulary, rules);
    if ingredients.is_empty() {
        return Meaning::Unknown;
    }
    let of = |number: &u16| rules.ingredients()[usize::from(*number)].classes;
    let classes = ingredients.iter().map(of).fold(Classes::NONE, Classes::or);
    let warns = if classes.meets(BETA_LACTAM) { BETA_LACTAM } else { Classes::NONE };
    Meaning::Drug { ingredients, blocks: classes.and(SHARED), warns }
}

/// Checks every line against every recorded allergy.
pub(super) fn check_allergies(
    items: &Items<'_>,
    profile: &Profile,
    formulary: &Formulary,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    let entries = profile.allergies.iter().flat_map(|allergy| {
        let whole = !matches!(meaning(allergy, formulary, rules), Meaning::Unknown);
        if whole { vec![allergy.as_str()] } else { parts(allergy).collect() }
    });
    for allergy in entries {
        match meaning(allergy, formulary, rules) {
            Meaning::NotADrug => {}
            Meaning::Unknown => {
                let shown: String = allergy.chars().take(60).collect();
                let message = Bilingual::made(
                    format!("规则库不认识过敏史“{shown}”。"),
                    format!("The rules do not know the allergy \"{shown}\"."),
                );
                findings.made("unknown_allergy", Severity::Unknown, &[], message, CLINICAL_RULES);
            }
            Meaning::Drug { ingredients, blocks, warns } => {
                for item in items.prescribed() {
                    let itself = item.ingredient.is_some_and(|number| ingredients.contains(&number));
                    let severity = if itself || item.allergy_classes.meets(blocks) {
                        Severity::Block
                    } else if item.allergy_classes.meets(warns) {
                        Severity::Warn
                    } else {
                        continue;
                    };
                    report(allergy, item.line(), severity, findings);
                }
            }
        }
    }
}

fn report(allergy: &str, line: Option<usize>, severity: Severity, findings: &mut Findings) {
    let shown: String = allergy.chars().take(60).collect();
    let (rule, message) = if severity == Severity::Block {
        let message = Bilingual::made(
            format!("对“{shown}”过敏，该药属同类。"),
            format!("Allergic to {shown}; this drug is of the same class."),
        );
        ("allergy", message)
    } else {
        let message = Bilingual::made(
            format!("对“{shown}”过敏，该药可能交叉过敏。"),
            format!("Allergic to {shown}; this drug may cross-react."),
        );
        ("allergy_cross", message)
    };
    findings.made(rule, severity, line.as_slice(), message, CLINICAL_RULES);
}
