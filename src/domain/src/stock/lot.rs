//! The number of a manufacturer's lot.

use crate::{hidden::has_hidden_characters, spelling::LotNo};

/// Whether `text` is a valid lot number. The same rule applies to files, scanners and
/// recalls, so that every lot that can be loaded can be recalled.
///
/// On one line, no invisible characters, no leading or trailing space.
pub fn is_lot_no(text: &str) -> bool {
    let is_visible = |text: &str| !text.contains(char::is_control) && !has_hidden_characters(text);
    (LotNo::LEAST..=LotNo::MOST).contains(&text.chars().count()) && text.trim() == text && is_visible(text)
}

/// The comparison key of a lot number: it ignores ASCII case, because people type it.
pub fn lot_key(lot_no: &str) -> String {
    lot_no.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::is_lot_no;

    #[test]
    fn printed_numbers_are_accepted_and_invisible_characters_are_not() {
        for good in ["20260101", "A2309-1", "批1", "LOT 7/26", "(01) 44", &"x".repeat(64)] {
            assert!(is_lot_no(good), "{good}");
        }
        for bad in ["", " ", " A1", "A1 ", "A\n1", "A\u{200B}1", &"x".repeat(65)] {
            assert!(!is_lot_no(bad), "{bad:?}");
        }
    }
}
