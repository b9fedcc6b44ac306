//! How names are compared: by their letters, and by their sound in pinyin, in full or by its initials.

use pinyin::ToPinyin;

use super::{names::without_form_words, script::simplified};

/// The comparison key of a name: letters and digits only, lower case, half-width and in
/// simplified characters.
pub(crate) fn name_key(name: &str) -> String {
    simplified(name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A key in pinyin without tones, `ü` as `v`; `None` where it holds no Chinese character.
pub(crate) fn pinyin_of(key: &str) -> Option<String> {
    spelt(key, str::to_owned)
}

/// The first letter of each syllable of a key; `None` where it holds no Chinese character.
pub(super) fn initials_of(key: &str) -> Option<String> {
    spelt(key, |syllable| syllable.chars().take(1).collect())
}

fn spelt(key: &str, part: impl Fn(&str) -> String) -> Option<String> {
    if key.is_ascii() {
        return None;
    }
    let mut text = String::new();
    let mut letters = key.chars().peekable();
    while let Some(letter) = letters.next() {
        match (reading(letter, letters.peek().copied()), letter.to_pinyin()) {
            (Some(syllable), _) => text.push_str(&part(syllable)),
            (None, Some(syllable)) => text.push_str(&part(&syllable.plain().replace('ü', "v"))),
            (None, None) => text.push(letter),
        }
    }
    text.is_ascii().then_some(text)
}

/// How characters with several readings are read in names of drugs, where that is not their usual one.
/// Source: the names of the Chinese pharmacopoeia, such as 人参 renshen, 白术 baizhu, 川芎 chuanxiong.
fn reading(letter: char, next: Option<char>) -> Option<&'static str> {
    Some(match letter {
        '参' => "shen",
        '术' => "zhu",
        '朴' => "po",
        '薄' => "bo",
        '藏' => "zang",
        '芎' => "xiong",
        '蛤' => "ge",
        '长' => "chang",
        '桔' => "jie",
        '咯' => "luo",
        '阿' if next == Some('胶') => "e",
        '重' if next == Some('组') => "chong",
        '佛' if next == Some('手') => "fo",
        _ => return None,
    })
}

/// Every pinyin spelling of a Chinese name: in full and by initials, with and without the words for
/// its form and salt.
pub(crate) fn sounds_of(name: &str) -> Vec<String> {
    let key = name_key(name);
    let short = without_form_words(&key).to_owned();
    let mut sounds: Vec<String> = [&key, &short]
        .into_iter()
        .flat_map(|key| pinyin_of(key).into_iter().chain(initials_of(key)))
        .collect();
    // Two letters spell too many things.
    sounds.retain(|sound| sound.len() > 2);
    sounds.sort_unstable();
    sounds.dedup();
    sounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_names_are_spelt_in_full_and_by_initials() {
        assert_eq!(pinyin_of("999感冒灵").as_deref(), Some("999ganmaoling"));
        assert_eq!(pinyin_of("氯雷他定").as_deref(), Some("lvleitading"));
        assert_eq!(pinyin_of("losec"), None);
        assert_eq!(pinyin_of("人参白术散").as_deref(), Some("renshenbaizhusan"));
        assert_eq!(pinyin_of("复方阿胶浆").as_deref(), Some("fufangejiaojiang"));
        assert_eq!(pinyin_of("阿莫西林").as_deref(), Some("amoxilin"));
        assert_eq!(sounds_of("布洛芬片"), ["blf", "blfp", "buluofen", "buluofenpian"]);
        assert_eq!(sounds_of("盐酸氨溴索口服溶液").first().map(String::as_str), Some("anxiusuo"));
    }
}
