//! A catalogue for trials: as many products as a supplier's file has, of drugs that do not exist.
//!
//! Every row is marked as a sample in code, names, maker and source, is in no formulary and has no
//! maximum, so it can be found and shown but never prescribed or sold. The same row number gives the
//! same row. Barcodes begin with 2, which GS1 leaves to shops' own use; approval numbers begin with
//! 99, which no authority has issued.

use std::fmt::Write as _;

/// Rows of a sample catalogue, unless more are asked for.
pub const DEFAULT_PRODUCTS: usize = 7_000;
/// The most rows: each has a code of its own.
pub const MOST_PRODUCTS: usize = 30_000;

/// Beginnings of names. No real drug's name begins so.
const SYLLABLES: &[(&str, &str)] = &[
    ("璐", "lu"),
    ("缇", "ti"),
    ("珂", "ke"),
    ("岚", "lan"),
    ("澜", "len"),
    ("霖", "lin"),
    ("荻", "di"),
    ("汐", "xi"),
    ("葶", "ting"),
    ("筠", "jun"),
    ("蔓", "man"),
    ("琪", "qi"),
    ("晗", "han"),
    ("潇", "xiao"),
    ("忻", "xin"),
    ("泓", "hong"),
];

/// Endings, as names of drug groups have them.
const ENDINGS: &[(&str, &str)] = &[
    ("洛尔", "lol"),
    ("沙坦", "sartan"),
    ("他汀", "statin"),
    ("普利", "pril"),
    ("拉唑", "prazole"),
    ("西林", "cillin"),
    ("替丁", "tidine"),
    ("地平", "dipine"),
    ("洛芬", "profen"),
    ("他定", "tadine"),
    ("司琼", "setron"),
    ("曲坦", "triptan"),
];

/// Form, in Chinese and in English, and the units of its pack in words.
const FORMS: &[(&str, &str, &str, &str)] = &[
    ("tablet", "片", "tablets", "片/盒"),
    ("capsule", "胶囊", "capsules", "粒/盒"),
    ("granule_sachet", "颗粒", "granules", "袋/盒"),
];
const STRENGTHS_MG: &[u32] = &[5, 10];
const PACKS: &[u32] = &[10, 20];

/// The file: a header and `products` rows, as `waystation import catalogue` reads it.
pub fn catalogue_csv(products: usize) -> String {
    let mut text = String::from(
        "# 样例目录：全部为虚构药品，不得开具或售出。 SAMPLE CATALOGUE: invented drugs, never prescribed or sold.\n\
         code,generic_zh,generic_en,atc,form,strength_mg,ingredients,units_per_pack,price_fen,class,max_dose_mg,\
         max_day_mg,max_dose_units,max_day_units,max_times,max_days,min_age,child_mg_kg_dose,child_mg_kg_day,\
         contraindications,flags,storage,in_formulary,source,brands,barcodes,approval_numbers,manufacturer,\
         specification\n",
    );
    for number in 0..products.min(MOST_PRODUCTS) {
        row(&mut text, number);
    }
    text
}

/// Each drug has a row for each form, strength and pack.
fn row(text: &mut String, number: usize) {
    let (rest, pack) = (number / PACKS.len(), PACKS[number % PACKS.len()]);
    let (rest, strength) = (rest / STRENGTHS_MG.len(), STRENGTHS_MG[rest % STRENGTHS_MG.len()]);
    let (drug, (form, form_zh, form_en, unit)) = (rest / FORMS.len(), FORMS[rest % FORMS.len()]);
    let (first, rest) = (drug % SYLLABLES.len(), drug / SYLLABLES.len());
    let (last, rest) = (rest % ENDINGS.len(), rest / ENDINGS.len());
    let second = rest % SYLLABLES.len();
    let (one, two, end) = (SYLLABLES[first], SYLLABLES[second], ENDINGS[last]);
    let (zh, en) = (format!("{}{}{}", one.0, two.0, end.0), format!("{}{}{}", one.1, two.1, end.1));
    let mut capital = en.clone();
    capital[..1].make_ascii_uppercase();
    let letter = |at: usize| char::from(b'A' + u8::try_from(at).unwrap_or(0));
    let atc = format!("V9{}{}{}{:02}", last % 10, letter(first), letter(second), last);
    let approval = number / PACKS.len();
    let code = format!("SAMPLE-{:05}", number + 1);
    let price = 500 + number * 37 % 9_500;
    let class = ["rx", "otc_a", "otc_b"][drug % 3];
    let barcode = with_check_digit(&format!("2{number:011}"));
    let _ = writeln!(
        text,
        "{code},{zh}{form_zh}（样例）,{capital} {form_en} {strength} mg (sample),{atc},{form},{strength},\
         sample_{en}:{strength},{pack},{price},{class},,,,,,,,,,,,室温 / room temperature,no,\
         样例数据：不得开具或售出 / sample data: never prescribed or sold,样例{zh};Sample{en},{barcode},\
         国药准字H99{approval:06},样例制药（虚构）,{strength}mg*{pack}{unit}"
    );
}

/// The check digit of a GTIN-13: weights 1 and 3 in turn from the left, to a multiple of 10.
fn with_check_digit(digits: &str) -> String {
    let sum: u32 =
        (0..).zip(digits.bytes()).map(|(at, byte)| u32::from(byte - b'0') * (1 + at % 2 * 2)).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use domain::formulary::{Claims, Product};

    #[test]
    fn every_row_is_a_marked_product_that_cannot_be_prescribed() {
        let text = catalogue_csv(MOST_PRODUCTS);
        assert_eq!(text, catalogue_csv(MOST_PRODUCTS));
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let (mut claims, mut names) = (Claims::default(), HashSet::new());
        let mut rows = 0;
        for record in reader.records() {
            let record = record.expect("a row");
            let cells: HashMap<&str, &str> = header.iter().zip(record.iter()).collect();
            let product = Product::from_fields(&cells).unwrap_or_else(|issues| panic!("{issues:?}"));
            rows += 1;
            assert_eq!(claims.note(rows, &product), []);
            assert!(!product.prescribable() && !product.in_formulary);
            assert!(product.generic_zh.contains("样例") && product.generic_en.contains("sample"));
            names.insert(product.ingredients[0].code.clone());
        }
        assert_eq!((rows, names.len()), (30_000, 2_500));
    }
}
