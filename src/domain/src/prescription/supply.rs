//! From a prescription line to whole packs and to the text of its label.

use crate::{
    formulary::{DoseUnit, Form, Ingredient, Product, known_ingredient_zh},
    safety::DraftLine,
    words::Bilingual,
};

/// Whole packs that cover the course, rounded up; `None` where the line is not a valid dose or the
/// number does not fit.
pub fn packs_needed(product: &Product, line: &DraftLine) -> Option<u32> {
    let pack = i64::from(product.units_per_pack).checked_mul(1000).filter(|pack| *pack > 0)?;
    let course = line
        .dose_units_thousandths
        .checked_mul(i64::from(line.times_per_day))?
        .checked_mul(i64::from(line.days))
        .filter(|course| *course > 0)?;
    let packs = course / pack + i64::from(course % pack != 0);
    u32::try_from(packs).ok()
}

/// How to take one line: route, dose, times and days. The Chinese text holds no English name.
pub fn directions(product: &Product, line: &DraftLine) -> Bilingual {
    let amount = decimal(line.dose_units_thousandths);
    let (unit_zh, unit_en) = unit_names(product.form, line.dose_units_thousandths);
    let (route_zh, verb_en) = administration(product);
    let times_en = if line.times_per_day == 1 {
        "once a day".into()
    } else {
        format!("{} times a day", line.times_per_day)
    };
    let days_en = if line.days == 1 { "1 day".into() } else { format!("{} days", line.days) };
    Bilingual::made(
        format!("{route_zh}，一次 {amount} {unit_zh}，一日 {} 次，共 {} 天", line.times_per_day, line.days),
        format!("{verb_en} {amount} {unit_en}, {times_en}, for {days_en}"),
    )
}

/// The label of one line: name, drug, dose and how to take it. Source: the project's clinical
/// rules, prescribing table (one source).
pub fn label(product: &Product, line: &DraftLine) -> Bilingual {
    let how = directions(product, line);
    let in_brackets = |substances: String, open: &str, close: &str| {
        if substances.is_empty() { substances } else { format!("{open}{substances}{close}") }
    };
    Bilingual::made(
        format!("{}{}：{}", product.generic_zh, in_brackets(substances_zh(product), "（", "）"), how.zh),
        format!("{}{}: {}", product.generic_en, in_brackets(substances_en(product), " (", ")"), how.en),
    )
}

/// Strength and pack in Chinese, as the prescription form names them (规格).
pub fn specification(product: &Product) -> String {
    let (unit_zh, _) = unit_names(product.form, 1000);
    let pack = format!("{} {unit_zh}", product.units_per_pack);
    match product.strength_ug {
        Some(ug) if ug > 0 => format!("{} × {pack}", amount_zh(ug)),
        Some(_) | None => pack,
    }
}

/// The drugs in Chinese, with amounts per unit; empty where no amount is known or a drug has no
/// Chinese name: then the product's name says what it is.
fn substances_zh(product: &Product) -> String {
    let one = |ingredient: &Ingredient| {
        let name = known_ingredient_zh(ingredient.code.as_str())?;
        Some(match ingredient.amount_ug {
            0 => name.to_owned(),
            ug => format!("{name} {}", amount_zh(ug)),
        })
    };
    if product.ingredients.iter().all(|ingredient| ingredient.amount_ug == 0) {
        return String::new();
    }
    let all: Option<Vec<String>> = product.ingredients.iter().map(one).collect();
    all.unwrap_or_default().join(" + ")
}

/// The drugs: international names, with milligrams per unit where known.
fn substances_en(product: &Product) -> String {
    let one = |ingredient: &Ingredient| {
        let name = ingredient.code.as_str().replace('_', " ");
        match ingredient.amount_ug {
            0 => name,
            ug => format!("{name} {} mg", decimal(ug)),
        }
    };
    product.ingredients.iter().map(one).collect::<Vec<_>>().join(" + ")
}

/// An amount below a milligram is written in micrograms: a decimal point is easily overlooked.
fn amount_zh(ug: i64) -> String {
    if ug < 1000 { format!("{ug} 微克") } else { format!("{} 毫克", decimal(ug)) }
}

/// Thousandths as a decimal without trailing zeros.
fn decimal(thousandths: i64) -> String {
    let fraction = format!("{:03}", thousandths.rem_euclid(1000));
    match fraction.trim_end_matches('0') {
        "" => (thousandths / 1000).to_string(),
        digits => format!("{}.{digits}", thousandths.div_euclid(1000)),
    }
}

fn unit_names(form: Form, thousandths: i64) -> (&'static str, &'static str) {
    let plural = thousandths > 1000;
    let pick = |one, more| if plural { more } else { one };
    match form.unit() {
        DoseUnit::Tablet => ("片", pick("tablet", "tablets")),
        DoseUnit::Pill => ("丸", pick("pill", "pills")),
        DoseUnit::Capsule => ("粒", pick("capsule", "capsules")),
        DoseUnit::Sachet => ("袋", pick("sachet", "sachets")),
        DoseUnit::Millilitre => ("毫升", "ml"),
        DoseUnit::Gram => ("克", "g"),
        DoseUnit::Drop => ("滴", pick("drop", "drops")),
        DoseUnit::Puff => ("喷", pick("puff", "puffs")),
        DoseUnit::Piece if form == Form::Suppository => ("枚", pick("piece", "pieces")),
        DoseUnit::Piece => ("贴", pick("piece", "pieces")),
    }
}

/// The route, and the English verb. A suppository's label says where it is inserted.
fn administration(product: &Product) -> (&'static str, &'static str) {
    match product.form {
        Form::Tablet | Form::SustainedReleaseTablet if product.swallowed_whole() => {
            ("整片吞服", "swallow whole")
        }
        Form::Capsule | Form::SustainedReleaseCapsule => ("整粒吞服", "swallow whole"),
        Form::ChewableTablet => ("嚼服", "chew"),
        Form::DispersibleTablet => ("加水分散后口服", "disperse in water and take"),
        Form::Lozenge if product.dissolves_under_tongue() => {
            ("舌下含服，不可吞服", "dissolve under the tongue, do not swallow")
        }
        Form::Lozenge => ("含服", "suck"),
        Form::OralSuspension => ("摇匀后口服", "shake and take"),
        Form::Tablet
        | Form::SustainedReleaseTablet
        | Form::Pill
        | Form::GranuleSachet
        | Form::PowderSachet
        | Form::OralLiquid
        | Form::Tincture => ("口服", "take"),
        Form::Cream
        | Form::Ointment
        | Form::Gel
        | Form::Lotion
        | Form::TopicalSolution
        | Form::Dressing
        | Form::Patch => ("外用", "apply"),
        Form::EyeDrops => ("滴眼", "put into the eye"),
        Form::EyeOintment => ("涂于眼睑内", "put into the eyelid"),
        Form::EarDrops => ("滴耳", "put into the ear"),
        Form::NasalSpray => ("喷鼻", "spray into the nose"),
        Form::Inhaler => ("吸入", "inhale"),
        Form::Suppository => ("塞入用药（部位见说明书）", "insert as the label says"),
        Form::Injection => ("注射", "inject"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formulary::{Formulary, ProductCode};

    fn line(code: &str, thousandths: i64, times_per_day: u32, days: u32) -> DraftLine {
        let product = ProductCode::parse(code).expect("code");
        DraftLine { product, dose_units_thousandths: thousandths, times_per_day, days }
    }

    #[test]
    fn packs_are_whole_and_cover_the_course() {
        let formulary = Formulary::shipped().expect("shipped");
        let tablets = formulary.find("PCM-T500").expect("20 a pack");
        for (dose, times, days, packs) in [
            (1000, 4, 5, 1),
            (1000, 3, 7, 2),
            (500, 1, 1, 1),
            (1000, 4, 6, 2),
            (500, 4, 10, 1),
            (1001, 4, 5, 2),
        ] {
            assert_eq!(
                packs_needed(tablets, &line("PCM-T500", dose, times, days)),
                Some(packs),
                "{dose} {times} {days}"
            );
        }
        assert_eq!(packs_needed(tablets, &line("PCM-T500", 0, 1, 1)), None);
        assert_eq!(packs_needed(tablets, &line("PCM-T500", i64::MAX, 2, 1)), None);
    }

    #[test]
    fn the_label_says_name_drug_dose_and_how() {
        let formulary = Formulary::shipped().expect("shipped");
        let text = label(formulary.find("PCM-T500").expect("shipped"), &line("PCM-T500", 1000, 3, 3));
        assert_eq!(
            text.en,
            "Paracetamol tablets 0.5 g (paracetamol 500 mg): take 1 tablet, 3 times a day, for 3 days"
        );
        assert_eq!(text.zh, "对乙酰氨基酚片（对乙酰氨基酚 500 毫克）：口服，一次 1 片，一日 3 次，共 3 天");
        let cream = label(formulary.find("CLO-CR1").expect("shipped"), &line("CLO-CR1", 500, 1, 1));
        assert!(cream.en.ends_with("apply 0.5 g, once a day, for 1 day"), "{}", cream.en);
    }

    #[test]
    fn every_shipped_product_has_a_chinese_text_without_an_english_name() {
        let formulary = Formulary::shipped().expect("shipped");
        let mut read = 0;
        for product in formulary.iter() {
            let line = line(product.code.as_str(), 1500, 2, 5);
            let names: Vec<&str> = product.ingredients.iter().map(|one| one.code.as_str()).collect();
            let zh = label(product, &line).zh.into_owned() + &specification(product);
            // Latin letters only where the Chinese name itself has them, as 维生素C has.
            let own: String = product.generic_zh.clone()
                + &names.iter().filter_map(|name| known_ingredient_zh(name)).collect::<String>();
            for letter in zh.chars().filter(char::is_ascii_alphabetic) {
                assert!(own.contains(letter), "{}: {zh}", product.code);
            }
            for name in names {
                let chinese =
                    known_ingredient_zh(name).unwrap_or_else(|| panic!("{name} has no Chinese name"));
                assert!(!zh.contains(name), "{zh}");
                let amount = product.ingredients.iter().any(|one| one.amount_ug > 0);
                assert!(!amount || zh.contains(chinese), "{}: {zh} lacks {chinese}", product.code);
            }
            assert!(zh.contains("一日 2 次，共 5 天") && zh.contains("一次 1.5 "), "{zh}");
            read += 1;
        }
        assert!(read >= 100, "{read}");
    }

    #[test]
    fn every_form_has_its_route_and_unit_in_chinese() {
        let formulary = Formulary::shipped().expect("shipped");
        let mut product = formulary.find("PCM-T500").expect("shipped").clone();
        let line = line("PCM-T500", 1000, 1, 1);
        for form in Form::ALL {
            product.form = *form;
            let text = directions(&product, &line);
            let expected = match form {
                Form::Tablet => "口服，一次 1 片",
                Form::SustainedReleaseTablet => "整片吞服，一次 1 片",
                Form::ChewableTablet => "嚼服，一次 1 片",
                Form::DispersibleTablet => "加水分散后口服，一次 1 片",
                Form::Lozenge => "含服，一次 1 片",
                Form::Pill => "口服，一次 1 丸",
                Form::Capsule | Form::SustainedReleaseCapsule => "整粒吞服，一次 1 粒",
                Form::GranuleSachet | Form::PowderSachet => "口服，一次 1 袋",
                Form::OralLiquid | Form::Tincture => "口服，一次 1 毫升",
                Form::OralSuspension => "摇匀后口服，一次 1 毫升",
                Form::Cream | Form::Ointment | Form::Gel => "外用，一次 1 克",
                Form::Lotion | Form::TopicalSolution => "外用，一次 1 毫升",
                Form::Dressing | Form::Patch => "外用，一次 1 贴",
                Form::EyeDrops => "滴眼，一次 1 滴",
                Form::EyeOintment => "涂于眼睑内，一次 1 克",
                Form::EarDrops => "滴耳，一次 1 滴",
                Form::NasalSpray => "喷鼻，一次 1 喷",
                Form::Inhaler => "吸入，一次 1 喷",
                Form::Suppository => "塞入用药（部位见说明书），一次 1 枚",
                Form::Injection => "注射，一次 1 毫升",
            };
            assert_eq!(text.zh, format!("{expected}，一日 1 次，共 1 天"));
            assert!(text.en.is_ascii(), "{}", text.en);
        }
        let enteric = formulary.find("ASP-T100").expect("shipped");
        assert!(directions(enteric, &line).zh.starts_with("整片吞服"));
        assert_eq!(specification(formulary.find("BUD-N64").expect("shipped")), "64 微克 × 120 喷");
        assert_eq!(specification(formulary.find("LHQW-C").expect("shipped")), "24 粒");
    }
}
