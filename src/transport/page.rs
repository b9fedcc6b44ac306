//! How long a page of a list is.

use crate::{
    domain::{
        refusal::{Code, FieldProblem, Refusal},
        words::Bilingual,
    },
    service::Failure,
};

/// Rows of a page whose caller names no number.
const USUAL: u32 = 50;
/// Rows of the longest page.
const MOST: u32 = 100;

/// The wanted length of a page.
///
/// # Errors
/// `InvalidParameter` outside 1 to 100.
pub fn limit(wanted: Option<u32>) -> Result<u32, Failure> {
    let limit = wanted.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    let mut refusal = Refusal::new(Code::InvalidParameter);
    refusal.fields.push(FieldProblem {
        field: "limit".into(),
        code: "out_of_range".into(),
        message: Bilingual::fixed("须为 1 到 100", "must be 1 to 100"),
    });
    Err(refusal.into())
}
