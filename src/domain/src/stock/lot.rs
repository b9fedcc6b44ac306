//! The number of a manufacturer's lot.

use crate::hidden::hides_something;

/// The longest lot number, in characters.
const LONGEST: usize = 64;

/// Whether a text may be a lot's number, wherever it comes from: a file, a
/// scanner, an operator who recalls it. What may be loaded may be recalled.
///
/// 1 to 64 characters in one line, nothing hidden, no space first or last.
pub fn is_lot_no(text: &str) -> bool {
    let seen = |text: &str| !text.contains(char::is_control) && !hides_something(text);
    (1..=LONGEST).contains(&text.chars().count()) && text.trim() == text && seen(text)
}

/// What a lot's number is known by: whoever types it may not mind its case.
pub fn lot_key(lot_no: &str) -> String {
    lot_no.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::is_lot_no;

    #[test]
    fn what_is_printed_on_packs_is_a_lot_number_and_what_nobody_sees_is_none() {
        for good in ["20260101", "A2309-1", "批1", "LOT 7/26", "(01) 44", &"x".repeat(64)] {
            assert!(is_lot_no(good), "{good}");
        }
        for bad in ["", " ", " A1", "A1 ", "A\n1", "A\u{200B}1", &"x".repeat(65)] {
            assert!(!is_lot_no(bad), "{bad:?}");
        }
    }
}
