//! Bounds beyond which a maximum is a slip of the pen, and texts that name no source. They
//! give no dosing advice: they only keep a row with 20 g of paracetamol a day out.

use super::product::{Ingredient, Product};
use crate::domain::words::Bilingual;

/// Ingredient, milligrams in one dose, milligrams in one day: the highest adult amounts by mouth
/// that common labels and product information name anywhere, rounded up. Our default; what a
/// worker may have is decided by the label's own maximum and by the tables of `safety`.
const CEILINGS: &[(&str, i64, i64)] = &[
    // Pain, fever, cold
    ("paracetamol", 1_000, 4_000),
    ("ibuprofen", 800, 3_200),
    ("naproxen", 750, 1_500),
    ("diclofenac", 150, 200),
    ("celecoxib", 400, 800),
    ("loxoprofen", 120, 240),
    ("meloxicam", 15, 15),
    ("etoricoxib", 120, 120),
    ("nimesulide", 100, 200),
    ("indometacin", 75, 200),
    ("ketoprofen", 200, 300),
    ("flurbiprofen", 100, 300),
    ("piroxicam", 40, 40),
    ("metamizole", 1_000, 4_000),
    ("aspirin", 1_000, 4_000),
    ("caffeine", 200, 600),
    ("amantadine", 200, 400),
    ("oseltamivir", 150, 300),
    // Allergy
    ("loratadine", 10, 20),
    ("desloratadine", 10, 20),
    ("cetirizine", 10, 20),
    ("levocetirizine", 5, 10),
    ("fexofenadine", 180, 360),
    ("ebastine", 20, 20),
    ("chlorphenamine", 8, 24),
    ("diphenhydramine", 50, 300),
    ("promethazine", 50, 150),
    ("cyproheptadine", 8, 32),
    ("doxylamine", 25, 75),
    ("ketotifen", 4, 4),
    ("dimenhydrinate", 100, 400),
    ("montelukast", 10, 10),
    // Stomach and gut
    ("omeprazole", 60, 120),
    ("esomeprazole", 80, 240),
    ("lansoprazole", 90, 180),
    ("pantoprazole", 80, 240),
    ("rabeprazole", 60, 120),
    ("famotidine", 40, 160),
    ("ranitidine", 300, 600),
    ("hydrotalcite", 2_000, 8_000),
    ("calcium_carbonate", 3_000, 8_000),
    ("smectite", 6_000, 18_000),
    ("loperamide", 4, 16),
    ("berberine", 500, 2_000),
    ("domperidone", 20, 80),
    ("mosapride", 15, 30),
    ("metoclopramide", 20, 60),
    ("bisacodyl", 20, 30),
    ("macrogol", 40_000, 80_000),
    ("lactulose", 60_000, 120_000),
    // Cough
    ("ambroxol", 75, 120),
    ("bromhexine", 16, 48),
    ("acetylcysteine", 600, 1_800),
    ("carbocisteine", 1_500, 4_500),
    ("guaifenesin", 1_200, 2_400),
    ("pentoxyverine", 50, 150),
    ("salbutamol", 8, 32),
    ("terbutaline", 5, 15),
    // Antimicrobials
    ("amoxicillin", 3_000, 6_000),
    ("ampicillin", 2_000, 6_000),
    ("phenoxymethylpenicillin", 1_000, 4_000),
    ("clavulanic_acid", 250, 500),
    ("cefalexin", 1_500, 6_000),
    ("cefaclor", 1_000, 4_000),
    ("cefradine", 1_000, 4_000),
    ("cefadroxil", 1_000, 4_000),
    ("cefprozil", 1_000, 2_000),
    ("cefuroxime", 1_000, 1_000),
    ("cefixime", 400, 800),
    ("cefdinir", 600, 600),
    ("cefpodoxime", 400, 800),
    ("azithromycin", 2_000, 2_000),
    ("clarithromycin", 1_000, 1_500),
    ("erythromycin", 1_000, 4_000),
    ("roxithromycin", 300, 300),
    ("levofloxacin", 750, 1_000),
    ("moxifloxacin", 400, 400),
    ("norfloxacin", 800, 800),
    ("ciprofloxacin", 1_000, 1_500),
    ("ofloxacin", 400, 800),
    ("doxycycline", 200, 300),
    ("minocycline", 200, 300),
    ("metronidazole", 2_000, 4_000),
    ("tinidazole", 2_000, 2_000),
    ("sulfamethoxazole", 1_600, 4_800),
    ("sulfadiazine", 2_000, 6_000),
    ("trimethoprim", 320, 960),
    ("rifampicin", 600, 1_200),
    ("fluconazole", 800, 800),
    ("itraconazole", 400, 600),
    ("ketoconazole", 400, 800),
    ("fosfomycin", 3_000, 6_000),
    ("aciclovir", 800, 4_000),
    ("valaciclovir", 2_000, 4_000),
    ("terbinafine", 500, 500),
    // Chronic refills
    ("amlodipine", 10, 10),
    ("levamlodipine", 5, 5),
    ("nifedipine", 60, 120),
    ("felodipine", 20, 20),
    ("losartan", 150, 150),
    ("valsartan", 320, 320),
    ("irbesartan", 300, 300),
    ("telmisartan", 80, 80),
    ("candesartan", 32, 32),
    ("captopril", 150, 450),
    ("enalapril", 40, 40),
    ("lisinopril", 80, 80),
    ("perindopril", 16, 16),
    ("benazepril", 40, 80),
    ("ramipril", 10, 20),
    ("hydrochlorothiazide", 100, 200),
    ("indapamide", 5, 5),
    ("furosemide", 200, 600),
    ("torasemide", 200, 200),
    ("spironolactone", 200, 400),
    ("metoprolol", 200, 450),
    ("bisoprolol", 20, 20),
    ("atenolol", 100, 200),
    ("propranolol", 160, 640),
    ("metformin", 2_000, 3_000),
    ("gliclazide", 160, 320),
    ("glimepiride", 8, 8),
    ("glipizide", 20, 40),
    ("acarbose", 200, 600),
    ("repaglinide", 4, 16),
    ("sitagliptin", 100, 100),
    ("dapagliflozin", 10, 10),
    ("simvastatin", 80, 80),
    ("atorvastatin", 80, 80),
    ("rosuvastatin", 40, 40),
    ("pravastatin", 80, 80),
    ("fenofibrate", 300, 300),
    ("ezetimibe", 10, 10),
    ("clopidogrel", 600, 600),
    ("allopurinol", 300, 900),
    ("febuxostat", 120, 120),
    ("colchicine", 2, 6),
    ("levothyroxine", 1, 1),
    ("folic_acid", 15, 15),
    ("ascorbic_acid", 2_000, 4_000),
    ("mecobalamin", 1, 3),
    ("potassium_chloride", 4_000, 12_000),
    ("sildenafil", 100, 100),
    ("tadalafil", 20, 40),
    ("vardenafil", 20, 20),
];

/// For an ingredient that the table does not hold: 100 g at a time, 200 g a day. Our default.
const ANY: (i64, i64) = (100_000, 200_000);

/// Texts that name no document, in lower case without spaces and signs.
const NO_SOURCE: &[&str] = &[
    "nobody",
    "noone",
    "somebody",
    "someone",
    "anybody",
    "anyone",
    "none",
    "no",
    "nosource",
    "withoutsource",
    "nil",
    "null",
    "na",
    "nan",
    "notavailable",
    "notapplicable",
    "unknown",
    "unsourced",
    "test",
    "tests",
    "testing",
    "tester",
    "trial",
    "dummy",
    "fake",
    "example",
    "sample",
    "placeholder",
    "todo",
    "tbd",
    "tba",
    "tbc",
    "fixme",
    "pending",
    "missing",
    "empty",
    "source",
    "thesource",
    "me",
    "myself",
    "self",
    "us",
    "internet",
    "web",
    "theweb",
    "google",
    "baidu",
    "wikipedia",
    "ai",
    "chatgpt",
    "memory",
    "guess",
    "guessed",
    "hearsay",
    "somewhere",
    "abc",
    "asdf",
    "qwerty",
    "foo",
    "bar",
    "foobar",
    "无",
    "没有",
    "没",
    "无来源",
    "没有来源",
    "暂无",
    "暂无来源",
    "未知",
    "未知来源",
    "来源未知",
    "来源不明",
    "不明",
    "不详",
    "待定",
    "待补",
    "待补充",
    "待填",
    "待查",
    "空",
    "测试",
    "试验",
    "样例",
    "示例",
    "来源",
    "本人",
    "自己",
    "我",
    "某人",
    "无人",
    "网上",
    "网络",
    "互联网",
    "百度",
    "百度百科",
    "道听途说",
    "同上",
    "略",
];

/// Something about a row that keeps it from being prescribed or sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The column.
    pub field: &'static str,
    /// A stable word: `never_list`, `implausible`, `no_source`.
    pub code: &'static str,
    /// What is wrong and what is allowed.
    pub message: Bilingual,
}

/// Does this text name a document at all? `nobody`, `n/a`, `-`, `无` and the like do not.
pub fn names_a_source(text: &str) -> bool {
    let plain: String = text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let one_sign = plain.chars().next().is_some_and(|first| plain.chars().all(|c| c == first));
    let digits = plain.chars().all(|c| c.is_ascii_digit());
    !(one_sign || digits || NO_SOURCE.contains(&plain.as_str()))
}

/// Micrograms of `ingredient` in one dose and in one day that no adult label exceeds.
fn ceiling(ingredient: &Ingredient) -> (i64, i64) {
    let known = CEILINGS.iter().find(|(code, ..)| *code == ingredient.code.as_str());
    let (dose, day) = known.map_or(ANY, |(_, dose, day)| (*dose, *day));
    (dose * 1000, day * 1000)
}

/// Maxima of `product` beyond the table, by column. What acts where it is put is not measured
/// in what is swallowed.
pub(super) fn implausible(product: &Product) -> Vec<Flaw> {
    let mut flaws: Vec<Flaw> = Vec::new();
    if product.form.is_local() {
        return flaws;
    }
    let most = &product.adult_max;
    let single = product.ingredients.len() == 1;
    for one in &product.ingredients {
        let (dose_most, day_most) = ceiling(one);
        let of_units = |units: Option<i64>| units.map(|units| scaled(one.amount_ug, units));
        let dose = most.dose_ug.filter(|_| single).or(of_units(most.dose_units_thousandths));
        let times = most.times_per_day.map(i64::from);
        let by_times = times.map(|times| dose.unwrap_or(one.amount_ug).saturating_mul(times));
        let day = most.day_ug.filter(|_| single);
        let checks = [
            ("ingredients", Some(one.amount_ug), dose_most),
            ("max_dose_mg", most.dose_ug.filter(|_| single), dose_most),
            ("max_day_mg", day, day_most),
            ("max_dose_units", of_units(most.dose_units_thousandths), dose_most),
            ("max_day_units", of_units(most.day_units_thousandths), day_most),
            (
                "max_times",
                by_times.filter(|_| day.is_none() && most.day_units_thousandths.is_none()),
                day_most,
            ),
        ];
        for (field, amount, bound) in checks {
            let over = amount.is_some_and(|amount| amount > bound);
            if over && flaws.iter().all(|flaw| flaw.field != field) {
                flaws.push(too_much(field, one, bound));
            }
        }
    }
    flaws
}

fn too_much(field: &'static str, one: &Ingredient, bound: i64) -> Flaw {
    let mg = bound / 1000;
    let message = Bilingual::made(
        format!("{} 超过任何成人说明书的上限（{mg} 毫克），请核对。", one.code),
        format!("{} is above what any adult label allows ({mg} mg); look it up again.", one.code),
    );
    Flaw { field, code: "implausible", message }
}

/// `amount` per unit times thousandths of a unit.
fn scaled(amount: i64, units_thousandths: i64) -> i64 {
    i64::try_from(i128::from(amount) * i128::from(units_thousandths) / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::formulary::Formulary;

    #[test]
    fn placeholders_are_no_source_and_documents_are() {
        for text in [
            "nobody",
            " None ",
            "N/A",
            "n.a.",
            "-",
            "--",
            "?",
            "...",
            "无",
            "（无）",
            "暂 无",
            "test",
            "TBD",
            "xxx",
            "123",
            "",
            "没有来源",
            "Unknown.",
        ] {
            assert!(!names_a_source(text), "{text:?}");
        }
        for text in [
            "a source",
            "说明书 2023 版，用法用量",
            "DailyMed 129cc1b1, Directions",
            "label, section 4.2",
            "国药准字H20051234",
        ] {
            assert!(names_a_source(text), "{text:?}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_seen_in_every_column() {
        let book = Formulary::shipped().expect("shipped");
        let flaws = |change: &dyn Fn(&mut Product)| {
            let mut product = book.find("PCM-T500").expect("shipped").clone();
            change(&mut product);
            implausible(&product).into_iter().map(|flaw| flaw.field).collect::<Vec<_>>()
        };
        assert!(flaws(&|_| {}).is_empty());
        assert_eq!(flaws(&|p| p.adult_max.day_ug = Some(20_000_000)), ["max_day_mg"]);
        assert_eq!(flaws(&|p| p.adult_max.dose_ug = Some(1_500_000)), ["max_dose_mg"]);
        assert_eq!(flaws(&|p| p.adult_max.day_units_thousandths = Some(40_000)), ["max_day_units"]);
        assert_eq!(flaws(&|p| p.adult_max.dose_units_thousandths = Some(3_000)), ["max_dose_units"]);
        assert_eq!(
            flaws(&|p| {
                p.adult_max.day_ug = None;
                p.adult_max.times_per_day = Some(40);
            }),
            ["max_times"]
        );
        assert_eq!(flaws(&|p| p.ingredients[0].amount_ug = 5_000_000), ["ingredients"]);
        for product in book.iter() {
            assert_eq!(implausible(product), [], "{}", product.code);
        }
        let mut codes: Vec<&str> = CEILINGS.iter().map(|(code, ..)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CEILINGS.len());
        assert!(CEILINGS.iter().all(|(_, dose, day)| *dose > 0 && dose <= day));
    }
}
