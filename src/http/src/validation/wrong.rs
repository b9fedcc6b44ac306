//! What can be wrong with a value: a stable code, a message in both languages, and the path.

use super::{MAX_PROBLEMS, shape::Format};
use domain::{refusal::FieldProblem, words::Bilingual};

/// Maximum characters of a field name from the caller that are repeated in the answer.
const MAX_NAME_CHARS: usize = 64;
/// Approximate maximum bytes of a path in the answer. All valid paths are shorter; anything longer
/// is text of the caller.
const MAX_PATH_BYTES: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, Copy)]
pub enum Wrong<'s> {
    /// A required field is missing.
    Missing,
    /// The schema has no such field.
    Unknown,
    /// The field is given more than once.
    Repeated,
    /// Wrong type; the expected type in Chinese and English.
    Type(&'static str, &'static str),
    /// Not one of the allowed values.
    NotOneOf(&'s [String]),
    /// Outside of this range, bounds included.
    Range(i64, i64),
    /// As [`Self::Range`], of a number with decimals.
    Between(f64, f64),
    /// Fewer characters than this minimum.
    Short(usize),
    /// More characters than this maximum.
    Long(usize),
    /// Fewer entries than this minimum.
    Few(usize),
    /// More entries than this maximum.
    Many(usize),
    /// Not in this format.
    Format(Format),
    /// Does not match this pattern.
    Pattern(&'s str),
    /// Contains U+0000, which is allowed in no text.
    Nul,
    /// Contains an invisible character, or one that changes the text direction.
    Hidden,
    /// Not valid by a rule of its type that the schema does not express.
    Invalid,
}

impl Wrong<'_> {
    const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing_field",
            Self::Unknown => "unknown_field",
            Self::Repeated => "repeated",
            Self::Type(..) => "wrong_type",
            Self::NotOneOf(_) => "unknown_value",
            Self::Range(..) | Self::Between(..) => "out_of_range",
            Self::Short(_) => "too_short",
            Self::Long(_) => "too_long",
            Self::Few(_) => "too_few",
            Self::Many(_) => "too_many",
            Self::Format(_) | Self::Pattern(_) => "bad_format",
            Self::Nul | Self::Hidden => "control_character",
            Self::Invalid => "invalid",
        }
    }

    fn message(self) -> Bilingual {
        let made = |zh: String, en: String| Bilingual::made(zh, en);
        match self {
            Self::Missing => Bilingual::fixed("缺少必填项。", "It must be given."),
            Self::Unknown => Bilingual::fixed("没有这一项。", "There is no such field here."),
            Self::Repeated => Bilingual::fixed("重复出现。", "It is given more than once."),
            Self::Type(zh, en) => made(format!("须为{zh}。"), format!("Must be {en}.")),
            Self::NotOneOf(values) => made(
                format!("须为其中之一：{}。", values.join("、")),
                format!("Must be one of: {}.", values.join(", ")),
            ),
            Self::Range(least, most) => {
                made(format!("须在 {least} 到 {most} 之间。"), format!("Must be from {least} to {most}."))
            }
            Self::Between(least, most) => {
                made(format!("须在 {least} 到 {most} 之间。"), format!("Must be from {least} to {most}."))
            }
            Self::Short(1) => Bilingual::fixed("不能为空。", "Must not be empty."),
            Self::Short(least) => {
                made(format!("至少 {least} 个字符。"), format!("At least {least} characters."))
            }
            Self::Long(most) => made(format!("最多 {most} 个字符。"), format!("At most {most} characters.")),
            Self::Few(least) => made(format!("至少 {least} 项。"), format!("At least {least} entries.")),
            Self::Many(most) => made(format!("最多 {most} 项。"), format!("At most {most} entries.")),
            Self::Format(Format::Uuid) => Bilingual::fixed("须为 UUID。", "Must be a UUID."),
            Self::Format(Format::Date) => {
                Bilingual::fixed("须为日期：YYYY-MM-DD。", "Must be a date: YYYY-MM-DD.")
            }
            Self::Format(Format::Instant) => Bilingual::fixed(
                "须为带时区的时间：2026-01-31T08:00:00Z。",
                "Must be a time with an offset: 2026-01-31T08:00:00Z.",
            ),
            Self::Pattern(pattern) => {
                made(format!("格式须为 {pattern} 。"), format!("Must match {pattern} ."))
            }
            Self::Nul => Bilingual::fixed("含有空字符（U+0000）。", "Holds the character U+0000."),
            Self::Hidden => Bilingual::fixed(
                "含有不可见字符或改变文字方向的字符。",
                "Holds characters that are invisible or turn the text around.",
            ),
            Self::Invalid => Bilingual::fixed("无效。", "It is not valid."),
        }
    }

    /// As an entry of the answer's `errors`.
    pub(crate) fn into_problem(self, field: String) -> FieldProblem {
        FieldProblem { field, code: self.code().to_owned(), message: self.message() }
    }
}

/// The path of a value: `lines[0].packs`.
#[derive(Debug, Default)]
pub struct Path(Vec<Step>);

#[derive(Debug)]
enum Step {
    Field(String),
    Item(usize),
}

impl Path {
    pub(crate) fn enter_field(&mut self, name: &str) {
        self.0.push(Step::Field(name.chars().take(MAX_NAME_CHARS).collect()));
    }

    pub(crate) fn enter_item(&mut self, index: usize) {
        self.0.push(Step::Item(index));
    }

    /// Removes the last step.
    pub fn leave(&mut self) {
        self.0.pop();
    }

    /// As text, shortened if it is too long.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for step in &self.0 {
            if text.len() > MAX_PATH_BYTES {
                text.push('…');
                break;
            }
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(name),
                Step::Field(name) => text.extend([".", name]),
                Step::Item(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

/// The problems found so far, and the current path.
#[derive(Debug, Default)]
pub struct Problems {
    pub path: Path,
    found: Vec<FieldProblem>,
}

impl Problems {
    /// Adds a problem at the current path.
    pub fn add(&mut self, wrong: &Wrong<'_>) {
        // Beyond the limit nothing is stored.
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(wrong.into_problem(self.path.to_text()));
        }
    }

    /// Adds a problem with a member of the value at the current path.
    pub(crate) fn add_field(&mut self, name: &str, wrong: &Wrong<'_>) {
        self.path.enter_field(name);
        self.add(wrong);
        self.path.leave();
    }

    /// Adds a problem at another path.
    pub(crate) fn add_at(&mut self, field: String, wrong: &Wrong<'_>) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(wrong.into_problem(field));
        }
    }

    /// The problems to report.
    pub(crate) fn into_found(self) -> Vec<FieldProblem> {
        self.found
    }
}
