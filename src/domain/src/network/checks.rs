//! Validation of single fields, shared by forms and imports. Each check records an error
//! in both languages, with a stable code for tests and screens.

use std::{fmt::Display, ops::RangeInclusive};

use chrono::NaiveDate;

use super::{Phone, Secret, identity};
use crate::{
    hidden::has_hidden_characters_in_name,
    matching::Department,
    refusal::FieldProblem,
    spelling::{self, PASSWORD_CHARS, ProductCode},
    stock::is_lot_no,
    words::Bilingual,
};

/// The longest name that a screen shows on one line, in characters.
pub(crate) const NAME_CHARS: usize = spelling::Name::MOST;
/// Characters of a code of a station, hospital or employer.
const CODE_CHARS: usize = spelling::PlaceCode::MOST;
/// Characters of a licence number, and of a lot's.
const LABEL_CHARS: usize = spelling::Label::MOST;
/// Characters of an e-mail address. Source: RFC 5321, limit of a path.
const EMAIL_CHARS: usize = spelling::MailAddress::MOST;

/// The invalid fields found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<FieldProblem>);

impl Findings {
    pub(crate) fn done(self) -> Vec<FieldProblem> {
        self.0
    }

    /// Records that `field` is invalid.
    pub(crate) fn add(&mut self, field: &str, code: &str, message: Bilingual) {
        self.0.push(FieldProblem { field: field.into(), code: code.into(), message });
    }

    /// A free text: not empty, at most `max` characters, one line.
    pub(crate) fn text(&mut self, field: &str, value: &str, max: usize) {
        if value.trim().is_empty() {
            self.add(field, "empty", Bilingual::fixed("不能为空。", "Must not be empty."));
        } else if has_hidden_characters_in_name(value) {
            self.add(field, "control_character", control_character());
        } else if value.trim() != value {
            self.add(
                field,
                "outer_blanks",
                Bilingual::fixed("首尾不能有空格。", "No blanks may stand first or last."),
            );
        } else if value.chars().count() > max {
            self.add(field, "too_long", too_long(max));
        }
    }

    /// A code of a station, hospital or employer: lower-case letters, digits and inner hyphens.
    pub(crate) fn code(&mut self, field: &str, value: &str) {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        self.ascii(field, value, CODE_CHARS, fits, "a-z 0-9 -");
    }

    /// A product code: letters, digits, `-`, `_`, `.`.
    pub(crate) fn product_code(&mut self, field: &str, value: &str) {
        let before = self.0.len();
        self.text(field, value, ProductCode::MOST);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.0.len() == before && (value.len() < ProductCode::LEAST || !value.bytes().all(fits)) {
            let (least, most) = (ProductCode::LEAST, ProductCode::MOST);
            let message = Bilingual::made(
                format!("须为 {least} 到 {most} 个字母、数字或 - _ ."),
                format!("{least} to {most} of A-Z a-z 0-9 - _ . may stand here."),
            );
            self.add(field, "bad_format", message);
        }
    }

    /// A lot number, as printed.
    pub(crate) fn lot_no(&mut self, field: &str, value: &str) {
        let before = self.0.len();
        self.text(field, value, LABEL_CHARS);
        if self.0.len() == before && !is_lot_no(value) {
            let message = Bilingual::fixed("首尾不能有空格。", "No space may stand first or last.");
            self.add(field, "bad_format", message);
        }
    }

    /// A licence number, as printed.
    pub(crate) fn label(&mut self, field: &str, value: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        self.ascii(field, value, LABEL_CHARS, fits, "A-Z a-z 0-9 - _ . /");
    }

    fn ascii(&mut self, field: &str, value: &str, max: usize, fits: impl Fn(u8) -> bool, allowed: &str) {
        let before = self.0.len();
        self.text(field, value, max);
        if self.0.len() == before
            && (!value.bytes().all(fits) || value.starts_with('-') || value.ends_with('-'))
        {
            self.add(
                field,
                "bad_format",
                Bilingual::made(
                    format!("只能使用 {allowed}，且不能以连字符开头或结尾。"),
                    format!("Only {allowed} may stand here, and no hyphen first or last."),
                ),
            );
        }
    }

    /// The code of a department, if there is one.
    pub(crate) fn department(&mut self, value: Option<&str>) {
        if value.is_some_and(|code| Department::parse(code).is_none()) {
            self.add("department", "unknown_code", Bilingual::fixed("没有这个科室。", "No such department."));
        }
    }

    /// A mail address in lower case. The set of characters is narrow so that an accepted
    /// address can be put in a mail header without quoting.
    pub(crate) fn email(&mut self, field: &str, value: &str) {
        let before = self.0.len();
        self.text(field, value, EMAIL_CHARS);
        if self.0.len() > before {
            return;
        }
        let local = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._+-".contains(&byte);
        let label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let fits = value.split_once('@').is_some_and(|(name, domain)| {
            (1..=64).contains(&name.len())
                && name.bytes().all(local)
                && name.split('.').all(|part| !part.is_empty())
                && domain.contains('.')
                && domain.split('.').all(label)
        });
        if !fits {
            self.add(
                field,
                "bad_format",
                Bilingual::fixed("须为小写的电子邮箱地址。", "Must be a mail address in lower case."),
            );
        }
    }

    pub(crate) fn range<T: PartialOrd + Display>(&mut self, field: &str, value: T, range: RangeInclusive<T>) {
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            self.add(
                field,
                "out_of_range",
                Bilingual::made(
                    format!("须在 {low} 到 {high} 之间。"),
                    format!("Must be from {low} to {high}."),
                ),
            );
        }
    }

    /// A list with at least one entry and no duplicates.
    pub(crate) fn list<T: PartialEq>(&mut self, field: &str, values: &[T]) {
        if values.is_empty() {
            self.add(field, "empty", Bilingual::fixed("至少填写一项。", "Name at least one."));
        } else if values.iter().enumerate().any(|(place, value)| values[..place].contains(value)) {
            self.add(field, "duplicate", Bilingual::fixed("有重复项。", "One of them stands twice."));
        }
    }

    /// A worker's card number: 12 digits with a Luhn check digit.
    pub(crate) fn card_number(&mut self, field: &str, value: &str) {
        if value.is_empty() {
            self.add(field, "empty", Bilingual::fixed("不能为空。", "Must not be empty."));
        } else if value.len() != identity::CARD_DIGITS || !identity::all_digits(value) {
            self.add(
                field,
                "bad_format",
                Bilingual::made(
                    format!("卡号须为 {} 位数字。", identity::CARD_DIGITS),
                    format!("A card number is {} digits.", identity::CARD_DIGITS),
                ),
            );
        } else if !identity::card_number_is_valid(value) {
            self.add(
                field,
                "bad_check_digit",
                Bilingual::fixed("卡号校验位不正确。", "The card number's check digit is wrong."),
            );
        }
    }

    /// A telephone number of any kind; may be empty.
    pub(crate) fn phone(&mut self, field: &str, value: &str) {
        if !value.trim().is_empty() && Phone::parse(value).is_none() {
            self.add(field, "bad_format", phone_format_message());
        }
    }

    /// A six-digit PIN that is not trivial.
    pub(crate) fn pin(&mut self, field: &str, value: &Secret) {
        let pin = value.expose();
        if pin.len() != identity::PIN_DIGITS || !identity::all_digits(pin) {
            let code = if pin.is_empty() { "empty" } else { "bad_format" };
            let message = Bilingual::made(
                format!("密码须为 {} 位数字。", identity::PIN_DIGITS),
                format!("A PIN is {} digits.", identity::PIN_DIGITS),
            );
            self.add(field, code, message);
        } else if identity::pin_is_trivial(pin) {
            self.add(field, "too_easy", Bilingual::fixed("密码过于简单。", "This PIN is too easy."));
        }
    }

    /// A staff password; without one an invitation is sent.
    pub(crate) fn password(&mut self, field: &str, value: Option<&Secret>) {
        let Some(password) = value.map(Secret::expose) else { return };
        if password.chars().any(char::is_control) {
            self.add(field, "control_character", control_character());
        } else if !PASSWORD_CHARS.contains(&password.chars().count()) {
            self.add(
                field,
                "bad_length",
                Bilingual::made(
                    format!("密码须为 {} 到 {} 个字符。", PASSWORD_CHARS.start(), PASSWORD_CHARS.end()),
                    format!(
                        "A password has {} to {} characters.",
                        PASSWORD_CHARS.start(),
                        PASSWORD_CHARS.end()
                    ),
                ),
            );
        }
    }
}

/// The message that describes the format of a telephone number.
pub fn phone_format_message() -> Bilingual {
    Bilingual::fixed(
        "电话：手机号 11 位；固定电话请带区号（如 0535-6600000）；境外号码以 + 和国家代码开头。",
        "A phone is a mobile number of 11 digits, a fixed line with its area code (0535-6600000), or + and the \
         country code for numbers abroad.",
    )
}

/// Nobody living is older, in years.
const LONGEST_LIFE_YEARS: u32 = 120;

/// Why nobody living can have been born on that day, if so.
pub fn implausible_birth(born: NaiveDate, today: NaiveDate) -> Option<Bilingual> {
    let plausible = born <= today && today.years_since(born).is_some_and(|years| years <= LONGEST_LIFE_YEARS);
    (!plausible).then(|| {
        let en = format!("the day of birth must be within {LONGEST_LIFE_YEARS} years");
        Bilingual::made("出生日期不合理".to_owned(), en)
    })
}

pub fn control_character() -> Bilingual {
    Bilingual::fixed("含有控制字符或不可见字符。", "Holds control or invisible characters.")
}

fn too_long(max: usize) -> Bilingual {
    Bilingual::made(format!("最多 {max} 个字符。"), format!("At most {max} characters."))
}
