//! The wire formats of texts. These types have no values: they appear in request schemas
//! (`value_type = ..`), which are both published and enforced. The domain rules behind them check
//! more, and imports check the same: their lengths are those of these types.
//!
//! Some generators write a pattern's `\uXXXX` as that character into a literal of their language. No
//! pattern may so contain a line's end: control characters are `\xNN`, and U+2028 and U+2029 are
//! excluded as white space, not by name.

use std::ops::RangeInclusive;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, Object, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use crate::policy::LONGEST_POLL_S;

/// Declares kinds of text: minimum and maximum number of characters, pattern, example.
macro_rules! spellings {
    ($($(#[doc = $doc:literal])+ $name:ident = $least:literal..=$most:literal, $pattern:literal, $example:literal;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub enum $name {}

            impl $name {
                /// Characters, at least.
                pub const LEAST: usize = $least;
                /// Characters, at most.
                pub const MOST: usize = $most;
            }

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some([$($doc),+].concat().trim()))
                        .min_length(Some(Self::LEAST))
                        .max_length(Some(Self::MOST))
                        .pattern(Some($pattern))
                        .examples([$example])
                        .into()
                }
            }
            impl ToSchema for $name {}
        )+

        /// Each kind's name, pattern and example, for the tests.
        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $pattern, $example)),+];
    };
}

spellings! {
    /// The 12 digits on a worker's card; the last is a Luhn check digit.
    CardNumber = 12..=12, r"^[0-9]{12}$", "690000000018";
    /// A worker's PIN: six digits.
    WorkerPin = 6..=6, r"^[0-9]{6}$", "482913";
    /// A signing PIN: six to twelve digits.
    SigningPin = 6..=12, r"^[0-9]{6,12}$", "739154";
    /// A one-time code: six digits.
    OneTimeCode = 6..=6, r"^[0-9]{6}$", "271828";
    /// A pickup code: six digits.
    PickupCode = 6..=6, r"^[0-9]{6}$", "314159";
    /// A telephone number as people write it: a mobile, a fixed line with its
    /// area code, or `+` and the country code for numbers abroad.
    Phone = 7..=40, r"\S", "15400000001";
    /// A code sent to a phone: six digits.
    PhoneCode = 6..=6, r"^[0-9]{6}$", "271828";
    /// The number of an identity document.
    DocumentNumber = 4..=40, r"\S", "11010519491231002X";
    /// A name in one line: no control characters, no invisible characters, none that change the
    /// text direction.
    Name = 1..=80, r"^[ \u3000]*[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+([ \u3000]+[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+)*[ \u3000]*$", "样例甲";
    /// The name of a department, in one line.
    DepartmentName = 1..=60, r"^[ \u3000]*[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+([ \u3000]+[^\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+)*[ \u3000]*$", "风湿免疫科";
    /// The name of a walk-in, in one line.
    WalkInName = 1..=60, r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", "样例甲";
    /// One entry of a health profile, in one line.
    ProfileEntry = 1..=80, r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", "ibuprofen";
    /// A condition by its code, or a word that means none, in one line.
    ConditionEntry = 1..=80, r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", "asthma";
    /// The name of a measuring device, in one line.
    DeviceName = 1..=64, r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", "cuff-1";
    /// The code of a place or firm: `a-z 0-9 -`, no hyphen first or last.
    PlaceCode = 1..=32, r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "zhifu-01";
    /// A product's code in the catalogue.
    ProductCode = 2..=40, r"^[A-Za-z0-9._-]+$", "PCM-T500";
    /// A lot's number, as printed: in one line, no space first or last.
    LotNo = 1..=64, r"^\S(.*\S)?$", "LOT-2026-001";
    /// A licence number, as printed.
    Label = 1..=64, r"^[A-Za-z0-9._/]([A-Za-z0-9._/-]*[A-Za-z0-9._/])?$", "LOT-2026-001";
    /// A mail address.
    MailAddress = 3..=254, r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$", "doctor@example.cn";
    /// A reason in words; the policy sets its minimum length.
    Reason = 1..=500, r"\S", "The dose is too high.";
    /// Words, 500 characters at most, that are not blank.
    ShortWords = 1..=500, r"\S", "As the maker asked.";
    /// Words, 1,000 characters at most, that are not blank.
    NoteWords = 1..=1000, r"\S", "Looked at it; the door was ajar.";
    /// Words, 2,000 characters at most, that are not blank.
    Words = 1..=2000, r"\S", "咳嗽两天，没有发热。";
    /// Words, 4,000 characters at most, that are not blank.
    LongWords = 1..=4000, r"\S", "A cold; rest and drink.";
    /// A code of a diagnosis, ICD-10 style.
    DiagnosisCode = 1..=16, r"\S", "J00";
    /// The name of a diagnosis.
    DiagnosisName = 1..=120, r"\S", "Acute nasopharyngitis";
    /// What a prescription treats, in words.
    DiagnosisWords = 1..=200, r"\S", "Acute nasopharyngitis";
    /// The code of a rule.
    RuleCode = 1..=60, r"\S", "dose.daily_maximum";
    /// A token, as received in a response or a letter.
    Token = 1..=64, r"\S", "3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    /// Ids of offers, separated by commas.
    OfferIds = 36..=739, r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(,[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}){0,19}$", "0197b1de-6c4f-7a10-8e5b-2f6d3c9a4b01";
    /// The device token that a sign-in returned.
    KnownDeviceToken = 54..=54, r"^[A-Za-z0-9_-]{54}$", "AABRFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    /// An enrolment code, as typed.
    EnrolmentCode = 1..=64, r"\S", "7K3M-9QXA-2BCD-4EFG-5HJK-6MNP-8RST";
    /// An Ed25519 public key: 32 bytes in base64url.
    PublicKey = 43..=43, r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    /// A client assertion: a compact JWS.
    Assertion = 5..=4096, r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$", "e30.e30.AA";
    /// 128 random bits that a cabinet draws at each start, in lower hex.
    BootIdHex = 32..=32, r"^[0-9a-f]{32}$", "000102030405060708090a0b0c0d0e0f";
    /// A SHA-256 in lower hex.
    HashHex = 64..=64, r"^[0-9a-f]{64}$", "0000000000000000000000000000000000000000000000000000000000000000";
    /// How a shift repeats: a rule of RFC 5545 with FREQ=DAILY, WEEKLY or MONTHLY, without its name.
    RecurrenceRule = 9..=200, r"^[A-Z0-9=;,+-]+$", "FREQ=WEEKLY;BYDAY=MO,WE,FR";
    /// A time of the day in hours and minutes.
    TimeOfDay = 5..=5, r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "20:00";
    /// The name of a time zone; a roster has Asia/Shanghai.
    TimeZoneName = 1..=64, r"^[A-Za-z0-9_+/-]+$", "Asia/Shanghai";
    /// A name of firmware, sensors and the like.
    Designation = 1..=64, r"\S", "1.4.2";
}

/// The characters of a password that somebody chooses. Source: NIST SP 800-63B, section 5.1.1.2; the
/// minimum and the maximum are our defaults.
pub const PASSWORD_CHARS: RangeInclusive<usize> = 12..=128;

/// A password that somebody chooses.
pub fn new_password() -> Object {
    password_from(*PASSWORD_CHARS.start())
}

/// A password as typed at sign-in.
pub fn password() -> Object {
    password_from(1)
}

fn password_from(least: usize) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(least));
    text.max_length(Some(*PASSWORD_CHARS.end())).build()
}

/// The characters of an `Idempotency-Key`; the sentence of its refusal names them.
pub const IDEMPOTENCY_KEY_CHARS: RangeInclusive<usize> = 8..=128;

/// The seconds that a long poll may wait.
pub fn wait_seconds() -> Object {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
    seconds.minimum(Some(0)).maximum(Some(LONGEST_POLL_S)).default(Some(0.into())).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_matches_its_pattern() {
        for (name, pattern, example) in ALL {
            let pattern = regex::Regex::new(pattern).expect("a pattern");
            assert!(pattern.is_match(example), "{name}: {example}");
            assert!(!pattern.is_match(""), "{name} may be empty");
            assert!(!pattern.is_match(" \t "), "{name} may be blank");
        }
    }

    #[test]
    fn the_refusal_of_an_idempotency_key_names_its_length() {
        let sentence = crate::refusal::Code::IdempotencyKeyInvalid.title();
        let (least, most) = (IDEMPOTENCY_KEY_CHARS.start(), IDEMPOTENCY_KEY_CHARS.end());
        assert!(sentence.en.contains(&format!("{least} to {most}")), "{}", sentence.en);
        assert!(sentence.zh.contains(&format!("{least} 到 {most}")), "{}", sentence.zh);
    }

    #[test]
    fn names_contain_no_hidden_characters() {
        let (_, pattern, _) = ALL.iter().find(|(name, ..)| *name == "Name").expect("it is there");
        let pattern = regex::Regex::new(pattern).expect("a pattern");
        for bad in [
            "a\u{202e}b",
            "\u{200b}",
            "a\nb",
            "a\u{2028}b",
            "\u{feff}x",
            "a\u{7f}",
            "a\u{85}b",
            "Anne\u{a0}Marie",
        ] {
            assert!(!pattern.is_match(bad), "{bad:?}");
        }
        for good in ["Zhang San", " 张三 ", "张\u{3000}三", "𠮷野"] {
            assert!(pattern.is_match(good), "{good:?}");
        }
    }

    #[test]
    fn no_pattern_names_a_line_end() {
        for (name, pattern, _) in ALL {
            for line_end in [r"\u000", r"\u0085", r"\u2028", r"\u2029"] {
                assert!(!pattern.contains(line_end), "{name}: {pattern}");
            }
        }
    }
}
