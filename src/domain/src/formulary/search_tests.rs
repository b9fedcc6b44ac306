//! The search box: every product is found by each of its names and numbers, the index finds what a
//! scan finds, and pages follow one another.

use proptest::prelude::*;
use std::sync::LazyLock;

use super::*;
use crate::formulary::{ApprovalNumber, Barcode, ProductCode};

fn check_digit(digits: &str) -> Barcode {
    let all = (0..10).map(|digit| Barcode::parse(&format!("{digits}{digit}")));
    all.flatten().next().expect("one of ten fits")
}

/// The shipped products twice, the second ones with labels and known only.
static CATALOGUE: LazyLock<Formulary> = LazyLock::new(|| {
    let mut formulary = Formulary::shipped().expect("shipped");
    let shipped: Vec<Product> = formulary.iter().cloned().collect();
    for (number, mut product) in shipped.into_iter().enumerate() {
        product.code = ProductCode::parse(&format!("{}.B", product.code)).expect("a code");
        product.in_formulary = false;
        product.label.brands = vec![format!("安舒{}号", number), format!("Ansu{number}")];
        product.label.barcodes = vec![check_digit(&format!("69012345{number:04}"))];
        product.label.approval_numbers =
            vec![ApprovalNumber::parse(&format!("国药准字H2005{number:04}")).expect("a number")];
        formulary.put(product);
    }
    formulary
});

fn codes(page: &SearchPage<'_>) -> Vec<String> {
    page.products.iter().map(|product| product.code.as_str().to_owned()).collect()
}

fn found(text: &str) -> Vec<String> {
    codes(&CATALOGUE.search(text, None, 50))
}

#[test]
fn a_text_finds_by_each_field_and_the_best_match_is_first() {
    for (text, first) in [
        ("PCM-T500", "PCM-T500"),
        ("pcm-t500", "PCM-T500"),
        ("ＰＣＭ－Ｔ５００", "PCM-T500"),
        ("布洛芬片", "IBU-T200"),
        ("布洛芬 片", "IBU-T200"),
        ("佈洛芬片", "IBU-T200"),
        ("buluofenpian", "IBU-T200"),
        ("blfp", "IBU-T200"),
        ("氨溴索", "AMB-L3"),
        ("Ibuprofen tablets", "IBU-T200"),
        ("tablets ibuprofen 0.2", "IBU-T200"),
        ("安舒3号", "IBU-T200.B"),
        ("ansu3", "IBU-T200.B"),
        ("国药准字H20050003", "IBU-T200.B"),
        ("國藥準字 h20050003", "IBU-T200.B"),
        ("H20050003", "IBU-T200.B"),
    ] {
        assert_eq!(found(text).first().map(String::as_str), Some(first), "{text}: {:?}", found(text));
    }
    let barcode = CATALOGUE.find("IBU-T200.B").expect("known").label.barcodes[0].clone();
    assert_eq!(found(barcode.as_str()), ["IBU-T200.B"]);
    assert_eq!(found(&barcode.key()), ["IBU-T200.B"]);
    assert_eq!(found("M01AE01").len(), CATALOGUE.iter().filter(|one| one.atc == "M01AE01").count());
    // Another character of the same sound.
    assert!(found("布落芬").contains(&"IBU-T200".to_owned()));
    assert!(found("no such drug").is_empty() && found("").is_empty());
    // A sign stands for itself only.
    let percent = CATALOGUE.search("%", None, 50).products;
    assert!(!percent.is_empty() && percent.iter().all(|one| one.generic_en.contains('%')));
    // Of equal matches, those of the formulary come first.
    let ranked = CATALOGUE.search("布洛芬", None, 50).products;
    let split = ranked.iter().position(|product| !product.in_formulary).expect("both");
    assert!(split > 0 && ranked[split..].iter().all(|product| !product.in_formulary));
}

#[test]
fn every_product_is_on_the_first_page_for_each_of_its_names_and_numbers() {
    for product in CATALOGUE.iter() {
        let mut texts = vec![product.code.as_str().to_owned()];
        let names = [&product.generic_zh, &product.generic_en].into_iter().chain(&product.label.brands);
        for name in names {
            let key = name_key(name);
            texts.extend(pinyin_of(&key));
            texts.extend(initials_of(&key));
            texts.push(name.clone());
        }
        texts.extend(product.label.barcodes.iter().map(|one| one.as_str().to_owned()));
        texts.extend(product.label.approval_numbers.iter().map(|one| one.as_str().to_owned()));
        for text in texts {
            assert!(found(&text).contains(&product.code.as_str().to_owned()), "{}: {text}", product.code);
        }
        if product.atc != "-" {
            let all = CATALOGUE.search(&product.atc, None, usize::MAX - 1);
            assert!(codes(&all).contains(&product.code.as_str().to_owned()), "{}", product.code);
        }
    }
}

#[test]
fn cursors_are_read_strictly() {
    let cursor = CATALOGUE.search("片", None, 3).next.expect("more");
    assert_eq!(SearchCursor::parse(&cursor.to_string()), Some(cursor));
    for bad in [
        "",
        "~",
        "PCM-T500",
        "4~",
        "~PCM-T500",
        "x~PCM-T500",
        "444~PCM-T500",
        "-1~PCM-T500",
        "4~a b",
        "4~A~B",
    ] {
        assert_eq!(SearchCursor::parse(bad), None, "{bad}");
    }
}

/// Texts of the catalogue, their parts, and anything.
fn texts() -> impl Strategy<Value = String> {
    let known: Vec<String> = CATALOGUE
        .iter()
        .flat_map(|one| {
            let sound = pinyin_of(&name_key(&one.generic_zh)).unwrap_or_default();
            [one.generic_zh.clone(), one.generic_en.clone(), one.code.to_string(), one.atc.clone(), sound]
        })
        .chain(
            CATALOGUE.iter().flat_map(|one| one.label.barcodes.iter().map(|code| code.as_str().to_owned())),
        )
        .collect();
    let part = (prop::sample::select(known), 0_usize..30, 1_usize..20).prop_map(|(text, start, length)| {
        let count = text.chars().count().max(1);
        text.chars().skip(start % count).take(length).collect::<String>()
    });
    prop_oneof![
        6 => part.clone(),
        2 => (part.clone(), part).prop_map(|(one, two)| format!("{one} {two}")),
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_finds_what_a_scan_finds_in_the_same_order(text in texts(), limit in 1_usize..60) {
        let page = CATALOGUE.search(&text, None, limit);
        let scan = CATALOGUE.search_by_scan(&text, None, limit);
        prop_assert_eq!(codes(&page), codes(&scan));
        prop_assert_eq!(page.next, scan.next);
    }

    #[test]
    fn pages_follow_one_another_without_gap_or_repetition(text in texts(), limit in 1_usize..20) {
        let all = codes(&CATALOGUE.search(&text, None, usize::MAX - 1));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = CATALOGUE.search(&text, after.as_ref(), limit);
            prop_assert!(page.products.len() <= limit);
            seen.extend(codes(&page));
            // A code alone goes on at the same place.
            if let Some(next) = &page.next {
                let code = page.products.last().expect("not empty").code.as_str();
                let by_code = CATALOGUE.search_cursor(&text, code);
                prop_assert_eq!(by_code.as_ref(), Some(next));
            }
            match page.next {
                Some(next) => after = SearchCursor::parse(&next.to_string()),
                None => break,
            }
        }
        prop_assert_eq!(seen, all);
    }

    /// A product is renamed, or added, between two pages: no other product is repeated or left out.
    #[test]
    fn a_changed_catalogue_neither_repeats_nor_leaves_out_what_did_not_change(
        text in texts(), limit in 1_usize..10, changed in 0_usize..100, name in texts(),
    ) {
        let first = CATALOGUE.search(&text, None, limit);
        let before = codes(&CATALOGUE.search(&text, None, usize::MAX - 1));
        let mut later = CATALOGUE.clone();
        let mut product = later.iter().nth(changed).expect("one").clone();
        product.generic_zh = if name.trim().is_empty() { "空".to_owned() } else { name };
        let code = product.code.as_str().to_owned();
        later.put(product);
        let mut seen = codes(&first);
        if let Some(next) = &first.next {
            seen.extend(codes(&later.search(&text, Some(next), usize::MAX - 1)));
        }
        seen.retain(|one| *one != code);
        let unchanged: Vec<String> = before.into_iter().filter(|one| *one != code).collect();
        if first.next.is_some() {
            prop_assert_eq!(seen, unchanged);
        }
    }
}
