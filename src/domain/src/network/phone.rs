//! Telephone numbers: one parser for the API, the import and the search.
//!
//! Numbers are accepted as people write them: full-width digits, blanks, hyphens,
//! brackets and the country code do not matter. The canonical form is
//! `13800138000` (mobile of mainland China), `0535-1234567` (fixed line of
//! mainland China), `+821012345678` (any other country, as in ITU-T E.164).

/// Including the country code. Our default: the shortest in use.
const MIN_FOREIGN_DIGITS: usize = 8;
/// Including the country code. Source: ITU-T E.164 (11/2010), 6.2.
const MAX_FOREIGN_DIGITS: usize = 15;

/// The kind of a telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneKind {
    /// A mobile of mainland China; a code can be sent to it.
    Mobile,
    /// A fixed line of mainland China.
    Landline,
    /// A number of another country or region.
    Foreign,
}

/// A telephone number, in canonical form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// Parses a number as typed; `None` if it is not valid.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut digits = String::with_capacity(typed.len());
        let mut international = false;
        for letter in typed.trim().chars().map(half_width) {
            match letter {
                '0'..='9' => digits.push(letter),
                '+' if digits.is_empty() && !international => international = true,
                ' ' | '-' | '(' | ')' | '.' | '\u{00A0}' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
                _ => return None,
            }
        }
        if !international && let Some(rest) = digits.strip_prefix("00") {
            digits = rest.to_owned();
            international = true;
        }
        if international {
            return match digits.strip_prefix("86") {
                Some(national) => mainland(national, true),
                None => foreign(&digits),
            };
        }
        // Without a plus, 86 is the country code only before a complete mobile number.
        match digits.strip_prefix("86") {
            Some(national) if is_mobile(national) => mainland(national, true),
            _ => mainland(&digits, false),
        }
    }

    /// The canonical number.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn kind(&self) -> PhoneKind {
        match self.0.as_bytes().first() {
            Some(b'+') => PhoneKind::Foreign,
            Some(b'0') => PhoneKind::Landline,
            _ => PhoneKind::Mobile,
        }
    }

    /// Whether a code can be sent to it: only to mobiles of mainland China. Our default:
    /// messages abroad are a known means of toll fraud.
    pub fn can_receive_codes(&self) -> bool {
        self.kind() == PhoneKind::Mobile
    }

    /// The number with its middle hidden: `138****8000`, `0535-***4567`.
    pub fn masked(&self) -> String {
        let count = self.0.chars().count();
        let hidden = match self.kind() {
            PhoneKind::Mobile => 3..7,
            PhoneKind::Landline => count.saturating_sub(7)..count - 4,
            PhoneKind::Foreign => 3..count - 4,
        };
        let place = |(at, letter): (usize, char)| match letter {
            '-' => letter,
            _ if hidden.contains(&at) => '*',
            _ => letter,
        };
        self.0.chars().enumerate().map(place).collect()
    }
}

/// `Debug` hides the number.
impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Phone({:?})", self.kind())
    }
}

/// Full-width forms (U+FF01 to U+FF5E) and the ideographic space as ASCII.
pub fn half_width(letter: char) -> char {
    match letter {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        '\u{3000}' => ' ',
        other => other,
    }
}

/// 11 digits, the first 1, the second 3 to 9: emergency and service numbers start with
/// 10, 11 or 12.
fn is_mobile(digits: &str) -> bool {
    digits.len() == 11 && digits.starts_with('1') && matches!(digits.as_bytes()[1], b'3'..=b'9')
}

/// A number of mainland China. After the country code the 0 before the area code may be
/// omitted.
fn mainland(digits: &str, after_country_code: bool) -> Option<Phone> {
    if is_mobile(digits) {
        return Some(Phone(digits.to_owned()));
    }
    let national = match digits.strip_prefix('0') {
        Some(national) => national,
        None if after_country_code => digits,
        None => return None,
    };
    // 10 and 2x are area codes of two digits; all others, 3xx to 9xx, have three.
    let area = match national.as_bytes() {
        [b'1', b'0', ..] | [b'2', ..] => 2,
        [b'3'..=b'9', ..] => 3,
        _ => return None,
    };
    let (area, line) = national.split_at_checked(area)?;
    let fits = matches!(line.len(), 7 | 8) && matches!(line.as_bytes()[0], b'1'..=b'9');
    fits.then(|| Phone(format!("0{area}-{line}")))
}

fn foreign(digits: &str) -> Option<Phone> {
    let fits = (MIN_FOREIGN_DIGITS..=MAX_FOREIGN_DIGITS).contains(&digits.len()) && !digits.starts_with('0');
    fits.then(|| Phone(format!("+{digits}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_a_number_give_one_canonical_form() {
        let same: [(&str, PhoneKind, &[&str]); 4] = [
            (
                "13800138000",
                PhoneKind::Mobile,
                &[
                    "13800138000",
                    "138 0013 8000",
                    "138-0013-8000",
                    "+86 138 0013 8000",
                    "+8613800138000",
                    "0086 13800138000",
                    "86 138 0013 8000",
                    "１３８００１３８０００",
                    "＋８６　１３８００１３８０００",
                    " (+86) 138.0013.8000 ",
                ],
            ),
            (
                "0535-1234567",
                PhoneKind::Landline,
                &["0535-1234567", "05351234567", "(0535) 1234567", "+86 535 1234567", "+86 (0)535 1234567"],
            ),
            ("010-62345678", PhoneKind::Landline, &["010-62345678", "01062345678", "+86 10 6234 5678"]),
            ("+821012345678", PhoneKind::Foreign, &["+82 10-1234-5678", "0082 10 1234 5678"]),
        ];
        for (canonical, kind, spellings) in same {
            for spelling in spellings {
                let phone = Phone::parse(spelling).unwrap_or_else(|| panic!("{spelling}"));
                assert_eq!((phone.as_str(), phone.kind()), (canonical, kind), "{spelling}");
            }
            assert_eq!(Phone::parse(canonical).expect("a number").as_str(), canonical);
        }
    }

    #[test]
    fn invalid_numbers_are_rejected() {
        for bad in [
            "",
            " ",
            "+",
            "12012345678",
            "1380013800",
            "138001380000",
            "23800138000",
            "1380013800x",
            "6234567",
            "0535-0234567",
            "0535-623456",
            "+1234567",
            "+1234567890123456",
            "+0821012345678",
            "138+00138000",
            "13800138000,13800138001",
            "0535-6234567 转 801",
        ] {
            assert!(Phone::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_foreign_number_differs_from_a_mobile_of_the_same_digits() {
        let (foreign, mobile) = (Phone::parse("+1 380 213 8000"), Phone::parse("13802138000"));
        assert!(foreign.is_some() && mobile.is_some() && foreign != mobile);
    }

    #[test]
    fn the_middle_is_hidden() {
        for (typed, shown) in [
            ("13800138000", "138****8000"),
            ("0535-1234567", "0535-***4567"),
            ("010-62345678", "010-6***5678"),
            ("+821012345678", "+82******5678"),
        ] {
            assert_eq!(Phone::parse(typed).expect("a number").masked(), shown);
        }
        assert_eq!(format!("{:?}", Phone::parse("13800138000")), "Some(Phone(Mobile))");
    }
}
