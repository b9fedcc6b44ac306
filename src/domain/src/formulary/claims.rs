//! Which products may have the same numbers on their packs. A barcode stands for one product, so that
//! a scan finds one. An approval number stands for one drug, and several packs of it may have it.

use std::collections::{HashMap, HashSet};

use super::product::Product;
use crate::{network::import::RowProblem, refusal::FieldProblem, words::Bilingual};

/// A product of the file that has a number.
#[derive(Debug)]
struct Claim {
    line: u64,
    code: String,
    /// Sorted.
    ingredients: Vec<String>,
}

/// The numbers of the products of a file.
#[derive(Debug, Default)]
pub struct Claims {
    codes: HashSet<String>,
    barcodes: HashMap<String, Claim>,
    approvals: HashMap<String, Claim>,
}

impl Claims {
    /// Notes the numbers of the product at `line`; returns those that an earlier line has.
    pub fn note(&mut self, line: u64, product: &Product) -> Vec<RowProblem> {
        let claim =
            || Claim { line, code: product.code.as_str().to_owned(), ingredients: ingredients(product) };
        let mut problems = Vec::new();
        self.codes.insert(claim().code);
        for barcode in &product.label.barcodes {
            let first = self.barcodes.entry(barcode.key()).or_insert_with(claim);
            if first.line != line {
                problems.push(taken(line, &first.code, Some(first.line)));
            }
        }
        for number in &product.label.approval_numbers {
            let first = self.approvals.entry(number.as_str().to_owned()).or_insert_with(claim);
            if first.ingredients != ingredients(product) {
                problems.push(other_drug(line, &first.code, Some(first.line)));
            }
        }
        problems
    }

    /// Whether a stored product need not be compared: the file says what its numbers are, or has none.
    pub fn settled(&self, code: &str) -> bool {
        self.codes.contains(code) || (self.barcodes.is_empty() && self.approvals.is_empty())
    }

    /// The numbers that a stored product, which the file does not replace, has as well.
    pub fn compare(&self, stored: &Product) -> Vec<RowProblem> {
        let code = stored.code.as_str();
        let barcodes = stored.label.barcodes.iter().filter_map(|one| self.barcodes.get(&one.key()));
        let approvals =
            stored.label.approval_numbers.iter().filter_map(|one| self.approvals.get(one.as_str()));
        let own = ingredients(stored);
        barcodes
            .map(|claim| taken(claim.line, code, None))
            .chain(
                approvals
                    .filter(|claim| claim.ingredients != own)
                    .map(|claim| other_drug(claim.line, code, None)),
            )
            .collect()
    }
}

fn ingredients(product: &Product) -> Vec<String> {
    let mut codes: Vec<String> =
        product.ingredients.iter().map(|part| part.code.as_str().to_owned()).collect();
    codes.sort_unstable();
    codes
}

fn place(code: &str, line: Option<u64>) -> (String, String) {
    match line {
        Some(line) => (format!("第 {line} 行的 {code}"), format!("{code} at line {line}")),
        None => (format!("目录中的 {code}"), format!("{code} in the catalogue")),
    }
}

fn taken(line: u64, code: &str, first: Option<u64>) -> RowProblem {
    let (zh, en) = place(code, first);
    let message = Bilingual::made(
        format!("{zh} 已有此条码；一个条码只能属于一个产品。若要移走，请在同一文件中改写那个产品。"),
        format!(
            "{en} has this barcode, which names one product; to move it, change that product in the same file."
        ),
    );
    problem(line, "barcodes", "duplicate", message)
}

fn other_drug(line: u64, code: &str, first: Option<u64>) -> RowProblem {
    let (zh, en) = place(code, first);
    let message = Bilingual::made(
        format!("{zh} 有同一批准文号，但成分不同；同一文号的产品只能是同一种药。"),
        format!("{en} has this approval number and other ingredients: a number approves one drug."),
    );
    problem(line, "approval_numbers", "other_drug", message)
}

fn problem(line: u64, field: &str, code: &str, message: Bilingual) -> RowProblem {
    RowProblem::from_field(line, FieldProblem { field: field.to_owned(), code: code.to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formulary::{ApprovalNumber, Barcode, Formulary};

    #[test]
    fn a_barcode_names_one_product_and_an_approval_number_one_drug() {
        let formulary = Formulary::shipped().expect("shipped");
        let product = |code: &str, barcode: &str, number: &str| {
            let mut product = formulary.find(code).expect("shipped").clone();
            product.label.barcodes = vec![Barcode::parse(barcode).expect("a barcode")];
            product.label.approval_numbers = vec![ApprovalNumber::parse(number).expect("a number")];
            product
        };
        let found = |problems: Vec<RowProblem>| {
            problems.into_iter().map(|one| (one.line, one.field, one.code)).collect::<Vec<_>>()
        };
        let at = |line: u64, field: &str, code: &str| (line, field.to_owned(), code.to_owned());
        let mut claims = Claims::default();
        let tablets = product("PCM-T500", "614141123452", "国药准字H20050001");
        let capsules = product("PCM-C300", "96385074", "国药准字H20050001");
        assert_eq!(found(claims.note(2, &tablets)), []);
        assert_eq!(found(claims.note(3, &capsules)), [], "another pack of the same drug");
        let ibuprofen = product("IBU-T200", "0614141123452", "国药准字H20050001");
        let both = [at(4, "barcodes", "duplicate"), at(4, "approval_numbers", "other_drug")];
        assert_eq!(found(claims.note(4, &ibuprofen)), both);
        let mut claims = Claims::default();
        assert!(claims.settled("IBU-T200"));
        claims.note(2, &tablets);
        assert!(claims.settled("PCM-T500") && !claims.settled("IBU-T200"));
        let both = [at(2, "barcodes", "duplicate"), at(2, "approval_numbers", "other_drug")];
        assert_eq!(found(claims.compare(&ibuprofen)), both);
        assert_eq!(found(claims.compare(&capsules)), []);
    }
}
