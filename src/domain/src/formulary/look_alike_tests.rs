//! Who looks like whom, and what tells them apart.

use super::*;
use crate::formulary::{Form, Ingredient, IngredientCode};

fn code(text: &str) -> ProductCode {
    ProductCode::parse(text).expect("a code")
}

fn alike<'f>(formulary: &'f Formulary, one: &str, other: &str) -> Option<&'f LookAlike> {
    formulary.look_alikes(&code(one)).iter().find(|found| found.code.as_str() == other)
}

#[test]
fn names_codes_and_packs_that_are_alike_are_named_with_what_differs() {
    let mut formulary = Formulary::shipped().expect("shipped");
    let loratadine = alike(&formulary, "LOR-T10", "DES-T5").expect("one character more");
    assert_eq!(loratadine.alike, [Likeness::Name]);
    assert!(loratadine.differs.starts_with(&[Difference::Ingredients, Difference::Strength]));
    let syrup = alike(&formulary, "LOR-T10", "LOR-S1").expect("the same drug");
    assert_eq!(syrup.alike, [Likeness::Drug]);
    assert!(syrup.differs.contains(&Difference::Form) && !syrup.differs.contains(&Difference::Ingredients));

    let mut other = formulary.find("PCM-T500").expect("shipped").clone();
    (other.code, other.generic_zh) = (code("PCM-T50O"), "样例药片".into());
    other.generic_en = "Something else".into();
    other.ingredients =
        vec![Ingredient { code: IngredientCode::parse("ibuprofen").expect("known"), amount_ug: 1 }];
    formulary.put(other.clone());
    assert_eq!(alike(&formulary, "PCM-T500", "PCM-T50O").expect("one sign").alike, [Likeness::Code]);
    // The same sound in other characters, and an English name of which two letters differ.
    (other.code, other.generic_zh) = (code("X-1"), "慢都洛必片".into());
    formulary.put(other.clone());
    (other.code, other.generic_zh) = (code("Y-22"), "曼多洛必片".into());
    other.ingredients[0].code = IngredientCode::parse("aspirin").expect("known");
    formulary.put(other.clone());
    (other.code, other.generic_zh) = (code("Z-3"), "曼多罗比片".into());
    other.ingredients[0].code = IngredientCode::parse("cetirizine").expect("known");
    other.generic_en = "Ibuproxan tablets".into();
    formulary.put(other);
    assert_eq!(alike(&formulary, "Y-22", "Z-3").expect("sound").alike[0], Likeness::Sound);
    assert_eq!(alike(&formulary, "X-1", "Y-22").expect("initials").alike, [Likeness::Initials]);
    assert!(alike(&formulary, "Z-3", "IBU-T200").is_some_and(|found| found.alike == [Likeness::Name]));
}

#[test]
fn likeness_is_mutual_bounded_and_never_with_oneself() {
    let formulary = Formulary::shipped().expect("shipped");
    for product in formulary.iter() {
        let found = formulary.look_alikes(&product.code);
        assert!(found.len() <= MOST_LOOK_ALIKES);
        for other in found {
            assert_ne!(other.code, product.code);
            assert!(!other.alike.is_empty());
            let back = formulary.look_alikes(&other.code);
            let named = back.iter().any(|one| one.code == product.code);
            assert!(named || back.len() == MOST_LOOK_ALIKES, "{} and {}", product.code, other.code);
        }
    }
    assert!(formulary.look_alikes(&code("NOT-THERE")).is_empty());
}

#[test]
fn the_differing_part_of_a_name_is_marked() {
    let parts = |name, other| {
        let NameParts { before, differs, after } = name_parts(name, other);
        (before, differs, after)
    };
    assert_eq!(parts("地氯雷他定片", "氯雷他定片"), ("", "地", "氯雷他定片"));
    assert_eq!(parts("氯雷他定片", "地氯雷他定片"), ("", "", "氯雷他定片"));
    assert_eq!(parts("prednisolone", "prednisone"), ("predniso", "lo", "ne"));
    assert_eq!(parts("阿糖胞苷", "阿糖腺苷"), ("阿糖", "胞", "苷"));
    assert_eq!(parts("aa", "a"), ("a", "a", ""));
    assert_eq!(parts("", "a"), ("", "", ""));
    assert_eq!(parts("same", "same"), ("same", "", ""));
}

#[test]
fn differences_are_named_the_gravest_first() {
    let formulary = Formulary::shipped().expect("shipped");
    let one = formulary.find("PCM-T500").expect("shipped");
    assert_eq!(differences(one, one), []);
    let mut other = one.clone();
    (other.form, other.units_per_pack) = (Form::Capsule, 21);
    other.label.manufacturer = Some("样例药厂".into());
    assert_eq!(differences(one, &other), [Difference::Form, Difference::Pack, Difference::Manufacturer]);
}
