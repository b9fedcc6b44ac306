//! Card numbers and PINs.

/// Digits of a worker's card, the check digit included.
pub(crate) const CARD_DIGITS: usize = 12;
/// Digits of a PIN.
pub(crate) const PIN_DIGITS: usize = 6;

/// The Luhn check digit (ISO/IEC 7812-1, annex B) that follows `digits`;
/// `None` if `digits` is empty or contains anything but ASCII digits.
pub fn luhn_check_digit(digits: &str) -> Option<char> {
    if !all_digits(digits) {
        return None;
    }
    // The check digit is appended, so the last of `digits` is doubled.
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

/// Whether `number` is a card number: 12 digits, the last one the Luhn check digit.
pub fn card_number_is_valid(number: &str) -> bool {
    number.len() == CARD_DIGITS
        && all_digits(number)
        && luhn_check_digit(&number[..CARD_DIGITS - 1]) == number.chars().next_back()
}

/// Whether a PIN is one that is guessed first: at most two distinct digits, an ascending
/// or descending run, or two or three digits repeated. An attacker has five tries, so
/// these few PINs would account for most successful guesses.
pub fn pin_is_trivial(pin: &str) -> bool {
    let digits = pin.as_bytes();
    let mut distinct = digits.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let runs = |step: i16| digits.windows(2).all(|pair| i16::from(pair[1]) - i16::from(pair[0]) == step);
    let repeats = |part: usize| digits.chunks(part).all(|chunk| *chunk == digits[..part]);
    digits.len() < 2 || distinct.len() <= 2 || runs(1) || runs(-1) || (digits.len() == 6 && repeats(3))
}

/// Whether `text` consists of ASCII digits and is not empty.
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
    fn trivial_pins_are_detected() {
        for easy in ["000000", "123456", "654321", "121212", "112211", "123123", "999991"] {
            assert!(pin_is_trivial(easy), "{easy}");
        }
        for fine in ["483920", "190284", "731946"] {
            assert!(!pin_is_trivial(fine), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn a_wrong_digit_or_swapped_neighbours_invalidate_a_card(
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
            // Luhn does not detect a swap of 09 and 90; it detects all other swaps of neighbours.
            let undetected = matches!(pair, (b'0', b'9') | (b'9', b'0')) || pair.0 == pair.1;
            prop_assert_eq!(card_number_is_valid(&swapped), undetected);
        }
    }
}
