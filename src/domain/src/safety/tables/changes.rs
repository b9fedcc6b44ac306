//! What one edition changes of another, row by row.

use std::collections::BTreeMap;

use super::RuleTables;

crate::text_enum! {
    /// What happened to a row.
    pub enum RowChangeKind {
        Added = "added",
        Removed = "removed",
        Changed = "changed",
    }
}

/// One cell that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellChange {
    /// The column.
    pub field: String,
    /// Empty in a row that was added.
    pub before: String,
    /// Empty in a row that was removed.
    pub after: String,
}

/// A row that differs between two editions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// The name of the table.
    pub table: &'static str,
    /// The first cell of the row, which names it.
    pub id: String,
    pub kind: RowChangeKind,
    /// The cells that differ, in the order of the columns.
    pub cells: Vec<CellChange>,
}

/// The cells of a row with their columns; the first names the row.
pub(super) type Cells = Vec<(String, String)>;

/// The rows of a table that was found free of faults.
pub(super) fn rows(text: &str) -> Vec<Cells> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let columns = reader.headers().cloned().unwrap_or_default();
    let named = |record: csv::StringRecord| {
        columns.iter().map(str::to_owned).zip(record.iter().map(|cell| cell.trim().to_owned())).collect()
    };
    reader.records().filter_map(Result::ok).map(named).collect()
}

/// What `new` changes of `old`: by table, then by the row's id.
pub fn changes(old: &RuleTables<'_>, new: &RuleTables<'_>) -> Vec<RowChange> {
    old.named().zip(new.named()).flat_map(|((table, old), (_, new))| of_table(table, old, new)).collect()
}

fn of_table(table: &'static str, old: &str, new: &str) -> Vec<RowChange> {
    let by_id = |text| -> BTreeMap<String, Cells> {
        rows(text).into_iter().filter_map(|row| Some((row.first()?.1.clone(), row))).collect()
    };
    let (old, mut new) = if old == new { Default::default() } else { (by_id(old), by_id(new)) };
    let mut found = Vec::new();
    for (id, before) in old {
        let after = new.remove(&id);
        let kind = if after.is_some() { RowChangeKind::Changed } else { RowChangeKind::Removed };
        let cells = differing(&before, &after.unwrap_or_default());
        if !cells.is_empty() {
            found.push(RowChange { table, id, kind, cells });
        }
    }
    found.extend(new.into_iter().map(|(id, after)| RowChange {
        table,
        id,
        kind: RowChangeKind::Added,
        cells: differing(&Cells::new(), &after),
    }));
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

fn differing(before: &Cells, after: &Cells) -> Vec<CellChange> {
    let columns = if before.is_empty() { after } else { before };
    let cell = |cells: &Cells, field: &str| {
        cells.iter().find(|(name, _)| name == field).map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let both = columns.iter().map(|(field, _)| CellChange {
        field: field.clone(),
        before: cell(before, field),
        after: cell(after, field),
    });
    both.filter(|one| one.before != one.after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "# a comment\nid,dose,zh\na,1,甲\nb,2,乙\nc,3,丙\n";

    #[test]
    fn rows_that_are_new_gone_or_different_are_told_by_their_cells() {
        let new = "id,dose,zh\nc,3,丙\nb,5,乙\nd,4,丁\n";
        let found = of_table("limits", OLD, new);
        let told: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.kind, one.cells.len())).collect();
        assert_eq!(
            told,
            [
                ("a", RowChangeKind::Removed, 3),
                ("b", RowChangeKind::Changed, 1),
                ("d", RowChangeKind::Added, 3)
            ]
        );
        let dose = CellChange { field: "dose".to_owned(), before: "2".to_owned(), after: "5".to_owned() };
        assert_eq!(found[1].cells, [dose]);
    }

    #[test]
    fn the_order_of_rows_and_comments_are_no_change() {
        assert_eq!(of_table("limits", OLD, "id,dose,zh\nc,3,丙\na,1, 甲\nb,2,乙\n"), []);
        assert_eq!(changes(&RuleTables::SHIPPED, &RuleTables::SHIPPED), []);
    }
}
