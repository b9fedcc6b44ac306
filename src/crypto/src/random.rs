//! Random bytes, and the codes and tokens made of them.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;

use super::{CryptoError, digest};

/// `N` bytes from the system's random source.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut filled = [0; N];
    aws_lc_rs::rand::fill(&mut filled).expect("AWS-LC ends the process rather than run out of randomness");
    filled
}

/// A bearer token of 128 random bits, 22 base64url characters.
pub fn token_128() -> SecretString {
    BASE64URL_NOPAD.encode(&bytes::<16>()).into()
}

/// A bearer token of 256 random bits, 43 base64url characters: refresh tokens, links.
pub fn token_256() -> SecretString {
    BASE64URL_NOPAD.encode(&bytes::<32>()).into()
}

/// A pickup code: six decimal digits, all million codes equally likely. Short
/// enough to type at a hatch; safe only because failed tries are counted.
pub fn pickup_code() -> SecretString {
    const CODES: u32 = 1_000_000;
    // Rejection sampling: numbers above the last whole million would favour low codes.
    const FAIR: u32 = u32::MAX - u32::MAX % CODES;
    loop {
        let drawn = u32::from_be_bytes(bytes());
        if drawn < FAIR {
            return format!("{:06}", drawn % CODES).into();
        }
    }
}

/// Crockford's base32: no I, L, O or U, so that a code can be read out and typed.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 random bits and 12 check bits, five bits to a symbol.
const SYMBOL_COUNT: usize = 28;
const GROUP: usize = 4;

/// The one-time code that enrols a device: 128 random bits, written as seven
/// groups of four symbols. Twelve check bits detect a typing error before a try
/// is counted. Source: the project's security checks, devices.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode([u8; 16]);

impl EnrolmentCode {
    pub fn generate() -> Self {
        Self(bytes())
    }

    /// Reads a typed code: letter case, blanks and hyphens do not matter, and O, I
    /// and L are read as the digits they look like.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] for a wrong length, symbol or checksum.
    pub fn parse(typed: &str) -> Result<Self, CryptoError> {
        let mut bits = [0u8; 18];
        let mut count = 0;
        for letter in typed.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let value = symbol_value(letter).ok_or(CryptoError::Malformed)?;
            if count == SYMBOL_COUNT {
                return Err(CryptoError::Malformed);
            }
            for bit in 0..5 {
                let at = count * 5 + bit;
                bits[at / 8] |= ((value >> (4 - bit)) & 1) << (7 - at % 8);
            }
            count += 1;
        }
        let mut code = [0; 16];
        code.copy_from_slice(&bits[..16]);
        let whole = count == SYMBOL_COUNT && bits[16..] == check_bits(&code);
        whole.then_some(Self(code)).ok_or(CryptoError::Malformed)
    }

    /// The code as shown to the person who enrols the device.
    pub fn text(&self) -> SecretString {
        let mut bits = [0u8; 18];
        bits[..16].copy_from_slice(&self.0);
        bits[16..].copy_from_slice(&check_bits(&self.0));
        let mut text = String::with_capacity(SYMBOL_COUNT + SYMBOL_COUNT / GROUP);
        for index in 0..SYMBOL_COUNT {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            let value = (0..5).fold(0, |value, bit| {
                let at = index * 5 + bit;
                (value << 1) | ((bits[at / 8] >> (7 - at % 8)) & 1)
            });
            text.push(char::from(SYMBOLS[usize::from(value)]));
        }
        text.into()
    }

    /// The value that is stored and looked up instead of the code. A plain digest
    /// is enough: 128 random bits cannot be guessed.
    pub fn digest(&self) -> [u8; 32] {
        digest::sha256(&[b"waystation enrolment code\0", self.0.as_slice()].concat())
    }
}

impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentCode([redacted])")
    }
}

fn symbol_value(letter: char) -> Option<u8> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = SYMBOLS.iter().position(|symbol| char::from(*symbol) == letter)?;
    u8::try_from(place).ok()
}

fn check_bits(code: &[u8; 16]) -> [u8; 2] {
    let hash = digest::sha256(&[b"waystation enrolment check\0", code.as_slice()].concat());
    [hash[0], hash[1] & 0xF0]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_have_their_length_and_never_repeat() {
        let shorts: HashSet<_> = (0..500).map(|_| token_128().expose_secret().to_owned()).collect();
        let longs: HashSet<_> = (0..500).map(|_| token_256().expose_secret().to_owned()).collect();
        assert!(shorts.len() == 500 && shorts.iter().all(|t| t.len() == 22));
        assert!(longs.len() == 500 && longs.iter().all(|t| t.len() == 43));
        assert!(!format!("{:?}", token_128()).contains(shorts.iter().next().unwrap().as_str()));
    }

    #[test]
    fn pickup_codes_are_six_digits_from_the_whole_range() {
        let codes: Vec<_> = (0..2_000).map(|_| pickup_code().expose_secret().to_owned()).collect();
        assert!(codes.iter().all(|c| c.len() == 6 && c.bytes().all(|b| b.is_ascii_digit())));
        for digit in '0'..='9' {
            assert!(codes.iter().any(|c| c.starts_with(digit)), "no code starts with {digit}");
        }
    }

    #[test]
    fn a_code_is_seven_groups_of_four_and_stays_out_of_debug() {
        let code = EnrolmentCode::generate();
        let text = code.text().expose_secret().to_owned();
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), vec![4; 7]);
        assert_eq!(format!("{code:?}"), "EnrolmentCode([redacted])");
        assert_ne!(EnrolmentCode::generate(), code);
    }

    #[test]
    fn typing_habits_do_not_matter() {
        let code = EnrolmentCode([0; 16]);
        let text = code.text().expose_secret().to_owned();
        assert!(text.starts_with("0000-0000"));
        let sloppy = text.replace('0', "o").replace('1', "l").replace('-', " ").to_lowercase();
        assert_eq!(EnrolmentCode::parse(&sloppy), Ok(code));
    }

    #[test]
    fn bad_lengths_and_letters_are_refused() {
        let text = EnrolmentCode::generate().text().expose_secret().to_owned();
        for bad in ["", "U", &text[1..], &format!("{text}0"), &format!("{}é", &text[..33])] {
            assert_eq!(EnrolmentCode::parse(bad), Err(CryptoError::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_code_reads_back(raw in any::<[u8; 16]>()) {
            let code = EnrolmentCode(raw);
            let read = EnrolmentCode::parse(code.text().expose_secret()).unwrap();
            prop_assert_eq!(read.digest(), code.digest());
            prop_assert!(read == code);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = EnrolmentCode::parse(&text);
        }
    }

    #[test]
    fn one_wrong_symbol_is_noticed() {
        // Twelve check bits miss one error in 4096; this code is fixed, so the outcome is too.
        let text = EnrolmentCode([7; 16]).text().expose_secret().to_owned();
        for (place, old) in text.char_indices().filter(|(_, c)| *c != '-') {
            let new = if old == 'X' { 'Y' } else { 'X' };
            let mut typed = text.clone();
            typed.replace_range(place..=place, &new.to_string());
            assert_eq!(EnrolmentCode::parse(&typed), Err(CryptoError::Malformed), "place {place}");
        }
    }
}
