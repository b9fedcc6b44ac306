//! Parses the cells that describe the pack.

use super::Row;
use crate::formulary::label::{
    ApprovalNumber, Barcode, MOST_APPROVALS, MOST_BARCODES, MOST_BRANDS, PackLabel,
};

/// What is printed on the pack; a file may have none of these columns.
pub(super) fn label(row: &mut Row<'_>) -> PackLabel {
    PackLabel {
        brands: brands(row),
        barcodes: barcodes(row),
        approval_numbers: approval_numbers(row),
        manufacturer: row.short("manufacturer", 120),
        specification: row.short("specification", 120),
    }
}

/// The entries of a list in a cell of free text, as input methods write it.
fn entries(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([';', '；']).map(str::trim).filter(|entry| !entry.is_empty())
}

fn brands(row: &mut Row<'_>) -> Vec<String> {
    let mut brands: Vec<String> = Vec::new();
    for brand in entries(row.cell("brands")) {
        if !brands.iter().any(|known| known == brand) {
            brands.push(brand.to_owned());
        }
    }
    if brands.len() > MOST_BRANDS || brands.iter().any(|brand| brand.chars().count() > 60) {
        row.issue(
            "brands",
            &format!("最多 {MOST_BRANDS} 个商品名，用 ; 分隔，每个最多 60 字"),
            &format!("at most {MOST_BRANDS} brands, separated by ;, of at most 60 characters each"),
        );
    }
    brands
}

fn barcodes(row: &mut Row<'_>) -> Vec<Barcode> {
    let mut barcodes: Vec<Barcode> = Vec::new();
    for entry in entries(row.cell("barcodes")) {
        match Barcode::parse(entry) {
            Ok(barcode) if barcodes.iter().any(|known| known.key() == barcode.key()) => {}
            Ok(barcode) => barcodes.push(barcode),
            Err(wrong) => {
                row.issue("barcodes", &wrong.zh, &wrong.en);
                return Vec::new();
            }
        }
    }
    if barcodes.len() > MOST_BARCODES {
        row.issue(
            "barcodes",
            &format!("最多 {MOST_BARCODES} 个条码"),
            &format!("at most {MOST_BARCODES} barcodes"),
        );
    }
    barcodes
}

fn approval_numbers(row: &mut Row<'_>) -> Vec<ApprovalNumber> {
    let parsed: Option<Vec<ApprovalNumber>> =
        entries(row.cell("approval_numbers")).map(ApprovalNumber::parse).collect();
    let mut numbers = parsed.filter(|numbers| numbers.len() <= MOST_APPROVALS).unwrap_or_else(|| {
        row.issue(
            "approval_numbers",
            "须为批准文号或注册证号，如 国药准字H20051234、国药准字HJ20140475、H20140475、国械注准20173641234；\
             多个用 ; 分隔，最多 5 个",
            "approval or certificate numbers such as 国药准字H20051234, 国药准字HJ20140475, H20140475 or \
             国械注准20173641234; at most 5, separated by ;",
        );
        Vec::new()
    });
    numbers.dedup();
    numbers
}
