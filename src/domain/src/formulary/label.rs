//! What identifies a pack in people's hands: brands, barcodes, approval numbers, maker and
//! specification, as printed on it. All of it is optional, and no rule of safety reads it.

use serde::{Deserialize, Serialize};

use super::script::simplified;
use crate::words::Bilingual;

/// The columns of a catalogue that describe the pack. A file may leave any of them out: what is
/// known of a product then stays.
pub const LABEL_COLUMNS: &[&str] =
    &["brands", "barcodes", "approval_numbers", "manufacturer", "specification"];

/// The columns among them of free text.
pub const LABEL_TEXTS: &[&str] = &["brands", "manufacturer", "specification"];

/// The most entries of each list. Our defaults.
pub(super) const MOST_BRANDS: usize = 10;
pub(super) const MOST_BARCODES: usize = 20;
pub(super) const MOST_APPROVALS: usize = 5;

/// What is printed on a pack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackLabel {
    /// Brand names, Chinese or English.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brands: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub barcodes: Vec<Barcode>,
    /// Several for an imported drug that is also packed in the country.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approval_numbers: Vec<ApprovalNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// As printed, such as `0.3g*20粒/盒`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specification: Option<String>,
}

impl PackLabel {
    /// Whether nothing of the pack is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes from `stored` what a file without these columns does not say.
    pub(super) fn keep_unsaid(&mut self, stored: &Self, said: impl Fn(&str) -> bool) {
        if !said("brands") {
            self.brands.clone_from(&stored.brands);
        }
        if !said("barcodes") {
            self.barcodes.clone_from(&stored.barcodes);
        }
        if !said("approval_numbers") {
            self.approval_numbers.clone_from(&stored.approval_numbers);
        }
        if !said("manufacturer") {
            self.manufacturer.clone_from(&stored.manufacturer);
        }
        if !said("specification") {
            self.specification.clone_from(&stored.specification);
        }
    }
}

/// A trade item number as its barcode spells it: GTIN-8, -12 (UPC-A), -13 (EAN) or -14.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Barcode(String);

impl Barcode {
    /// # Errors
    /// What is wrong with it, in both languages.
    pub fn parse(text: &str) -> Result<Self, Bilingual> {
        if text.contains(['E', 'e', '.']) && text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Bilingual::fixed(
                "被表格软件写成了小数或科学计数，数字已丢失：请把该列设为“文本”后重新填写",
                "a spreadsheet has made a number of it, and digits are lost: format the column as text and fill it again",
            ));
        }
        let fits = matches!(text.len(), 8 | 12 | 13 | 14) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !fits || text.bytes().all(|byte| byte == b'0') {
            return Err(Bilingual::fixed(
                "条码须为 8、12、13 或 14 位数字，多个用 ; 分隔",
                "a barcode has 8, 12, 13 or 14 digits; several are separated by ;",
            ));
        }
        if !check_digit_fits(text) {
            return Err(Bilingual::fixed(
                "条码的校验位不符，请核对每一位数字",
                "the barcode's check digit does not fit: look at each digit again",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number in 14 digits, by which the lengths compare: GS1 pads shorter ones with zeros.
    pub fn key(&self) -> String {
        padded(&self.0)
    }
}

/// A shorter trade item number in 14 digits.
pub(super) fn padded(digits: &str) -> String {
    format!("{digits:0>14}")
}

/// Source: GS1 General Specifications, check digit calculation: weights 3 and 1 in turn from the
/// right, to a multiple of 10.
fn check_digit_fits(digits: &str) -> bool {
    let weighted = digits.bytes().rev().enumerate().map(|(place, byte)| {
        let digit = u32::from(byte - b'0');
        if place % 2 == 1 { digit * 3 } else { digit }
    });
    weighted.sum::<u32>().is_multiple_of(10)
}

/// The number under which an authority has approved a drug, or a dressing as a device.
///
/// Source: Measures for the Administration of Drug Registration (SAMR order 27, 2020), article 123,
/// and its edition of 2007, article 171, for certificates that are still in use; Measures for the
/// Registration and Filing of Medical Devices (SAMR order 47, 2021), article 112.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalNumber(String);

/// What stands before the number of an approval by the national authority.
const APPROVED: &str = "国药准字";

/// Letters of an approval: chemical, traditional, biological, packed in the country, health food,
/// diagnostic, excipient; with C from Hong Kong, Macao and Taiwan, with J from abroad.
const APPROVED_LETTERS: &[&str] = &["H", "Z", "S", "J", "B", "T", "F", "HC", "ZC", "SC", "HJ", "ZJ", "SJ"];

/// Letters of a registration certificate of a drug from abroad (`C`: Hong Kong, Macao, Taiwan;
/// `B` first: in bulk, to be packed in the country).
const CERTIFICATE_LETTERS: &[&str] =
    &["H", "Z", "S", "HC", "ZC", "SC", "BH", "BZ", "BS", "BHC", "BZC", "BSC"];

impl ApprovalNumber {
    /// Spaces, width, case, traditional characters and the words before a certificate's number do
    /// not matter. `None` if it has no known form.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = simplified(text).chars().filter(|c| !c.is_whitespace()).collect();
        let plain = plain.to_ascii_uppercase();
        if let Some(number) = plain.strip_prefix(APPROVED) {
            return lettered(number, APPROVED_LETTERS).then(|| Self(plain.clone()));
        }
        let certificate = ["进口药品注册证号", "医药产品注册证号", "注册证号"]
            .iter()
            .find_map(|words| plain.strip_prefix(words))
            .map_or(plain.as_str(), |number| number.trim_start_matches([':', '：']));
        let valid = lettered(certificate, CERTIFICATE_LETTERS) || of_a_device(certificate);
        valid.then(|| Self(certificate.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number without the words before it.
    pub(super) fn bare(&self) -> &str {
        self.0.strip_prefix(APPROVED).unwrap_or(&self.0)
    }
}

/// Letters, then the year or province with a serial number: eight digits.
fn lettered(text: &str, letters: &[&str]) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let head = &text[..text.len() - digits.len()];
    letters.contains(&head) && digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// `国械注准20173641234` (eleven digits), or `鲁烟械备20150012` of the lowest class (eight).
fn of_a_device(text: &str) -> bool {
    let Some((place, rest)) = text.split_once('械') else { return false };
    let places = (1..=3).contains(&place.chars().count()) && place.chars().all(|c| !c.is_ascii());
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let registered = ["注准", "注进", "注许"].iter().find_map(|words| rest.strip_prefix(words));
    let filed = rest.strip_prefix('备').map(|number| number.strip_suffix('号').unwrap_or(number));
    places
        && (registered.is_some_and(|number| digits(number, 11))
            || filed.is_some_and(|number| digits(number, 8)))
}

macro_rules! as_text {
    ($name:ident, $parse:expr) => {
        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(&text).ok_or("not as it is stored")
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}
as_text!(Barcode, |text| Barcode::parse(text).ok());
as_text!(ApprovalNumber, ApprovalNumber::parse);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barcodes_have_a_length_and_a_check_digit() {
        // Numbers that GS1 publishes as examples, and one zero-padded.
        for good in ["6291041500213", "614141123452", "96385074", "10614141000415", "0614141123452"] {
            assert!(Barcode::parse(good).is_ok(), "{good}");
        }
        assert_eq!(
            Barcode::parse("614141123452").expect("good").key(),
            Barcode::parse("0614141123452").expect("good").key()
        );
        for bad in [
            "",
            "1234567",
            "6291041500214",
            "629104150021",
            "00000000",
            "6.29104E+12",
            "629104150021X",
            "６２９１",
        ] {
            assert!(Barcode::parse(bad).is_err(), "{bad}");
        }
        // Every change of one digit, and every swap of unequal neighbours that do not differ by 5.
        let good: Vec<u8> = b"6901234567892".to_vec();
        for at in 0..good.len() {
            for digit in b'0'..=b'9' {
                let mut other = good.clone();
                other[at] = digit;
                let text = String::from_utf8(other).expect("digits");
                assert_eq!(Barcode::parse(&text).is_ok(), digit == good[at], "{text}");
            }
        }
    }

    #[test]
    fn approval_numbers_are_read_as_people_write_them() {
        for (text, stored) in [
            ("国药准字H20051234", "国药准字H20051234"),
            ("國藥準字 h20051234", "国药准字H20051234"),
            ("国药准字Ｚ３７０２００８８", "国药准字Z37020088"),
            ("国药准字HJ20140475", "国药准字HJ20140475"),
            ("国药准字SC20200001", "国药准字SC20200001"),
            ("H20140475", "H20140475"),
            ("进口药品注册证号：HC20140001", "HC20140001"),
            ("注册证号 BH20140475", "BH20140475"),
            ("国械注准20173641234", "国械注准20173641234"),
            ("鲁烟械备20150012号", "鲁烟械备20150012号"),
        ] {
            let number = ApprovalNumber::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(number.as_str(), stored);
            assert_eq!(ApprovalNumber::parse(number.as_str()), Some(number), "as stored");
        }
        for bad in [
            "",
            "国药准字",
            "国药准字H2005123",
            "国药准字H200512345",
            "国药准字X20051234",
            "20051234",
            "J20051234",
            "国药准字H2005123A",
            "械注准20173641234",
            "国械注准2017364123",
            "PL 12345/0001",
        ] {
            assert_eq!(ApprovalNumber::parse(bad), None, "{bad}");
        }
    }
}
