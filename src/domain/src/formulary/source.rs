//! What a source looks like: a kind of document and where in it one reads the maximum, so that
//! a pharmacist can open it there. Whether it was read nobody here can tell; what no one can
//! open is refused. (Source: clinical rules, drugs: "a document and section that was actually read".)

use std::sync::LazyLock;

use regex::Regex;

use super::script::simplified;

/// Kinds of documents, as they are named.
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
    "house rules",
    "clinical rules",
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

/// Words that lead to the place in a document.
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
    "用法",
    "用量",
    "剂量",
    "章",
    "节",
    "页",
    "表",
    "附录",
    "版",
];

/// Words that say that there is none, wherever they stand in English.
const NOBODY: &str = "nobody|no one|noone|none|somebody|someone|anybody|anyone|unknown|unsourced|no source|n/a|not available|\
    not applicable|tbd|tba|tbc|todo|to do|to be determined|fixme|pending|placeholder|dummy|fake|lorem|as above|see above|\
    ditto|idem|hearsay|guess|guessed|from memory|internet|google|baidu|wikipedia|chatgpt";

/// The same in Chinese.
const NOBODY_ZH: &[&str] = &[
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

static NONE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(r"(?:^|[^a-z])(?:{})(?:[^a-z]|$)", NOBODY.replace("    ", ""))).expect("a pattern")
});

/// A reference that says by itself what it is and where: an approval number of a drug, a link
/// with a host and a path, a DOI, an ISBN.
static WHOLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"国药准字\s*[hzsbjt][a-z]?\d{8}|https://[a-z0-9-]+(?:\.[a-z0-9-]+)+/[^\s/][^\s]*|\b10\.\d{4,9}/\S{2,}|isbn[\s:：-]*(?:97[89][\s-]?)?\d[\d\s-]{7,14}[\dx]",
    )
    .expect("a pattern")
});

/// Does this text name a document, and the place in it?
pub fn names_a_source(text: &str) -> bool {
    let plain = simplified(text);
    let alone = |part: &str| matches!(part.trim(), "无" | "没有" | "空" | "略");
    let says_none = NONE.is_match(&plain)
        || NOBODY_ZH.iter().any(|word| plain.contains(word))
        || plain.split(|c: char| !c.is_alphanumeric()).any(alone);
    if says_none {
        return false;
    }
    let has_digit = plain.chars().any(|c| c.is_ascii_digit());
    let document = KINDS.iter().any(|kind| plain.contains(kind));
    let place = has_digit || PLACES.iter().any(|word| plain.contains(word));
    WHOLE.is_match(&plain) || (document && place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formulary::Formulary;

    #[test]
    fn a_document_and_its_place_are_a_source_and_nothing_else_is() {
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
            let read = product.adult_max.limits_a_day();
            assert_eq!(names_a_source(&product.source), read, "{}: {}", product.code, product.source);
        }
    }
}
