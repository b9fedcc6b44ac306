//! What can be wrong with a value, as a stable word and a sentence in both
//! languages, and where.

use super::{MOST_PROBLEMS, shape::Format};
use domain::{refusal::FieldProblem, words::Bilingual};

/// Characters of a caller's own name for something that are said back.
const NAME_SHOWN: usize = 64;
/// Bytes of a path that are said back, about: the paths of all requests are
/// shorter, and the rest would be the caller's own words.
const PATH_SHOWN: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, Copy)]
pub enum Wrong<'s> {
    /// A field that must be there is not.
    Missing,
    /// Nobody asked for it.
    Unknown,
    /// It stands there twice.
    Repeated,
    /// Of another type; what is wanted, in both languages.
    Type(&'static str, &'static str),
    /// None of the allowed words.
    Word(&'s [String]),
    /// Outside of a range.
    Range(i64, i64),
    /// Too few characters.
    Short(usize),
    /// Too many characters.
    Long(usize),
    /// Too few entries.
    Few(usize),
    /// Too many entries.
    Many(usize),
    /// Not spelt as wanted.
    Format(Format),
    /// Not spelt as this pattern wants.
    Pattern(&'s str),
    /// Holds U+0000, which no text holds.
    Nul,
    /// Holds a character that hides, or that turns the text around it.
    Hidden,
    /// Not valid, for a reason that only its type knows.
    Invalid,
}

impl Wrong<'_> {
    const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing_field",
            Self::Unknown => "unknown_field",
            Self::Repeated => "repeated",
            Self::Type(..) => "wrong_type",
            Self::Word(_) => "unknown_value",
            Self::Range(..) => "out_of_range",
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
            Self::Word(words) => made(
                format!("须为其中之一：{}。", words.join("、")),
                format!("Must be one of: {}.", words.join(", ")),
            ),
            Self::Range(least, most) => {
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

    /// As an entry of an answer.
    pub fn told(self, field: String) -> FieldProblem {
        FieldProblem { field, code: self.code().to_owned(), message: self.message() }
    }
}

/// Where a value stands: `lines[0].packs`.
#[derive(Debug, Default)]
pub struct Path(Vec<Step>);

#[derive(Debug)]
enum Step {
    Field(String),
    Item(usize),
}

impl Path {
    /// Goes into a member.
    pub fn enter_field(&mut self, name: &str) {
        self.0.push(Step::Field(name.chars().take(NAME_SHOWN).collect()));
    }

    /// Goes into an entry of a list.
    pub fn enter_item(&mut self, index: usize) {
        self.0.push(Step::Item(index));
    }

    /// Goes back.
    pub fn leave(&mut self) {
        self.0.pop();
    }

    /// As text.
    pub fn told(&self) -> String {
        let mut text = String::new();
        for step in &self.0 {
            if text.len() > PATH_SHOWN {
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

/// What was found so far, and where the finder is.
#[derive(Debug, Default)]
pub struct Problems {
    /// Where the finder is.
    pub path: Path,
    found: Vec<FieldProblem>,
}

impl Problems {
    /// Notes something that is wrong here.
    pub fn add(&mut self, wrong: &Wrong<'_>) {
        // Beyond what is told nothing is even written down.
        if self.found.len() < MOST_PROBLEMS {
            self.found.push(wrong.told(self.path.told()));
        }
    }

    /// Notes something that is wrong with a member of what is here.
    pub fn add_field(&mut self, name: &str, wrong: &Wrong<'_>) {
        self.path.enter_field(name);
        self.add(wrong);
        self.path.leave();
    }

    /// Notes something that is wrong elsewhere.
    pub fn add_at(&mut self, field: String, wrong: &Wrong<'_>) {
        if self.found.len() < MOST_PROBLEMS {
            self.found.push(wrong.told(field));
        }
    }

    /// All of them that are told.
    pub fn done(self) -> Vec<FieldProblem> {
        self.found
    }
}
