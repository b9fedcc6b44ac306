//! The never-list: products that are neither prescribed nor sold here, no matter what a file, an
//! old database or a doctor states. One function, called at import, at the safety check, at
//! signing, at the sale and at START. A product is matched by form, ingredients, ATC code and
//! names, so a row with another name for its ingredient is matched too.
//!
//! Source: the project's clinical rules, prescribing table, "never" (narcotics, psychotropics with
//! dextromethorphan since 2024-07-01, injections, ephedrine compounds, warfarin, digoxin,
//! theophylline, carbamazepine). Our default: the whole ATC groups of opioids, antipsychotics,
//! sedatives, stimulants and insulins are on the list. The members of each group follow the ATC
//! index and the Chinese catalogues of narcotic and psychotropic drugs, as far as such products
//! are on sale. The herb ephedra is not an ephedrine compound; `safety` checks it against blood
//! pressure.

mod groups;

use std::sync::LazyLock;

use regex::Regex;

use super::{codes::Form, names::canonical_ingredient, product::Product, script::simplified};
use crate::words::Bilingual;
use groups::{EXCEPTIONS, GROUPS, Group, INJECTED_EN, INJECTED_ZH};

/// Why a product is on the list, and which column of its row matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Never {
    pub field: &'static str,
    /// Display name of the group of the list.
    pub group: Bilingual,
}

/// The compiled patterns of one group, for Latin and for Chinese text.
struct GroupPattern {
    group: &'static Group,
    latin: Regex,
    chinese: Regex,
}

/// Compiled once, because the check must be fast.
fn group_patterns() -> &'static [GroupPattern] {
    static PATTERNS: LazyLock<Vec<GroupPattern>> = LazyLock::new(|| {
        let any = |texts: &[&str]| texts.iter().map(|text| regex::escape(text)).collect::<Vec<_>>().join("|");
        let compiled = |pattern: &str| Regex::new(pattern).expect("escaped words are a pattern");
        let one = |group: &'static Group| {
            let stems = any(group.stems);
            let latin = match group.whole_words {
                [] => stems,
                words => format!("{stems}|(?:^|[^a-z0-9])(?:{})(?:[^a-z0-9]|$)", any(words)),
            };
            GroupPattern { group, latin: compiled(&latin), chinese: compiled(&any(group.names)) }
        };
        GROUPS.iter().map(one).collect()
    });
    &PATTERNS
}

/// The match of a product on the never-list; `None` if it is not on the list.
pub fn never(product: &Product) -> Option<Never> {
    let found = |field: &'static str, zh: &'static str, en: &'static str| {
        Some(Never { field, group: Bilingual::fixed(zh, en) })
    };
    let (chinese_name, english) = (simplified(&product.generic_zh), simplified(&product.generic_en));
    let mut chinese_name: String = chinese_name.chars().filter(|letter| !letter.is_whitespace()).collect();
    for exception in EXCEPTIONS {
        chinese_name = chinese_name.replace(exception, "");
    }
    let latin_in_chinese = chinese_name.bytes().any(|byte| byte.is_ascii_alphabetic());
    if product.form == Form::Injection {
        return found("form", "注射剂", "an injection");
    }
    if INJECTED_ZH.iter().any(|word| chinese_name.contains(word)) {
        return found("generic_zh", "注射剂", "an injection");
    }
    if INJECTED_EN.iter().any(|word| english.contains(word)) {
        return found("generic_en", "注射剂", "an injection");
    }
    // A name in pinyin or of another country is mapped to its ingredient.
    let ingredients_of_names = [canonical_ingredient(&chinese_name), canonical_ingredient(&english)];
    // Hyphens must not hide a name: `pseudo-ephedrine`.
    let joined = |text: &str| text.contains('-').then(|| text.replace('-', ""));
    for GroupPattern { group, latin, chinese } in group_patterns() {
        let named =
            |text: &str| latin.is_match(text) || joined(text).is_some_and(|text| latin.is_match(&text));
        if product.ingredients.iter().any(|one| named(one.code.as_str())) {
            return found("ingredients", group.zh, group.en);
        }
        if group.atc.iter().any(|prefix| product.atc.starts_with(prefix)) {
            return found("atc", group.zh, group.en);
        }
        let means = |name: Option<&'static str>| name.is_some_and(|code| latin.is_match(code));
        if chinese.is_match(&chinese_name)
            || (latin_in_chinese && named(&chinese_name))
            || means(ingredients_of_names[0])
        {
            return found("generic_zh", group.zh, group.en);
        }
        if named(&english)
            || (!english.is_ascii() && chinese.is_match(&english))
            || means(ingredients_of_names[1])
        {
            return found("generic_en", group.zh, group.en);
        }
    }
    None
}

/// Whether the ingredient `code` is on the list in any form.
pub(crate) fn never_ingredient(code: &str) -> bool {
    group_patterns().iter().any(|group| group.latin.is_match(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formulary::Formulary;

    #[test]
    fn the_list_matches_by_each_column_and_not_by_similar_names() {
        let formulary = Formulary::shipped().expect("shipped");
        let plain = formulary.find("PCM-T500").expect("shipped").clone();
        let with = |change: &dyn Fn(&mut Product)| {
            let mut product = plain.clone();
            change(&mut product);
            never(&product).map(|never| never.field)
        };
        assert_eq!(with(&|_| {}), None);
        let coded = |code: &'static str| {
            with(&move |p| p.ingredients[0].code = super::super::IngredientCode::parse(code).expect("a code"))
        };
        for code in [
            "dextromethorphan",
            "dextromethorphan_hydrobromide",
            "pseudo-ephedrine",
            "pseudoephedrine_hydrochloride",
            "methylephedrine",
            "warfarin_sodium",
            "digoxin",
            "theophylline",
            "carbamazepine",
            "codeine_phosphate",
            "diazepam",
            "alprazolam",
            "phenobarbital",
        ] {
            assert_eq!(coded(code), Some("ingredients"), "{code}");
        }
        for code in
            ["ephedra", "domperidone", "pentoxifylline", "papaverine", "loperamide", "ipratropium_bromide"]
        {
            assert_eq!(coded(code), None, "{code}");
        }
        for atc in [
            "R05DA09", "R01BA52", "B01AA03", "C01AA05", "R03DA04", "N03AF01", "N05BA01", "N02AX02",
            "R05DA04", "R05FA02", "N05AH03", "N05CF02", "B01AA07", "A10AB01", "N06AX14",
        ] {
            assert_eq!(with(&|p| p.atc = atc.into()), Some("atc"), "{atc}");
        }
        for name in ["酚麻美敏片", "氨酚伪麻片", "复方右美沙芬糖浆", "华法林钠片", "氨茶碱片", "艾司唑仑片"]
        {
            assert_eq!(with(&|p| p.generic_zh = name.into()), Some("generic_zh"), "{name}");
        }
        assert_eq!(with(&|p| p.generic_en = "Pseudo-Ephedrine tablets".into()), Some("generic_en"));
        assert_eq!(with(&|p| p.form = Form::Injection), Some("form"));
        assert_eq!(with(&|p| p.generic_zh = "头孢曲松钠（注射用）".into()), Some("generic_zh"));
        for product in formulary.iter() {
            assert_eq!(never(product), None, "{}", product.code);
        }
    }
}
