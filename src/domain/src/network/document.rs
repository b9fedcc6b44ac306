//! Identity documents: canonical numbers, and the facts that a number encodes.

use chrono::{Datelike, NaiveDate};

use super::{Sex, phone::half_width};

crate::text_enum! {
    /// The kind of an identity document.
    pub enum DocumentKind {
        /// The resident identity card of the People's Republic of China, or the
        /// permanent residence card with a number of the same format: 18 characters.
        ResidentId = "resident_id",
        Passport = "passport",
        /// Any other: a travel or residence permit.
        Other = "other",
    }
}

crate::text_enum! {
    /// How the number was entered.
    pub enum DocumentEvidence {
        /// The station's reader read the document itself.
        Reader = "reader",
        /// It was typed: a mere claim, which gives no access to a record.
        Typed = "typed",
    }
}

/// Why a text is not a valid document number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFault {
    /// Wrong length or characters.
    Format,
    /// The check character is wrong: a typing error.
    CheckDigit,
    /// The date of birth in it is invalid.
    BirthDate,
}

/// The number of an identity document, in canonical form.
#[derive(Clone, PartialEq, Eq)]
pub struct DocumentNumber {
    kind: DocumentKind,
    number: String,
}

impl DocumentNumber {
    /// Parses a number as typed; full-width characters, blanks, hyphens and letter case
    /// do not matter.
    ///
    /// # Errors
    /// The first fault found.
    pub fn parse(kind: DocumentKind, typed: &str) -> Result<Self, DocumentFault> {
        let number: String = typed
            .chars()
            .map(half_width)
            .filter(|letter| !letter.is_whitespace() && *letter != '-')
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        if !number.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(DocumentFault::Format);
        }
        match kind {
            DocumentKind::ResidentId => check_resident_id(&number)?,
            // Source: ICAO 9303-4: nine characters; some passports have fewer, a few more.
            DocumentKind::Passport if !(5..=20).contains(&number.len()) => return Err(DocumentFault::Format),
            DocumentKind::Other if !(4..=40).contains(&number.len()) => return Err(DocumentFault::Format),
            DocumentKind::Passport | DocumentKind::Other => {}
        }
        Ok(Self { kind, number })
    }

    pub fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The canonical number.
    pub fn as_str(&self) -> &str {
        &self.number
    }

    /// The date of birth in a resident identity number; `None` for other documents.
    pub fn birth_date(&self) -> Option<NaiveDate> {
        (self.kind == DocumentKind::ResidentId).then(|| birth_date_in(&self.number)).flatten()
    }

    /// The sex in a resident identity number (17th character odd: male); `None` for other
    /// documents.
    pub fn sex(&self) -> Option<Sex> {
        let place = *self.number.as_bytes().get(16).filter(|_| self.kind == DocumentKind::ResidentId)?;
        Some(if (place - b'0') % 2 == 1 { Sex::Male } else { Sex::Female })
    }
}

/// `Debug` hides the number.
impl std::fmt::Debug for DocumentNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DocumentNumber({})", self.kind)
    }
}

/// Source: GB 11643-1999, citizen identification number: 17 digits and a check
/// character by ISO 7064 MOD 11-2.
fn check_resident_id(number: &str) -> Result<(), DocumentFault> {
    let (body, check) = number.split_at_checked(17).ok_or(DocumentFault::Format)?;
    if check.len() != 1
        || !body.bytes().all(|byte| byte.is_ascii_digit())
        || !(check == "X" || check.as_bytes()[0].is_ascii_digit())
    {
        return Err(DocumentFault::Format);
    }
    if Some(check) != check_character(body).as_deref() {
        return Err(DocumentFault::CheckDigit);
    }
    let born = birth_date_in(number).ok_or(DocumentFault::BirthDate)?;
    if (1900..2100).contains(&born.year()) { Ok(()) } else { Err(DocumentFault::BirthDate) }
}

/// The check character that follows 17 digits.
fn check_character(body: &str) -> Option<String> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let place = usize::try_from(sum % 11).ok()?;
    "10X98765432".get(place..=place).map(str::to_owned)
}

fn birth_date_in(number: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(number.get(6..14)?, "%Y%m%d").ok()
}

/// The comparison key of a name: ignores full-width forms, letter case, blanks and all
/// forms of the middle dot.
pub fn comparable_name(name: &str) -> String {
    name.chars()
        .map(half_width)
        .filter(|letter| {
            !letter.is_whitespace()
                && !matches!(letter, '·' | '•' | '・' | '‧' | '∙' | '\u{FF65}' | '.' | '-' | '\'' | '’')
        })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resident_number_is_checked_and_encodes_birth_date_and_sex() {
        // The worked example of the standard.
        let known = DocumentNumber::parse(DocumentKind::ResidentId, "11010519491231002X").expect("a number");
        assert_eq!(known.birth_date(), NaiveDate::from_ymd_opt(1949, 12, 31));
        assert_eq!(known.sex(), Some(Sex::Female));
        for same in ["11010519491231002x", " 110105 19491231 002X", "１１０１０５１９４９１２３１００２Ｘ"]
        {
            assert_eq!(DocumentNumber::parse(DocumentKind::ResidentId, same).as_ref(), Ok(&known), "{same}");
        }
        for (bad, fault) in [
            ("110105194912310021", DocumentFault::CheckDigit),
            ("11010519491231003X", DocumentFault::CheckDigit),
            ("110105491231002", DocumentFault::Format),
            ("1101051949123100XX", DocumentFault::Format),
            ("", DocumentFault::Format),
        ] {
            assert_eq!(DocumentNumber::parse(DocumentKind::ResidentId, bad), Err(fault), "{bad}");
        }
        let body = "11010519491331002";
        let wrong_day = format!("{body}{}", check_character(body).expect("a character"));
        assert_eq!(
            DocumentNumber::parse(DocumentKind::ResidentId, &wrong_day),
            Err(DocumentFault::BirthDate)
        );
    }

    #[test]
    fn other_documents_are_only_normalized() {
        let passport = DocumentNumber::parse(DocumentKind::Passport, "m 1234567-8").expect("a number");
        assert_eq!((passport.as_str(), passport.birth_date(), passport.sex()), ("M12345678", None, None));
        assert!(DocumentNumber::parse(DocumentKind::Passport, "1234").is_err());
        assert!(DocumentNumber::parse(DocumentKind::Other, "甲123").is_err());
    }

    #[test]
    fn spelling_variants_of_a_name_compare_equal() {
        assert_eq!(comparable_name("样例 · 甲"), comparable_name("样例・甲"));
        assert_eq!(comparable_name("Ｌｉ Wei"), comparable_name("li wei"));
        assert_ne!(comparable_name("样例甲"), comparable_name("样例乙"));
    }
}
