//! Resolves what a person names: an ingredient in any of its spellings, a compound remedy by its
//! name, or a product of our own catalogue.

use super::{items::number_of_text, rules::RuleSet};
use crate::formulary::{Formulary, simplified};

/// Compound remedies that people name, and their ingredients. Source: product labels; the trade
/// names are those used in China.
const COMPOUNDS: &[(&[&str], &[&str])] = &[
    (
        &["复方氨酚烷胺", "氨酚烷胺", "感康", "快克", "新速效感冒片"],
        &["paracetamol", "amantadine", "chlorphenamine", "caffeine", "artificial_cow_bezoar"],
    ),
    (
        &["复方氨酚咖那敏", "感冒灵", "999感冒灵", "三九感冒灵", "感冒灵颗粒", "速效感冒胶囊", "感冒通片"],
        &["paracetamol", "chlorphenamine", "caffeine"],
    ),
    (
        &["酚麻美敏", "泰诺", "新康泰克红"],
        &["paracetamol", "pseudoephedrine", "dextromethorphan", "chlorphenamine"],
    ),
    (
        &["氨酚伪麻", "氨酚伪麻美芬", "白加黑", "日夜百服咛"],
        &["paracetamol", "pseudoephedrine", "dextromethorphan", "diphenhydramine"],
    ),
    (&["新康泰克", "复方盐酸伪麻黄碱", "康泰克"], &["pseudoephedrine", "chlorphenamine"]),
    (&["复方新诺明", "复方磺胺甲恶唑", "cotrimoxazole"], &["sulfamethoxazole", "trimethoprim"]),
    (
        &["阿莫西林克拉维酸", "阿莫西林克拉维酸钾", "安灭菌", "augmentin", "coamoxiclav"],
        &["amoxicillin", "clavulanic_acid"],
    ),
    (&["去痛片", "索密痛"], &["aminophenazone", "caffeine", "phenobarbital"]),
    (&["芬必得", "美林", "advil", "nurofen"], &["ibuprofen"]),
    (&["泰诺林", "必理通", "百服宁", "tylenol", "panadol"], &["paracetamol"]),
    (&["拜阿司匹灵", "拜阿司匹林", "bayaspirin"], &["aspirin"]),
    (&["扶他林", "voltaren"], &["diclofenac"]),
    (&["阿莫仙", "amoxil"], &["amoxicillin"]),
    (&["洛赛克", "losec", "prilosec"], &["omeprazole"]),
];

/// The numbers of the ingredients that `text` names; empty where it cannot be resolved.
pub(super) fn ingredients_of_text(text: &str, formulary: &Formulary, rules: &RuleSet) -> Vec<u16> {
    if let Some(number) = number_of_text(text, rules) {
        return vec![number];
    }
    let spelt: String = simplified(text).chars().filter(|c| c.is_alphanumeric()).collect();
    let compound = COMPOUNDS.iter().find(|(names, _)| names.contains(&spelt.as_str()));
    if let Some((_, codes)) = compound {
        return codes.iter().filter_map(|code| rules.number(code)).collect();
    }
    let Some(product) = formulary.named(text) else { return Vec::new() };
    let numbers: Option<Vec<u16>> =
        product.ingredients.iter().map(|one| rules.number(one.code.as_str())).collect();
    // A product with an unknown ingredient cannot be resolved.
    numbers.unwrap_or_default()
}

/// One field may name several things: `青霉素、头孢`.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(['、', '，', ',', ';', '；', '/', '|', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_our_own_formulary_and_of_the_table_is_known() {
        let (rules, formulary) = (RuleSet::standard(), Formulary::shipped().expect("shipped"));
        let known = |text: &str| !ingredients_of_text(text, &formulary, &rules).is_empty();
        for product in formulary.iter() {
            for name in [&product.generic_zh, &product.generic_en] {
                assert!(known(name), "{name}");
            }
            assert!(known(product.code.as_str()), "{}", product.code);
        }
        for (names, codes) in COMPOUNDS {
            for name in *names {
                assert_eq!(ingredients_of_text(name, &formulary, &rules).len(), codes.len(), "{name}");
            }
        }
        assert!(known("复方氨酚咖那敏"), "without its form");
        assert!(!known("祖传秘方") && !known(""));
        assert_eq!(parts("青霉素、头孢 / 磺胺").count(), 3);
    }
}
