//! The table of a selection: a CSV with the column `code`, and if wanted `name`, by which a look-alike code
//! is noticed. Every fault is told by line and field.

use std::collections::{HashMap, HashSet};

use super::InForce;
use crate::{
    formulary::{Formulary, Product, ProductCode, SaleClass, never},
    prescription::{CabinetLane, may_vend},
    words::Bilingual,
};

crate::text_enum! {
    /// Why a row of a selection is refused.
    pub enum SelectionFaultCode {
        /// The table is no CSV, lacks the column `code`, or has another than `code` and `name`.
        Unreadable = "unreadable",
        /// The table has no row: nothing could be prescribed.
        Empty = "empty",
        /// The catalogue has no such product.
        UnknownCode = "unknown_code",
        /// The code stands twice.
        Duplicate = "duplicate",
        /// The name is not that of the product with this code.
        NameDiffers = "name_differs",
        /// It is a drug that is never prescribed here.
        NeverList = "never_list",
        /// The catalogue keeps it out (`in_formulary` no).
        KeptOut = "kept_out",
        /// Its row has no maximum with a source, or an implausible one.
        NotPrescribable = "not_prescribable",
        /// The cabinet of the station may not vend it, because of its lane.
        Lane = "lane",
        /// The network's formulary does not have it: a station only narrows that.
        NotInNetwork = "not_in_network",
    }
}

/// A fault of a selection's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionFault {
    /// From 1.
    pub line: u64,
    /// The column, `row` or `header`.
    pub field: &'static str,
    pub code: SelectionFaultCode,
    pub message: Bilingual,
}

/// Whose selection it is.
#[derive(Debug, Clone, Copy)]
pub enum SelectionScope<'a> {
    Network,
    /// Of a station, whose cabinet has this lane, if it has a cabinet, and of what the network has.
    Station {
        lane: Option<CabinetLane>,
        network: &'a InForce,
    },
}

const CODE: &str = "code";
const NAME: &str = "name";

/// The products of a table.
///
/// # Errors
/// Every fault of every row.
pub fn check_table(
    text: &str,
    formulary: &Formulary,
    scope: SelectionScope<'_>,
) -> Result<HashSet<ProductCode>, Vec<SelectionFault>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let header = reader.headers().cloned().unwrap_or_default();
    let place = |name: &str| header.iter().position(|column| column.trim() == name);
    let Some(code_at) = place(CODE).filter(|_| header.iter().all(|one| [CODE, NAME].contains(&one.trim())))
    else {
        let message = Bilingual::fixed(
            "第一行须为列名：code，可另加 name。",
            "The first line names the columns: code, and name if wanted.",
        );
        return Err(vec![fault(1, "header", SelectionFaultCode::Unreadable, message)]);
    };
    let (mut found, mut faults, mut lines) = (HashSet::new(), Vec::new(), HashMap::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let message = Bilingual::fixed("无法读取该行。", "The row cannot be read.");
                faults.push(fault(line, "row", SelectionFaultCode::Unreadable, message));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or_default().trim();
        let (code, name) = (cell(code_at), place(NAME).map_or("", cell));
        if let Some(first) = lines.insert(code.to_owned(), line) {
            let message = Bilingual::made(
                format!("编码 {code} 已在第 {first} 行。"),
                format!("The code {code} stands in line {first} already."),
            );
            faults.push(fault(line, CODE, SelectionFaultCode::Duplicate, message));
            continue;
        }
        match row(code, name, formulary, scope) {
            Ok(code) => drop(found.insert(code)),
            Err((field, why, message)) => faults.push(fault(line, field, why, message)),
        }
    }
    if found.is_empty() && faults.is_empty() {
        let message = Bilingual::fixed("没有任何药品。", "There is no product.");
        faults.push(fault(1, "row", SelectionFaultCode::Empty, message));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn fault(line: u64, field: &'static str, code: SelectionFaultCode, message: Bilingual) -> SelectionFault {
    SelectionFault { line, field, code, message }
}

type Refused = (&'static str, SelectionFaultCode, Bilingual);

fn row(
    code: &str,
    name: &str,
    formulary: &Formulary,
    scope: SelectionScope<'_>,
) -> Result<ProductCode, Refused> {
    let unknown =
        Bilingual::made(format!("药品目录没有 {code}。"), format!("The catalogue has no product {code}."));
    let product = formulary.find(code).ok_or((CODE, SelectionFaultCode::UnknownCode, unknown))?;
    let same = |own: &str| own.to_lowercase() == name.to_lowercase();
    if !name.is_empty() && !same(&product.generic_zh) && !same(&product.generic_en) {
        let message = Bilingual::made(
            format!("{code} 是 {}，不是 {name}。", product.generic_zh),
            format!("{code} is {}, not {name}.", product.generic_en),
        );
        return Err((NAME, SelectionFaultCode::NameDiffers, message));
    }
    prescribable(product)?;
    if let SelectionScope::Station { lane, network } = scope {
        if !network.has(product) {
            let message = Bilingual::made(
                format!("网络的处方集没有 {}；站点只能从中选取。", product.generic_zh),
                format!(
                    "The network's formulary does not have {}; a station only chooses from it.",
                    product.generic_en
                ),
            );
            return Err((CODE, SelectionFaultCode::NotInNetwork, message));
        }
        if lane.is_some_and(|lane| !may_vend(lane, product.class)) {
            return Err((CODE, SelectionFaultCode::Lane, of_lane(product)));
        }
    }
    Ok(product.code.clone())
}

fn of_lane(product: &Product) -> Bilingual {
    let (zh, en) = match product.class {
        SaleClass::Rx => ("处方药", "a prescription drug"),
        SaleClass::OtcA => ("甲类非处方药", "class A over the counter"),
        SaleClass::OtcB => ("乙类非处方药", "class B over the counter"),
    };
    Bilingual::made(
        format!("{} 是{zh}；本站药柜只可售乙类非处方药。", product.generic_zh),
        format!("{} is {en}; the cabinet here may vend class B only.", product.generic_en),
    )
}

/// Refuses what nobody may prescribe, and says why.
fn prescribable(product: &Product) -> Result<(), Refused> {
    if let Some(listed) = never(product) {
        let message = Bilingual::made(
            format!("{}：此处不得开具或售出。", listed.group.zh),
            format!("{}: never prescribed or sold here.", listed.group.en),
        );
        return Err((CODE, SelectionFaultCode::NeverList, message));
    }
    if !product.in_formulary {
        let message = Bilingual::fixed(
            "药品目录将其排除（in_formulary 为 no）；请先核对其目录行。",
            "The catalogue keeps it out (in_formulary is no); review its row there first.",
        );
        return Err((CODE, SelectionFaultCode::KeptOut, message));
    }
    if let Some(flaw) = product.flaws().into_iter().next() {
        let message = Bilingual::made(
            format!("{}：{}", flaw.field, flaw.message.zh),
            format!("{}: {}", flaw.field, flaw.message.en),
        );
        return Err((CODE, SelectionFaultCode::NotPrescribable, message));
    }
    if !product.has_sourced_maximum() {
        let message = Bilingual::fixed(
            "没有已核对来源的最大剂量。",
            "It has no maximum dose with a source that was read.",
        );
        return Err((CODE, SelectionFaultCode::NotPrescribable, message));
    }
    Ok(())
}

/// A selection as a table: change it and propose it as the next edition.
pub fn table_of<'p>(products: impl Iterator<Item = &'p Product>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows = products.map(|product| [product.code.as_str(), product.generic_zh.as_str()]);
    let written = std::iter::once([CODE, NAME]).chain(rows).try_for_each(|row| writer.write_record(row));
    let text = written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        super::{Selection, Selections},
        *,
    };
    use SelectionFaultCode as Fault;

    fn faults(text: &str, scope: SelectionScope<'_>) -> Vec<(u64, &'static str, Fault)> {
        let formulary = Formulary::shipped().expect("shipped");
        let told = check_table(text, &formulary, scope).err().unwrap_or_default();
        told.into_iter().map(|one| (one.line, one.field, one.code)).collect()
    }

    #[test]
    fn every_fault_is_told_by_line_and_field() {
        let text = "code,name\nPCM-T500,\nNO-SUCH,\nPCM-T500,\nLOR-T10,布洛芬片\n";
        let expected =
            [(3, "code", Fault::UnknownCode), (4, "code", Fault::Duplicate), (5, "name", Fault::NameDiffers)];
        assert_eq!(faults(text, SelectionScope::Network), expected);
        assert_eq!(faults("code\n", SelectionScope::Network), [(1, "row", Fault::Empty)]);
        for wrong in ["", "name\nx\n", "code,price\nPCM-T500,1\n"] {
            assert_eq!(faults(wrong, SelectionScope::Network), [(1, "header", Fault::Unreadable)], "{wrong}");
        }
    }

    #[test]
    fn a_station_takes_what_its_lane_may_vend_of_what_the_network_has() {
        let formulary = Formulary::shipped().expect("shipped");
        let code_of = |class: SaleClass| {
            let of_class = |product: &&Product| product.class == class && product.prescribable();
            formulary.iter().find(of_class).expect("one of the class").code.to_string()
        };
        let text = format!("code\n{}\n{}\n", code_of(SaleClass::Rx), code_of(SaleClass::OtcB));
        let now = chrono::DateTime::UNIX_EPOCH;
        let all = Selections::default().in_force(None, now);
        let of = |lane| SelectionScope::Station { lane: Some(lane), network: &all };
        assert_eq!(faults(&text, of(CabinetLane::RetailBOnly)), [(2, "code", Fault::Lane)]);
        assert_eq!(faults(&text, of(CabinetLane::InstitutionDispense)), []);
        let without_rx = Selection {
            version: "narrow".to_owned(),
            products: Arc::new(HashSet::from([
                ProductCode::parse(&code_of(SaleClass::OtcB)).expect("a code")
            ])),
        };
        let narrow = Selections::new(vec![(now, without_rx)], HashMap::new()).in_force(None, now);
        let narrowed = SelectionScope::Station { lane: None, network: &narrow };
        assert_eq!(faults(&text, narrowed), [(2, "code", Fault::NotInNetwork)]);
    }

    #[test]
    fn a_table_reads_back_as_the_same_products() {
        let formulary = Formulary::shipped().expect("shipped");
        let text = table_of(formulary.iter().filter(|product| product.prescribable()));
        let read = check_table(&text, &formulary, SelectionScope::Network).expect("without a fault");
        assert_eq!(read.len(), formulary.iter().filter(|product| product.prescribable()).count());
    }
}
