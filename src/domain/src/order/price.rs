//! The price of an order, and how many packs of a line may still be ordered.

use crate::{money::Fen, refusal::Refusal};

/// A number of packs of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Price of one pack.
    pub price: Fen,
    pub packs: u32,
}

/// The total price of all lines.
///
/// # Errors
/// `invalid_field` for no lines, a line without packs, a negative price, or a total that
/// overflows 64 bits.
pub fn price(lines: &[Line]) -> Result<Fen, Refusal> {
    if lines.is_empty() {
        return Err(Refusal::out_of_range("lines"));
    }
    let mut total = Fen::ZERO;
    for (at, line) in lines.iter().enumerate() {
        if line.packs == 0 {
            return Err(Refusal::out_of_range(&format!("lines[{at}].packs")));
        }
        let amount = line.price.times(line.packs).filter(|amount| *amount >= Fen::ZERO);
        let sum = amount.and_then(|amount| total.0.checked_add(amount.0));
        total = Fen(sum.ok_or_else(|| Refusal::out_of_range(&format!("lines[{at}].price")))?);
    }
    Ok(total)
}

/// How many packs of a prescribed line may still be ordered; never negative. Packs in
/// doubt count as dispensed.
pub fn units_left(prescribed: u32, dispensed: u32, in_doubt: u32, live: u32) -> u32 {
    prescribed.saturating_sub(dispensed).saturating_sub(in_doubt).saturating_sub(live)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_price_is_the_exact_sum_or_a_refusal(
            lines in proptest::collection::vec((prop_oneof![0i64..100_000, Just(i64::MAX), Just(-1)], 0u32..9), 0..5),
        ) {
            let lines: Vec<Line> = lines.into_iter().map(|(p, packs)| Line { price: Fen(p), packs }).collect();
            let exact: i128 = lines.iter().map(|l| i128::from(l.price.0) * i128::from(l.packs)).sum();
            let valid = !lines.is_empty() && lines.iter().all(|l| l.packs > 0 && l.price.0 >= 0);
            match price(&lines) {
                Ok(total) => prop_assert!(valid && i128::from(total.0) == exact),
                Err(_) => prop_assert!(!valid || exact > i128::from(i64::MAX)),
            }
        }

        #[test]
        fn left_plus_taken_never_exceeds_what_was_prescribed(p in any::<u32>(), d in any::<u32>(), i in any::<u32>(), l in any::<u32>()) {
            let taken = u64::from(d) + u64::from(i) + u64::from(l);
            prop_assert_eq!(u64::from(units_left(p, d, i, l)), u64::from(p).saturating_sub(taken));
        }
    }
}
