//! Recognises answers that mean "none". A question about allergies, conditions or medicines is
//! often answered with a word instead of an empty list: `NKDA`, `无`, `否认过敏`. These mean none; they
//! are not unknown drugs. Text that does not certainly mean none is left as it is: `未知`, "not
//! known" and "unsure" are not answers, "no penicillin allergy" is about one drug only.

use crate::formulary::simplified;

/// Chinese negations; the longer ones first.
const ZH_NO: &[&str] = &[
    "从来没有",
    "从没有",
    "都没有",
    "均没有",
    "没有",
    "并无",
    "均无",
    "都无",
    "从无",
    "暂无",
    "否认",
    "从未",
    "从不",
    "无",
    "没",
    "否",
    "未",
    "不",
];

/// Chinese words for what is denied, none of them a drug; the longer ones first.
const ZH_FILLER: &[&str] = &[
    "过敏反应",
    "过敏史",
    "过敏原",
    "过敏",
    "既往史",
    "用药史",
    "病史",
    "基础疾病",
    "基础病",
    "慢性疾病",
    "慢性病",
    "慢病",
    "疾病",
    "药物",
    "药品",
    "食物",
    "食品",
    "长期",
    "正在",
    "目前",
    "现在",
    "当前",
    "近期",
    "最近",
    "平时",
    "平常",
    "服用",
    "服药",
    "用药",
    "吃药",
    "在吃",
    "在服",
    "在用",
    "任何",
    "什么",
    "已知",
    "明确",
    "明显",
    "特殊",
    "特别",
    "其他",
    "其它",
    "发现",
    "情况",
    "现象",
    "东西",
    "物质",
    "本人",
    "暂时",
    "一直",
    "以及",
    "药",
    "病",
    "及",
    "和",
    "或",
    "与",
    "的",
    "史",
    "对",
    "我",
    "见",
    "有",
    "过",
    "啊",
    "哦",
    "呢",
    "了",
    "吃",
    "服",
    "用",
    "等",
    "之",
    "类",
];

/// English negations.
const EN_NO: &[&str] = &[
    "no", "none", "nil", "null", "not", "nope", "never", "nothing", "denies", "denied", "deny", "without",
    "nka", "nkda", "nkfa", "dont", "don", "doesnt", "doesn", "neg", "negative",
];

/// English words for what is denied, none of them a drug.
const EN_FILLER: &[&str] = &[
    "known",
    "drug",
    "drugs",
    "food",
    "foods",
    "medication",
    "medications",
    "medicine",
    "medicines",
    "meds",
    "medical",
    "allergy",
    "allergies",
    "allergic",
    "reaction",
    "reactions",
    "adverse",
    "history",
    "of",
    "to",
    "any",
    "have",
    "has",
    "had",
    "i",
    "m",
    "am",
    "s",
    "t",
    "do",
    "does",
    "is",
    "are",
    "currently",
    "current",
    "taking",
    "take",
    "taken",
    "on",
    "regular",
    "regularly",
    "long",
    "term",
    "reported",
    "recorded",
    "at",
    "all",
    "other",
    "anything",
    "condition",
    "conditions",
    "disease",
    "diseases",
    "illness",
    "illnesses",
    "chronic",
    "problems",
    "problem",
    "health",
    "issue",
    "issues",
    "so",
    "far",
    "that",
    "me",
    "my",
    "the",
    "a",
    "and",
    "or",
    "in",
    "past",
    "prior",
    "previous",
    "there",
    "applicable",
    "patient",
];

/// Negations in pinyin, without spaces.
const PINYIN: &[&str] = &["wu", "mei", "meiyou", "wuguomin", "meiyouguomin", "buguomin", "na"];

/// Whether `text` means that there is none.
pub fn means_none(text: &str) -> bool {
    let plain = simplified(text).replace('\u{3000}', " ");
    let compact: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    if compact.is_empty() {
        // Only a dash or a slash in the field; a question mark is not an answer.
        return !plain.trim().is_empty()
            && plain.trim().chars().all(|c| "-\u{2013}\u{2014}/\\_.。".contains(c));
    }
    if compact == "0" || PINYIN.contains(&compact.as_str()) || denies_in_chinese(&compact) {
        return true;
    }
    let denied_in_english = |part: &str| {
        let words: Vec<String> = part
            .replace(['\'', '\u{2019}'], "")
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        denies_in_english(&words)
    };
    if denied_in_english(&plain) {
        return true;
    }
    // Both languages, or two answers in one field: `无 / None`.
    let mut parts = plain
        .split([',', '，', ';', '；', '、', '/', '|', '(', ')', '。', '!', ' '])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .peekable();
    let mixed = plain.is_ascii() || parts.peek().is_none();
    !mixed
        && parts.all(|part| {
            let compact: String = part.chars().filter(|c| c.is_alphanumeric()).collect();
            !compact.is_empty() && (denies_in_chinese(&compact) || denied_in_english(part))
        })
}

/// A sequence of negations and words for what is denied, and nothing else.
fn denies_in_chinese(compact: &str) -> bool {
    let (mut rest, mut denied, mut just_denied) = (compact, false, false);
    while !rest.is_empty() {
        let no = ZH_NO.iter().find(|word| rest.starts_with(**word));
        if let Some(word) = no {
            // A double negation is not a negation.
            if just_denied {
                return false;
            }
            (denied, just_denied, rest) = (true, true, &rest[word.len()..]);
        } else if let Some(word) = ZH_FILLER.iter().find(|word| rest.starts_with(**word)) {
            (just_denied, rest) = (false, &rest[word.len()..]);
        } else {
            return false;
        }
    }
    denied
}

fn denies_in_english(words: &[String]) -> bool {
    let no = |word: &str| EN_NO.contains(&word);
    let all = words.iter().all(|word| no(word) || EN_FILLER.contains(&word.as_str()));
    // "not known" is not an answer, and a double negation is not a negation.
    let doubtful = words.windows(2).any(|pair| {
        no(&pair[0]) && (no(&pair[1]) || (pair[1] == "known" && matches!(pair[0].as_str(), "not" | "never")))
    });
    all && !doubtful && words.iter().any(|word| no(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_answers_that_mean_none_are_recognised() {
        for text in [
            "None",
            "none.",
            "NKDA",
            "nkda",
            "NKA",
            "No known allergies",
            "no known drug allergies (NKDA)",
            "No",
            "nil",
            "n/a",
            "N/A",
            "Not allergic to anything",
            "I have no allergies",
            "I don't have any allergies",
            "denies drug allergies",
            "nothing",
            "-",
            "--",
            "/",
            "无",
            "没有",
            "没",
            "无过敏史",
            "无药物过敏史",
            "不过敏",
            "否认过敏",
            "否认药物、食物过敏史",
            "否认",
            "没有过敏",
            "没有药物过敏",
            "无 药物 过敏",
            "暂无",
            "未发现药物过敏",
            "过敏史：无",
            "药物过敏史:无",
            "目前没有用药",
            "没有吃药",
            "无基础疾病",
            "从不过敏",
            "无，None",
            "无/None",
            "ＮＫＤＡ",
            "meiyou",
            "Wu",
            "没有任何过敏",
            "无特殊",
            "无明确药物过敏史",
            "无药物过敏，无食物过敏",
            "not taking any medicines",
        ] {
            assert!(means_none(text), "{text}");
        }
    }

    #[test]
    fn unclear_answers_are_left_as_they_are() {
        for text in [
            "",
            "?",
            "青霉素",
            "penicillin",
            "无青霉素过敏",
            "no penicillin allergy",
            "未知",
            "不详",
            "不清楚",
            "不知道",
            "unknown",
            "not known",
            "allergies not known",
            "not sure",
            "no idea",
            "对头孢过敏",
            "过敏",
            "allergic",
            "有过敏",
            "没有不过敏的",
            "none except penicillin",
            "无，但对青霉素过敏",
            "无 青霉素",
            "布洛芬",
            "nitroglycerin",
            "海鲜",
            "无花果",
            "花粉",
            "no-spa",
            "不明药物",
            "不能吃阿司匹林",
        ] {
            assert!(!means_none(text), "{text}");
        }
    }
}
