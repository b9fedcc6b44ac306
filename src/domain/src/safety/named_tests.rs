use super::*;
use crate::safety::name_index;

fn known(text: &str, formulary: &Formulary) -> bool {
    named(text, formulary, &RuleSet::standard()).is_some()
}

fn understood(text: &str, asked: Asked) -> Vec<NamedPart> {
    recognise(text, asked, &Formulary::shipped().expect("shipped"), &RuleSet::standard())
}

#[test]
fn every_name_of_our_own_products_is_known_in_every_spelling() {
    let (rules, formulary) = (RuleSet::standard(), Formulary::shipped().expect("shipped"));
    let mut by_sound = 0;
    for product in formulary.iter() {
        for name in [&product.generic_zh, &product.generic_en] {
            assert!(known(name, &formulary), "{name}");
        }
        assert!(known(product.code.as_str(), &formulary), "{}", product.code);
        for sound in crate::formulary::sounds_of(&product.generic_zh) {
            let found = recognised(&sound, Asked::Medicine, &formulary, &rules);
            // Initials that two drugs share are suggested, never taken for one of them.
            let right = match found.standing {
                NameStanding::Recognised => true,
                NameStanding::Suggested => found.suggestions.len() > 1,
                _ => false,
            };
            assert!(right, "{sound} of {}: {found:?}", product.generic_zh);
            by_sound += usize::from(found.standing == NameStanding::Recognised);
        }
    }
    assert!(by_sound > 250, "{by_sound}");
}

#[test]
fn aliases_are_what_their_rows_say_with_and_without_a_form() {
    let (rules, formulary) = (RuleSet::standard(), Formulary::shipped().expect("shipped"));
    for (name, at) in &rules.tables().alias_names {
        let alias = &rules.tables().aliases[*at];
        match named(name, &formulary, &rules) {
            Some(Named::Drug(numbers)) => {
                assert_eq!((alias.kind, &numbers), (AliasKind::Drug, &alias.ingredients), "{name}");
            }
            Some(Named::Group(group)) => assert_eq!(group.id, alias.id, "{name}"),
            None => panic!("{name}"),
        }
    }
    for text in [
        "泰诺片",
        "感康胶囊",
        "999感冒灵颗粒",
        "芬必得 缓释胶囊",
        "tainuo",
        "fenbide",
        "GANKANG",
        "ganmaoling",
    ] {
        let found = understood(text, Asked::Medicine);
        assert!(found.iter().all(|part| part.standing == NameStanding::Recognised), "{text}: {found:?}");
    }
    assert!(!known("祖传秘方", &formulary) && !known("", &formulary));
    assert_eq!(parts("青霉素、头孢 / 磺胺和碘").count(), 4);
}

#[test]
fn what_is_similar_is_suggested_and_never_taken() {
    for (typed, meant) in [
        ("布洛分", "布洛芬"),
        ("阿莫西灵", "阿莫西林"),
        ("芬必德", "芬必得"),
        ("络活洗", "络活喜"),
        ("头胞", "头孢"),
        ("泰若", "泰诺"),
        ("青梅素", "青霉素"),
        ("阿司匹灵", "阿司匹林"),
        ("氨氯地品", "氨氯地平"),
        ("二甲双瓜", "二甲双胍"),
        ("buluofeng", "布洛芬"),
        ("amoxicilin", "阿莫西林"),
        ("paracetamool", "对乙酰氨基酚"),
        ("ibuprofin", "布洛芬"),
        ("吃了泰诺两片", "泰诺"),
        ("对乙酰氨基分", "对乙酰氨基酚"),
    ] {
        let [part] = &understood(typed, Asked::Medicine)[..] else { panic!("{typed}") };
        assert_eq!(part.standing, NameStanding::Suggested, "{typed}: {part:?}");
        let first = &part.suggestions[0];
        let right =
            part.suggestions.iter().take(2).any(|one| one.means.zh.contains(meant) || one.write == meant);
        assert!(right, "{typed}: {:?}", part.suggestions);
        let again = understood(&first.write, Asked::Medicine);
        assert!(
            matches!(again[0].standing, NameStanding::Recognised | NameStanding::Class),
            "{typed}: {} is not understood itself",
            first.write
        );
    }
    for unknown in ["祖传秘方", "老中医的方子", "xyzzyx", "保健品甲", "氨"] {
        let [part] = &understood(unknown, Asked::Medicine)[..] else { panic!("{unknown}") };
        assert_eq!(part.standing, NameStanding::Unrecognised, "{part:?}");
    }
}

#[test]
fn the_answer_says_of_each_name_how_it_was_understood() {
    let parts = understood("泰诺、头孢，海鲜; 布洛分; 祖传秘方", Asked::Allergy);
    let standings: Vec<NameStanding> = parts.iter().map(|part| part.standing).collect();
    use NameStanding::{Class, NotADrug, Recognised, Suggested, Unrecognised};
    assert_eq!(standings, [Recognised, Class, NotADrug, Suggested, Unrecognised], "{parts:#?}");
    assert_eq!(parts[0].means.len(), 4);
    assert_eq!(understood("对青霉素过敏", Asked::Allergy)[0].standing, Class);
    assert_eq!(understood("无", Asked::Allergy)[0].standing, NameStanding::None);
    // A name that holds a separator is one name.
    assert_eq!(understood("沙库巴曲缬沙坦", Asked::Medicine).len(), 1);
    for part in understood("消炎药", Asked::Medicine) {
        assert_eq!(part.standing, Class);
    }
    assert!(name_index::NameIndex::of(&RuleSet::standard()).similar("泰").is_empty());
}
