//! The version that a writer last saw (`If-Match`, RFC 9110, section 13.1.1). One deliberate
//! deviation: a weak tag (`W/"3"`) counts as its version. Proxies that compress a response weaken
//! its tag, and the client could otherwise never write.

use serde_json::json;

use super::refusal::{Code, Refusal};

/// Maximum number of tags in one header; nobody saw more versions of a document.
const MOST_TAGS: usize = 32;

/// The versions of a document that may be overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `*`: any current version.
    Any,
    /// One of these. Tags that are not versions of ours are left out: they cannot match.
    OneOf(Vec<i64>),
}

impl Expected {
    /// Parses the header's value; `None` where it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::Any);
        }
        let (mut versions, mut rest, mut tags) = (Vec::new(), text, 0);
        loop {
            let (tag, after) = one_tag(rest)?;
            versions.extend(tag.parse::<i64>().ok().filter(|version| *version >= 0));
            tags += 1;
            rest = after.trim_start();
            if rest.is_empty() {
                return Some(Self::OneOf(versions));
            }
            rest = rest.strip_prefix(',')?.trim_start();
            if tags == MOST_TAGS {
                return None;
            }
        }
    }

    /// The version to overwrite, where `current` is the stored one.
    ///
    /// # Errors
    /// `PreconditionFailed`, with the current version.
    pub fn resolve(&self, current: i64) -> Result<i64, Refusal> {
        match self {
            Self::Any => Ok(current),
            Self::OneOf(versions) if versions.contains(&current) => Ok(current),
            Self::OneOf(_) => {
                Err(Refusal::new(Code::PreconditionFailed).with_data(json!({"version": current})))
            }
        }
    }
}

/// The first tag of a list, and the rest. A bare number is accepted as a tag whose quotes were
/// forgotten.
fn one_tag(text: &str) -> Option<(&str, &str)> {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    if let Some(opened) = quoted.strip_prefix('"') {
        let end = opened.find('"')?;
        let tag = &opened[..end];
        let plain = tag.chars().all(|c| !c.is_control() && c != ' ');
        return plain.then_some((tag, &opened[end + 1..]));
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then_some((&text[..end], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_weak_bare_and_listed_tags_are_read() {
        for (text, versions) in [
            ("\"0\"", vec![0]),
            ("W/\"0\"", vec![0]),
            ("3", vec![3]),
            ("\"1\", W/\"2\",\"x,y\" , \"4\"", vec![1, 2, 4]),
            ("\"\"", vec![]),
            ("\"99999999999999999999\"", vec![]),
            ("\"-1\"", vec![]),
        ] {
            assert_eq!(Expected::parse(text), Some(Expected::OneOf(versions)), "{text}");
        }
        assert_eq!(Expected::parse(" * "), Some(Expected::Any));
        let many = vec!["\"1\""; 33].join(",");
        for wrong in ["", "x", "\"", "W/", "W/3", "w/\"3\"", "\"1\" \"2\"", "*, \"1\"", "\"1\",", ",", &many]
        {
            assert_eq!(Expected::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_an_expected_version_is_overwritten() {
        let seen = Expected::OneOf(vec![3, 5]);
        assert_eq!(seen.resolve(5), Ok(5));
        assert_eq!(Expected::Any.resolve(7), Ok(7));
        let refusal = seen.resolve(4).expect_err("moved on");
        assert_eq!((refusal.code, refusal.data), (Code::PreconditionFailed, Some(json!({"version": 4}))));
    }
}
