//! From a prescription line to whole packs and to the text of its label.

use crate::{
    formulary::{DoseUnit, Product},
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

/// The label of one line: name, drug, dose and how to take it. Source: the project's clinical
/// rules, prescribing table (one source).
pub fn label(product: &Product, line: &DraftLine) -> Bilingual {
    let amount = decimal(line.dose_units_thousandths);
    let (unit_zh, unit_en) = unit_names(product.unit(), line.dose_units_thousandths);
    let (verb_zh, verb_en) = administration_verb(product);
    let times_en = if line.times_per_day == 1 {
        "once a day".into()
    } else {
        format!("{} times a day", line.times_per_day)
    };
    let days_en = if line.days == 1 { "1 day".into() } else { format!("{} days", line.days) };
    Bilingual::made(
        format!(
            "{}（{}）：{verb_zh}，一次 {amount} {unit_zh}，一日 {} 次，共 {} 天",
            product.generic_zh,
            substances(product),
            line.times_per_day,
            line.days
        ),
        format!(
            "{} ({}): {verb_en} {amount} {unit_en}, {times_en}, for {days_en}",
            product.generic_en,
            substances(product)
        ),
    )
}

/// The drug itself: international names, with milligrams per unit where known.
fn substances(product: &Product) -> String {
    let one = |ingredient: &crate::formulary::Ingredient| match ingredient.amount_ug {
        0 => ingredient.code.to_string(),
        ug => format!("{} {} mg", ingredient.code, decimal(ug)),
    };
    product.ingredients.iter().map(one).collect::<Vec<_>>().join(" + ")
}

/// Thousandths as a decimal without trailing zeros.
fn decimal(thousandths: i64) -> String {
    let fraction = format!("{:03}", thousandths.rem_euclid(1000));
    match fraction.trim_end_matches('0') {
        "" => (thousandths / 1000).to_string(),
        digits => format!("{}.{digits}", thousandths.div_euclid(1000)),
    }
}

fn unit_names(unit: DoseUnit, thousandths: i64) -> (&'static str, &'static str) {
    let plural = thousandths > 1000;
    let pick = |one, more| if plural { more } else { one };
    match unit {
        DoseUnit::Tablet => ("片", pick("tablet", "tablets")),
        DoseUnit::Pill => ("丸", pick("pill", "pills")),
        DoseUnit::Capsule => ("粒", pick("capsule", "capsules")),
        DoseUnit::Sachet => ("袋", pick("sachet", "sachets")),
        DoseUnit::Millilitre => ("毫升", "ml"),
        DoseUnit::Gram => ("克", "g"),
        DoseUnit::Drop => ("滴", pick("drop", "drops")),
        DoseUnit::Piece => ("贴/枚", pick("piece", "pieces")),
        DoseUnit::Puff => ("喷", pick("puff", "puffs")),
    }
}

fn administration_verb(product: &Product) -> (&'static str, &'static str) {
    if !product.form.is_local() {
        return ("服用", "take");
    }
    match product.unit() {
        DoseUnit::Drop => ("滴用", "put in"),
        DoseUnit::Puff => ("喷用", "spray"),
        DoseUnit::Tablet
        | DoseUnit::Pill
        | DoseUnit::Capsule
        | DoseUnit::Sachet
        | DoseUnit::Millilitre
        | DoseUnit::Gram
        | DoseUnit::Piece => ("外用", "apply"),
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
        assert_eq!(text.zh, "对乙酰氨基酚片（paracetamol 500 mg）：服用，一次 1 片，一日 3 次，共 3 天");
        let cream = label(formulary.find("CLO-CR1").expect("shipped"), &line("CLO-CR1", 500, 1, 1));
        assert!(cream.en.ends_with("apply 0.5 g, once a day, for 1 day"), "{}", cream.en);
    }
}
