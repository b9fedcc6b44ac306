//! Rows of any table as typed values: read from one database, written to another in sets.

use std::fmt::Write;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use diesel::{connection::SimpleConnection, sql_types::Text};
use uuid::Uuid;

use super::network::Engine;
use storage::{Conn, on_backend};

/// A set of rows is written when it has this many bytes of text.
const SET: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    /// A number or a truth value, as written in a statement.
    Plain(String),
    Text(String),
    Id(Uuid),
    /// Microseconds since 1970.
    Time(i64),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Time,
    Bytes,
    Other,
}

/// A table, or some of its columns.
pub struct Table {
    pub name: &'static str,
    engine: Engine,
    columns: Vec<(String, Kind)>,
}

pub type Row = Vec<Value>;

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Runs a statement; returns how many rows it changed.
///
/// # Errors
/// When it fails.
pub fn execute(conn: &mut Conn, sql: &str) -> anyhow::Result<usize> {
    Ok(on_backend!(conn, c => diesel::RunQueryDsl::execute(diesel::sql_query(sql), c))?)
}

/// The lines that a query returns in its column `line`.
///
/// # Errors
/// When it fails.
pub fn lines(conn: &mut Conn, sql: &str) -> anyhow::Result<Vec<String>> {
    let found: Vec<Line> = on_backend!(conn, c => diesel::RunQueryDsl::load(diesel::sql_query(sql), c))?;
    Ok(found.into_iter().map(|line| line.line).collect())
}

impl Table {
    /// # Errors
    /// When the database cannot be read.
    pub fn of(engine: Engine, conn: &mut Conn, name: &'static str) -> anyhow::Result<Self> {
        let sql = match engine {
            Engine::Sqlite => {
                format!(
                    "SELECT name || ' ' || lower(type) AS line FROM pragma_table_info('{name}') ORDER BY cid"
                )
            }
            Engine::Postgres => format!(
                "SELECT column_name || ' ' || udt_name AS line FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{name}' ORDER BY ordinal_position"
            ),
        };
        let kind = |kind: &str| match kind {
            "uuid" => Kind::Id,
            "timestamptz" => Kind::Time,
            "bytea" => Kind::Bytes,
            _ => Kind::Other,
        };
        let columns = lines(conn, &sql)?;
        let columns = columns.iter().filter_map(|line| line.split_once(' '));
        let columns = columns.map(|(name, declared)| (name.to_owned(), kind(declared))).collect();
        Ok(Self { name, engine, columns })
    }

    /// Only these columns.
    pub fn only(mut self, names: &[&str]) -> Self {
        self.columns.retain(|(name, _)| names.contains(&name.as_str()));
        self
    }

    /// The place of a column.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn column(&self, name: &str) -> anyhow::Result<usize> {
        let found = self.columns.iter().position(|(column, _)| column == name);
        found.with_context(|| format!("{} has no column {name}", self.name))
    }

    /// Names and places of all columns.
    pub fn columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().map(|(at, (name, _))| (at, name.as_str()))
    }

    /// All rows in this order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn read(&self, conn: &mut Conn, order: &str) -> anyhow::Result<Vec<Row>> {
        let cell = |(name, kind): &(String, Kind)| match (self.engine, kind) {
            (Engine::Sqlite, Kind::Id | Kind::Bytes) => {
                format!("CASE WHEN {name} IS NULL THEN NULL ELSE hex({name}) END")
            }
            (Engine::Sqlite, Kind::Time | Kind::Other) | (Engine::Postgres, Kind::Other) => name.clone(),
            (Engine::Postgres, Kind::Id) => format!("replace({name}::text, '-', '')"),
            (Engine::Postgres, Kind::Bytes) => format!("encode({name}, 'hex')"),
            (Engine::Postgres, Kind::Time) => format!("(extract(epoch FROM {name}) * 1000000)::bigint"),
        };
        let cells: Vec<String> = self.columns.iter().map(cell).collect();
        let array = match self.engine {
            Engine::Sqlite => format!("json_array({})", cells.join(", ")),
            Engine::Postgres => format!("json_build_array({})::text", cells.join(", ")),
        };
        let found = lines(conn, &format!("SELECT {array} AS line FROM {} ORDER BY {order}", self.name))?;
        found.iter().map(|line| self.parse(line)).collect()
    }

    fn parse(&self, line: &str) -> anyhow::Result<Row> {
        let cells: Vec<serde_json::Value> = serde_json::from_str(line)?;
        let value = |((_, kind), cell): (&(String, Kind), serde_json::Value)| {
            Ok(match (kind, cell) {
                (_, serde_json::Value::Null) => Value::Null,
                (Kind::Id, serde_json::Value::String(text)) => Value::Id(Uuid::parse_str(&text)?),
                (Kind::Bytes, serde_json::Value::String(text)) => {
                    Value::Bytes(data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes())?)
                }
                (Kind::Time, serde_json::Value::Number(micros)) => {
                    Value::Time(micros.as_i64().context("a time out of range")?)
                }
                (Kind::Other, serde_json::Value::String(text)) => Value::Text(text),
                (Kind::Other, other) => Value::Plain(other.to_string()),
                (_, other) => bail!("{other} in {}", self.name),
            })
        };
        self.columns.iter().zip(cells).map(value).collect()
    }
}

/// Rows of one table that are written in sets.
pub struct Inserts {
    engine: Engine,
    begin: String,
    text: String,
    pub rows: u64,
}

impl Inserts {
    pub fn into(table: &Table) -> Self {
        let names: Vec<&str> = table.columns().map(|(_, name)| name).collect();
        let begin = format!("INSERT INTO {} ({}) VALUES ", table.name, names.join(", "));
        Self { engine: table.engine, begin, text: String::new(), rows: 0 }
    }

    /// # Errors
    /// When a set cannot be written.
    pub fn add(&mut self, conn: &mut Conn, row: &[Value]) -> anyhow::Result<()> {
        let begin = if self.text.is_empty() { self.begin.as_str() } else { ", " };
        self.text.push_str(begin);
        for (at, value) in row.iter().enumerate() {
            self.text.push(if at == 0 { '(' } else { ',' });
            write_value(&mut self.text, self.engine, value)?;
        }
        self.text.push(')');
        self.rows += 1;
        if self.text.len() > SET { self.flush(conn) } else { Ok(()) }
    }

    /// # Errors
    /// When the set cannot be written.
    pub fn flush(&mut self, conn: &mut Conn) -> anyhow::Result<()> {
        if !self.text.is_empty() {
            conn.batch_execute(&self.text).with_context(|| self.begin.clone())?;
            self.text.clear();
        }
        Ok(())
    }
}

/// Writes a value as in a statement.
///
/// # Errors
/// When it cannot be written.
pub fn write_value(text: &mut String, engine: Engine, value: &Value) -> anyhow::Result<()> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    match (value, engine) {
        (Value::Null, _) => text.push_str("NULL"),
        (Value::Plain(plain), _) => text.push_str(plain),
        (Value::Text(words), _) => write!(text, "'{}'", words.replace('\'', "''"))?,
        (Value::Id(id), Engine::Sqlite) => write!(text, "x'{}'", id.simple())?,
        (Value::Id(id), Engine::Postgres) => write!(text, "'{id}'")?,
        (Value::Bytes(bytes), Engine::Sqlite) => write!(text, "x'{}'", hex(bytes))?,
        (Value::Bytes(bytes), Engine::Postgres) => write!(text, "'\\x{}'", hex(bytes))?,
        (Value::Time(micros), Engine::Sqlite) => write!(text, "{micros}")?,
        (Value::Time(micros), Engine::Postgres) => {
            let at: DateTime<Utc> =
                DateTime::from_timestamp_micros(*micros).context("a time out of range")?;
            write!(text, "'{}'", at.format("%Y-%m-%dT%H:%M:%S%.6fZ"))?;
        }
    }
    Ok(())
}
