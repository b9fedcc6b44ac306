//! The numbers that tell people apart: card and PIN.

/// Digits of a worker's card, the check digit included.
pub const CARD_DIGITS: usize = 12;
/// Digits of a PIN.
pub const PIN_DIGITS: usize = 6;

/// The Luhn check digit (ISO/IEC 7812-1, annex B) that follows `digits`;
/// `None` where `digits` holds anything but ASCII digits, or nothing.
pub fn luhn_check_digit(digits: &str) -> Option<char> {
    if !all_digits(digits) {
        return None;
    }
    // The check digit will stand last, so the digit before it counts double.
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// Whether `number` is a card number: 12 digits, the last by Luhn.
pub fn card_number_is_valid(number: &str) -> bool {
    number.len() == CARD_DIGITS
        && all_digits(number)
        && luhn_check_digit(&number[..CARD_DIGITS - 1]) == number.chars().next_back()
}

/// Whether a PIN is one of those that are tried first: one or two digits
/// only, a run up or down, or two or three digits repeated. Five tries are
/// allowed, so these few would carry most of the luck.
pub fn pin_is_trivial(pin: &str) -> bool {
    let digits = pin.as_bytes();
    let mut distinct = digits.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let runs = |step: i16| digits.windows(2).all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == step);
    let repeats = |part: usize| digits.chunks(part).all(|chunk| *chunk == digits[..part]);
    digits.len() < 2 || distinct.len() <= 2 || runs(1) || runs(-1) || (digits.len() == 6 && repeats(3))
}

/// Whether `text` holds ASCII digits only, and at least one.
pub(crate) fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_digit_is_that_of_the_published_example() {
        // The worked example of the standard's usual description.
        assert_eq!(luhn_check_digit("7992739871"), Some('3'));
        assert_eq!(luhn_check_digit("1789372997"), Some('4'));
        assert_eq!(luhn_check_digit(""), None);
        assert_eq!(luhn_check_digit("12a"), None);
        assert_eq!(luhn_check_digit("１２"), None);
    }

    #[test]
    fn easy_pins_are_known() {
        for easy in ["000000", "123456", "654321", "121212", "112211", "123123", "999991"] {
            assert!(pin_is_trivial(easy), "{easy}");
        }
        for fine in ["483920", "190284", "731946"] {
            assert!(!pin_is_trivial(fine), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_digit_or_neighbours_swapped_break_a_card(
            body in "[0-9]{11}", place in 0_usize..12, other in 0_u8..10, swap in 0_usize..11,
        ) {
            let card = format!("{body}{}", luhn_check_digit(&body).expect("digits"));
            prop_assert!(card_number_is_valid(&card));
            let mut wrong = card.clone().into_bytes();
            wrong[place] = b'0' + other;
            let wrong = String::from_utf8(wrong).expect("digits");
            prop_assert_eq!(card_number_is_valid(&wrong), wrong == card);
            let mut swapped = card.clone().into_bytes();
            swapped.swap(swap, swap + 1);
            let pair = (swapped[swap], swapped[swap + 1]);
            let swapped = String::from_utf8(swapped).expect("digits");
            // Luhn is blind to 09 against 90, and to nothing else of this sort.
            let blind = matches!(pair, (b'0', b'9') | (b'9', b'0')) || pair.0 == pair.1;
            prop_assert_eq!(card_number_is_valid(&swapped), blind);
        }
    }
}
