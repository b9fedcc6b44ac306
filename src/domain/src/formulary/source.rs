//! Checks that a source names a kind of document and the place of the maximum in it, so that a
//! pharmacist can look it up. Whether it was read cannot be checked; a source that cannot be
//! looked up is refused. Source: the project's clinical rules, drugs ("a document and section that
//! was actually read").

use std::sync::LazyLock;

use regex::Regex;

use super::script::simplified;

/// Words for kinds of documents.
const KINDS: &[&str] = &[
    "label",
    "leaflet",
    "package insert",
    "prescribing information",
    "product information",
    "drug facts",
    "smpc",
    "summary of product characteristics",
    "pharmacopoeia",
    "pharmacopeia",
    "formulary",
    "guideline",
    "guidance",
    "consensus",
    "regulation",
    "notice",
    "circular",
    "monograph",
    "handbook",
    "textbook",
    "dailymed",
    "mims",
    "nhs medicines",
    "drug guide",
    "journal",
    "clinical rules",
    // What releases up to 0.1.0 called them: such rows stand in databases.
    "house rules",
    "说明书",
    "药典",
    "指南",
    "共识",
    "规范",
    "规定",
    "通知",
    "公告",
    "条例",
    "办法",
    "手册",
    "处方集",
    "教科书",
    "药品标签",
    "条目",
];

/// How we call ourselves and our rules page, now and in releases up to 0.1.0.
const OURS: &[&str] = &["waystation", "clinical rules", "house rules"];

/// Whether a text names what we wrote ourselves: no document that somebody else published.
pub(crate) fn is_our_own(text: &str) -> bool {
    let text = text.to_lowercase();
    OURS.iter().any(|word| text.contains(word))
}

/// Words for a place in a document.
const PLACES: &[&str] = &[
    "section",
    "table",
    "page",
    "chapter",
    "paragraph",
    "article",
    "annex",
    "appendix",
    "directions",
    "dosage",
    "posology",
    "how to",
    "warnings",
    "contraindications",
    "interactions",
    "precautions",
    "用法",
    "用量",
    "剂量",
    "注意事项",
    "禁忌",
    "相互作用",
    "成份",
    "成分",
    "章",
    "节",
    "页",
    "表",
    "附录",
    "版",
];

/// Regex alternatives of English words that state that there is no source.
const NO_SOURCE_EN: &str = "nobody|no one|noone|none|somebody|someone|anybody|anyone|unknown|unsourced|no source|n/a|not available|\
    not applicable|tbd|tba|tbc|todo|to do|to be determined|fixme|pending|placeholder|dummy|fake|lorem|as above|see above|\
    ditto|idem|hearsay|guess|guessed|from memory|internet|google|baidu|wikipedia|chatgpt";

/// The same in Chinese.
const NO_SOURCE_ZH: &[&str] = &[
    "待定",
    "待补",
    "待填",
    "待查",
    "未知",
    "不明",
    "不详",
    "暂无",
    "没有来源",
    "无来源",
    "同上",
    "道听途说",
    "据说",
    "听说",
    "说的",
    "网上",
    "百度",
    "某人",
    "无人",
];

static NO_SOURCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"(?:^|[^a-z])(?:{})(?:[^a-z]|$)", NO_SOURCE_EN.replace("    ", "")))
        .expect("a pattern")
});

/// A reference that is complete by itself: a drug approval number, a link with host and path, a
/// DOI, an ISBN.
static COMPLETE_REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"国药准字\s*[hzsbjt][a-z]?\d{8}|https?://[a-z0-9-]+(?:\.[a-z0-9-]+)+/[^\s/][^\s]*|\b10\.\d{4,9}/\S{2,}|isbn[\s:：-]*(?:97[89][\s-]?)?\d[\d\s-]{7,14}[\dx]",
    )
    .expect("a pattern")
});

/// Whether the text names a document and the place in it.
pub(crate) fn names_a_source(text: &str) -> bool {
    let plain = simplified(text);
    let alone = |part: &str| matches!(part.trim(), "无" | "没有" | "空" | "略");
    let states_none = NO_SOURCE.is_match(&plain)
        || NO_SOURCE_ZH.iter().any(|word| plain.contains(word))
        || plain.split(|c: char| !c.is_alphanumeric()).any(alone);
    if states_none {
        return false;
    }
    let has_digit = plain.chars().any(|c| c.is_ascii_digit());
    let document = KINDS.iter().any(|kind| plain.contains(kind));
    let place = has_digit || PLACES.iter().any(|word| plain.contains(word));
    COMPLETE_REFERENCE.is_match(&plain) || (document && place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formulary::Formulary;

    #[test]
    fn only_a_document_with_a_place_in_it_is_a_source() {
        for text in [
            "nobody",
            " None ",
            "N/A",
            "n.a.",
            "-",
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
            "nobody, section 3",
            "nobody knows",
            "老王",
            "店长说的",
            "TBD 2026",
            "http://",
            "https://example.com",
            "as above",
            "label, as above 3",
            "说明书，待定",
            "label",
            "说明书",
            "a source",
            "my friend, page 4",
            "店长说的说明书 3",
            "說明書，同上",
            "label 4, tbd",
        ] {
            assert!(!names_a_source(text), "{text:?}");
        }
        for text in [
            "说明书 2023 版，用法用量",
            "DailyMed 129cc1b1, Directions",
            "label, section 4.2",
            "国药准字H20051234",
            "中国药典 2020 年版 二部，第 312 页",
            "國藥準字 Z11020001 說明書",
            "https://www.accessdata.fda.gov/drugsatfda_docs/label/2019/021.pdf",
            "doi 10.1000/xyz123",
            "ISBN 978-7-5067-9999-9",
        ] {
            assert!(names_a_source(text), "{text:?}");
        }
        for product in Formulary::shipped().expect("shipped").iter() {
            let has_maximum = product.adult_max.limits_a_day();
            assert_eq!(names_a_source(&product.source), has_maximum, "{}: {}", product.code, product.source);
        }
    }
}
