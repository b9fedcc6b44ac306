//! The journeys that were played in a database: their rows, by table, with what was sealed opened.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, ensure};
use uuid::Uuid;

use super::{
    network::Network,
    rows::{Row, Table, Value},
};
use service::AppState;
use storage::{events::AnyId, keys::reseal};

/// The tables of a journey, the column that names its owner, and the order of its rows. An owner is
/// a row of an earlier table, or the worker.
const TABLES: &[(&str, &str, &str)] = &[
    ("check_in", "id", "id"),
    ("reading", "check_in_id", "id"),
    ("consultation", "check_in_id", "id"),
    ("offer", "consultation_id", "id"),
    ("message", "consultation_id", "id"),
    ("prescription", "consultation_id", "id"),
    ("prescription_line", "prescription_id", "prescription_id, line_no"),
    ("orders", "check_in_id", "id"),
    ("order_unit", "order_id", "id"),
    ("attempt", "order_id", "id"),
    ("account", "owner_id", "id"),
    ("transfer", "reference", "id"),
    ("posting", "transfer_id", "transfer_id, account_id"),
    ("event", "stream_id", "position"),
    ("journal", "body", "cabinet_id, epoch, seq"),
    ("health_profile", "worker_id", "worker_id"),
];

/// A journey that was played.
pub struct Played {
    /// When the check-in began, in microseconds.
    pub began: i64,
    pub worker: Uuid,
    /// The worker's account and its id, if it was used.
    pub account: Option<Row>,
    pub account_id: Option<Uuid>,
    /// Its own ids.
    pub ids: Vec<Uuid>,
    /// Each with the number of its table.
    pub rows: Vec<(usize, Row)>,
}

/// All journeys of a database that came to a plain end.
pub struct Template {
    pub tables: Vec<Table>,
    pub journeys: Vec<Played>,
    /// Accounts of the network itself.
    pub accounts: Vec<Row>,
}

impl Template {
    pub fn table(&self, name: &str) -> anyhow::Result<&Table> {
        self.tables.iter().find(|table| table.name == name).with_context(|| format!("no table {name}"))
    }

    /// Reads a database.
    ///
    /// # Errors
    /// When it cannot, or holds no journey that came to its end.
    pub fn read(app: &AppState, network: &Network) -> anyhow::Result<Self> {
        let mut conn = network.connection()?;
        let mut tables = Vec::new();
        let mut rows = Vec::new();
        for (name, _, order) in TABLES {
            let table = Table::of(network.engine, &mut conn, name)?;
            rows.push(table.read(&mut conn, order)?);
            tables.push(table);
        }
        let mut template = Self { tables, journeys: Vec::new(), accounts: Vec::new() };
        let mut owners = template.begin(&rows)?;
        for (at, (found, (_, owner, _))) in rows.into_iter().zip(TABLES).enumerate() {
            template.give(app, (at, owner), found, &mut owners)?;
        }
        let good = template.journeys.iter().map(|one| template.has_plain_end(one));
        let good: Vec<bool> = good.collect::<anyhow::Result<_>>()?;
        let mut good = good.into_iter();
        template.journeys.retain(|_| good.next().unwrap_or(false));
        ensure!(!template.journeys.is_empty(), "no journey was played to its end");
        Ok(template)
    }

    /// A journey for each worker's consultation.
    fn begin(&mut self, rows: &[Vec<Row>]) -> anyhow::Result<HashMap<Uuid, usize>> {
        let visit = self.tables[2].column("check_in_id")?;
        let visits: HashSet<Uuid> = rows[2].iter().filter_map(|row| id(&row[visit])).collect();
        let [check_in, worker, began] =
            ["id", "worker_id", "started_at"].map(|name| self.tables[0].column(name));
        let (check_in, worker, began) = (check_in?, worker?, began?);
        let mut owners = HashMap::new();
        for row in &rows[0] {
            let (Some(check_in), Some(worker)) = (id(&row[check_in]), id(&row[worker])) else { continue };
            if !visits.contains(&check_in) || owners.contains_key(&worker) {
                continue;
            }
            owners.extend([(check_in, self.journeys.len()), (worker, self.journeys.len())]);
            let Value::Time(began) = row[began] else { continue };
            self.journeys.push(Played {
                began,
                worker,
                account: None,
                account_id: None,
                ids: Vec::new(),
                rows: Vec::new(),
            });
        }
        Ok(owners)
    }

    /// Gives the rows of a table to their journeys.
    fn give(
        &mut self,
        app: &AppState,
        (at, owner): (usize, &str),
        rows: Vec<Row>,
        owners: &mut HashMap<Uuid, usize>,
    ) -> anyhow::Result<()> {
        let table = &self.tables[at];
        let owner = table.column(owner)?;
        let key = table.column("id").ok();
        for mut row in rows {
            let named = match &row[owner] {
                Value::Id(id) => Some(*id),
                Value::Text(text) => first_id(text),
                _ => None,
            };
            let Some(&number) = named.and_then(|id| owners.get(&id)) else {
                if table.name == "account" && row[owner] == Value::Null {
                    self.accounts.push(row);
                }
                continue;
            };
            open_sealed(app, table, &mut row)?;
            let journey = &mut self.journeys[number];
            if let Some(id) = key.and_then(|key| id(&row[key])) {
                if named == Some(journey.worker) && table.name == "account" {
                    (journey.account, journey.account_id) = (Some(row), Some(id));
                    owners.insert(id, number);
                    continue;
                }
                owners.insert(id, number);
                journey.ids.push(id);
            }
            journey.rows.push((at, row));
        }
        Ok(())
    }

    /// Whether everything that it began has ended, and nothing failed.
    fn has_plain_end(&self, journey: &Played) -> anyhow::Result<bool> {
        for (at, row) in &journey.rows {
            let table = &self.tables[*at];
            let ends: &[&str] = match table.name {
                "check_in" if row[table.column("ended_at")?] == Value::Null => return Ok(false),
                "consultation" => &["completed", "cancelled"],
                "prescription" => &["fulfilled", "voided", "expired"],
                "orders" => &["completed"],
                "order_unit" | "attempt" => &["dispensed"],
                _ => continue,
            };
            if !matches!(&row[table.column("state")?], Value::Text(state) if ends.contains(&state.as_str())) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Replaces what is sealed by its plain text.
fn open_sealed(app: &AppState, table: &Table, row: &mut Row) -> anyhow::Result<()> {
    for (at, name, key) in sealed_columns(table)? {
        if let (Value::Bytes(sealed), Some(key)) = (&row[at], id(&row[key])) {
            let opened = app.open(table.name, name, AnyId::from_uuid(key), sealed);
            row[at] = Value::Text(opened.map_err(|failure| anyhow::anyhow!("{}: {failure}", table.name))?);
        }
    }
    Ok(())
}

/// Place and name of each sealed column, and the place of the row's id.
///
/// # Errors
/// For a column that the table does not have.
pub fn sealed_columns(table: &Table) -> anyhow::Result<Vec<(usize, &'static str, usize)>> {
    let sealed = reseal::COLUMNS.iter().filter(|column| column.table == table.name);
    sealed.map(|column| Ok((table.column(column.name)?, column.name, table.column(column.key)?))).collect()
}

/// The id that a value is.
pub fn id(value: &Value) -> Option<Uuid> {
    match value {
        Value::Id(id) => Some(*id),
        _ => None,
    }
}

/// The first id in a text.
fn first_id(text: &str) -> Option<Uuid> {
    (0..text.len()).find_map(|at| Uuid::try_parse_ascii(text.as_bytes().get(at..at + 36)?).ok())
}
