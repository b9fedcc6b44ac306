//! The never-list: what is neither prescribed nor sold here, whatever a file, an old database
//! or a doctor says. One function, asked at import, at the safety check, at signing, at the
//! sale and at START. A product is found by its form, its ingredients, its ATC code and its
//! names: a row that calls its ingredient something else is found all the same.
//!
//! Source: Waystation clinical rules, prescribing table, "never" (narcotics, psychotropics with
//! dextromethorphan since 2024-07-01, injections, ephedrine compounds, warfarin, digoxin,
//! theophylline, carbamazepine). The members of each group follow the ATC index and the
//! Chinese catalogues of narcotic and psychotropic drugs, as far as such products are on sale.
//! Ephedra as a herb is no ephedrine compound and is judged by blood pressure (`safety`).

use std::sync::LazyLock;

use regex::Regex;

use super::codes::Form;
use super::product::Product;
use crate::domain::words::Bilingual;

/// Why a product stands on the list, and which column of its row says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Never {
    /// The column of the row.
    pub field: &'static str,
    /// The group of the list, for people.
    pub group: Bilingual,
}

/// One group: stems of ingredients and English names, Chinese names, ATC prefixes.
struct Group {
    zh: &'static str,
    en: &'static str,
    /// Whole words, where a stem would find others: `opium` stands in `ipratropium`.
    words: &'static [&'static str],
    stems: &'static [&'static str],
    names: &'static [&'static str],
    atc: &'static [&'static str],
}

const GROUPS: &[Group] = &[
    Group {
        zh: "清单内药品的商品名",
        en: "a trade name of a listed drug",
        words: &[],
        stems: &[
            "valium", "xanax", "stilnox", "ritalin", "concerta", "luminal", "tegretol", "coumadin",
            "lanoxin", "dolantin", "zopiclon",
        ],
        names: &["新康泰克", "惠菲宁", "联邦止咳露", "白加黑", "安定片", "氨酚美伪", "复方甘草合剂"],
        atc: &[],
    },
    Group {
        zh: "麻醉药品",
        en: "a narcotic",
        words: &["opium"],
        stems: &[
            "codeine",
            "codone",
            "morphine",
            "morphone",
            "morphan",
            "fentan",
            "pethidine",
            "meperidine",
            "tramadol",
            "tapentadol",
            "methadone",
            "prenorphine",
            "butorphanol",
            "nalbuphine",
            "dezocine",
            "pentazocine",
            "opiate",
            "poppy",
            "diphenoxylate",
            "cocaine",
            "heroin",
            "cannabi",
            "pholcod",
        ],
        names: &[
            "可待因",
            "吗啡",
            "羟考酮",
            "氢可酮",
            "芬太尼",
            "哌替啶",
            "度冷丁",
            "曲马多",
            "曲马朵",
            "他喷他多",
            "美沙酮",
            "丁丙诺啡",
            "布托啡诺",
            "纳布啡",
            "地佐辛",
            "喷他佐辛",
            "阿片",
            "罂粟壳",
            "地芬诺酯",
            "可卡因",
            "复方甘草片",
            "复方甘草口服溶液",
            "复方樟脑酊",
        ],
        atc: &[
            "N01AH", "N02A", "N07BC", "A07DA01", "A07DA02", "R05DA01", "R05DA03", "R05DA04", "R05DA05",
            "R05DA06", "R05DA08", "R05DA20", "R05FA",
        ],
    },
    Group {
        zh: "精神药品（含右美沙芬）",
        en: "a psychotropic (dextromethorphan is one)",
        words: &[],
        stems: &[
            "methorphan",
            "azepam",
            "azolam",
            "zolpidem",
            "zopiclone",
            "zaleplon",
            "barbital",
            "barbitone",
            "methylphenidate",
            "amphetamine",
            "amfetamine",
            "modafinil",
            "ketamine",
            "oxybate",
            "etomidate",
            "clobazam",
            "chlordiazepoxide",
            "clorazepate",
            "meprobamate",
            "phentermine",
            "pemoline",
            "dimdazenil",
            "lorcaserin",
            "chloral_hydrate",
            "chloral hydrate",
        ],
        names: &[
            "右美沙芬",
            "右甲吗喃",
            "愈美",
            "美敏",
            "西泮",
            "唑仑",
            "唑吡坦",
            "佐匹克隆",
            "扎来普隆",
            "巴比妥",
            "哌甲酯",
            "哌醋甲酯",
            "苯丙胺",
            "莫达非尼",
            "氯胺酮",
            "羟丁酸",
            "依托咪酯",
            "氯巴占",
            "氯氮䓬",
            "氯氮卓",
            "甲丙氨酯",
            "芬特明",
            "地达西尼",
            "水合氯醛",
            "安钠咖",
        ],
        atc: &[
            "N01AX03", "N01AX07", "N01AX11", "N01AX14", "N03AA", "N03AE", "N05BA", "N05CA", "N05CB", "N05CC",
            "N05CD", "N05CF", "N06BA01", "N06BA02", "N06BA03", "N06BA04", "N06BA05", "N06BA07", "N06BA11",
            "N06BA12", "N07XX04", "R05DA09", "A08AA01",
        ],
    },
    Group {
        zh: "麻黄碱类复方",
        en: "an ephedrine compound",
        words: &[],
        stems: &["ephedrin", "phenylpropanolamine", "cathine"],
        names: &["麻黄碱", "麻黄素", "伪麻", "甲麻", "酚麻", "苯丙醇胺"],
        atc: &[
            "R01AA03", "R01AB05", "R01BA01", "R01BA02", "R01BA51", "R01BA52", "R03CA02", "S01FB02", "C01CA26",
        ],
    },
    Group {
        zh: "须监测血药浓度的药品",
        en: "a drug that needs measured levels",
        words: &[],
        stems: &[
            "warfarin",
            "digoxin",
            "digitoxin",
            "digitalis",
            "deslanoside",
            "lanatoside",
            "theophyllin",
            "aminophyllin",
            "doxofyllin",
            "doxophyllin",
            "diprophyllin",
            "dyphyllin",
            "carbamazepin",
        ],
        names: &["华法林", "地高辛", "洋地黄", "毛花苷", "毛花甙", "茶碱", "卡马西平"],
        atc: &["B01AA03", "C01AA", "R03DA", "R03DB", "N03AF01"],
    },
];

/// One group as it is looked for: Latin text and Chinese text.
struct Sought {
    group: &'static Group,
    latin: Regex,
    chinese: Regex,
}

/// Compiled once: a check must be quick.
fn sought() -> &'static [Sought] {
    static SOUGHT: LazyLock<Vec<Sought>> = LazyLock::new(|| {
        let any = |texts: &[&str]| texts.iter().map(|text| regex::escape(text)).collect::<Vec<_>>().join("|");
        let compiled = |pattern: &str| Regex::new(pattern).expect("escaped words are a pattern");
        let one = |group: &'static Group| {
            let stems = any(group.stems);
            let latin = match group.words {
                [] => stems,
                words => format!("{stems}|(?:^|[^a-z0-9])(?:{})(?:[^a-z0-9]|$)", any(words)),
            };
            Sought { group, latin: compiled(&latin), chinese: compiled(&any(group.names)) }
        };
        GROUPS.iter().map(one).collect()
    });
    &SOUGHT
}

/// A name as the list spells it: full-width and Cyrillic letters that look like
/// plain ones, and traditional characters of listed drugs, are read as those.
fn plain(name: &str) -> String {
    let letter = |letter: char| match letter {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        'а' | 'А' => 'a',
        'е' | 'Е' => 'e',
        'о' | 'О' => 'o',
        'с' | 'С' => 'c',
        'р' | 'Р' => 'p',
        'х' | 'Х' => 'x',
        'і' | 'І' => 'i',
        '華' => '华',
        '嗎' => '吗',
        '馬' => '马',
        '黃' => '黄',
        '偽' => '伪',
        '鹼' | '硷' => '碱',
        other => other,
    };
    name.chars().map(letter).flat_map(char::to_lowercase).collect()
}

/// Where a product stands on the never-list; `None` where it does not.
pub fn never(product: &Product) -> Option<Never> {
    let found = |field: &'static str, zh: &'static str, en: &'static str| {
        Some(Never { field, group: Bilingual::fixed(zh, en) })
    };
    let (chinese_name, english) = (plain(&product.generic_zh), plain(&product.generic_en));
    let chinese_name: String = chinese_name.chars().filter(|letter| !letter.is_whitespace()).collect();
    let latin_in_chinese = chinese_name.bytes().any(|byte| byte.is_ascii_alphabetic());
    if product.form == Form::Injection {
        return found("form", "注射剂", "an injection");
    }
    if ["注射", "粉针", "静脉滴注"].iter().any(|word| chinese_name.contains(word)) {
        return found("generic_zh", "注射剂", "an injection");
    }
    if english.contains("injection") || english.contains("injectable") {
        return found("generic_en", "注射剂", "an injection");
    }
    // Hyphens must not hide a name: `pseudo-ephedrine`.
    let joined = |text: &str| text.contains('-').then(|| text.replace('-', ""));
    for Sought { group, latin, chinese } in sought() {
        let named =
            |text: &str| latin.is_match(text) || joined(text).is_some_and(|text| latin.is_match(&text));
        if product.ingredients.iter().any(|one| named(one.code.as_str())) {
            return found("ingredients", group.zh, group.en);
        }
        if group.atc.iter().any(|prefix| product.atc.starts_with(prefix)) {
            return found("atc", group.zh, group.en);
        }
        if chinese.is_match(&chinese_name) || (latin_in_chinese && named(&chinese_name)) {
            return found("generic_zh", group.zh, group.en);
        }
        if named(&english) || (!english.is_ascii() && chinese.is_match(&english)) {
            return found("generic_en", group.zh, group.en);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::formulary::Formulary;

    #[test]
    fn the_list_finds_by_each_column_and_spares_what_only_sounds_like_it() {
        let book = Formulary::shipped().expect("shipped");
        let plain = book.find("PCM-T500").expect("shipped").clone();
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
            ["ephedra", "oxcarbazepine", "pentoxifylline", "papaverine", "loperamide", "ipratropium_bromide"]
        {
            assert_eq!(coded(code), None, "{code}");
        }
        for atc in ["R05DA09", "R01BA52", "B01AA03", "C01AA05", "R03DA04", "N03AF01", "N05BA01", "N02AX02"] {
            assert_eq!(with(&|p| p.atc = atc.into()), Some("atc"), "{atc}");
        }
        for name in ["酚麻美敏片", "氨酚伪麻片", "复方右美沙芬糖浆", "华法林钠片", "氨茶碱片", "艾司唑仑片"]
        {
            assert_eq!(with(&|p| p.generic_zh = name.into()), Some("generic_zh"), "{name}");
        }
        assert_eq!(with(&|p| p.generic_en = "Pseudo-Ephedrine tablets".into()), Some("generic_en"));
        assert_eq!(with(&|p| p.form = Form::Injection), Some("form"));
        assert_eq!(with(&|p| p.generic_zh = "头孢曲松钠（注射用）".into()), Some("generic_zh"));
        for product in book.iter() {
            assert_eq!(never(product), None, "{}", product.code);
        }
    }
}
