//! The schema of a database as read from its catalogue, in a form that is the same for both databases.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use storage::Conn;

/// One column. `kind` is spelt as in `schema.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: String,
    pub nullable: bool,
    /// Position in the primary key, from 1.
    pub key: Option<usize>,
}

/// Tables by name, and one line for each index and each reference.
#[derive(Debug, Default)]
pub struct Described {
    pub tables: BTreeMap<String, Vec<Column>>,
    pub indexes: BTreeSet<String>,
    pub references: BTreeSet<String>,
}

impl Described {
    /// One line for each column, index and reference.
    pub fn lines(&self) -> BTreeSet<String> {
        let columns = self.tables.iter().flat_map(|(table, columns)| {
            columns.iter().enumerate().map(move |(at, column)| format!("column {table}.{at} {column:?}"))
        });
        columns.chain(self.indexes.iter().cloned()).chain(self.references.iter().cloned()).collect()
    }
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct IndexRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    /// Empty for the index of a constraint, which the database names itself.
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    #[diesel(sql_type = Text)]
    columns: String,
    #[diesel(sql_type = Nullable<Text>)]
    predicate: Option<String>,
}

#[derive(QueryableByName)]
struct ReferenceRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    columns: String,
    #[diesel(sql_type = Text)]
    target: String,
}

const SQLITE_COLUMNS: &str = "SELECT m.name AS table_name, c.name AS name, c.type AS kind, \
     NOT c.\"notnull\" AS nullable, c.pk AS key \
     FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid";
const SQLITE_INDEXES: &str = "SELECT m.name AS table_name, CASE l.origin WHEN 'c' THEN l.name ELSE '' END AS name, \
     l.\"unique\" AS is_unique, \
     (SELECT group_concat(i.name, ',') FROM (SELECT name FROM pragma_index_info(l.name) ORDER BY seqno) i) AS columns, \
     (SELECT CASE WHEN instr(s.sql, ' WHERE ') > 0 THEN substr(s.sql, instr(s.sql, ' WHERE ') + 7) \
     WHEN instr(s.sql, char(10) || '  WHERE ') > 0 THEN substr(s.sql, instr(s.sql, char(10) || '  WHERE ') + 9) END \
     FROM sqlite_master s WHERE s.type = 'index' AND s.name = l.name) AS predicate \
     FROM sqlite_master m JOIN pragma_index_list(m.name) l WHERE m.type = 'table'";
const SQLITE_REFERENCES: &str = "SELECT m.name AS table_name, group_concat(f.\"from\", ',') AS columns, \
     f.\"table\" || '(' || group_concat(f.\"to\", ',') || ')' AS target \
     FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table' \
     GROUP BY m.name, f.id, f.\"table\"";

const PG_COLUMNS: &str = "SELECT c.relname::text AS table_name, a.attname::text AS name, \
     format_type(a.atttypid, a.atttypmod) AS kind, NOT a.attnotnull AS nullable, \
     coalesce((SELECT array_position(k.conkey, a.attnum) FROM pg_constraint k \
     WHERE k.conrelid = c.oid AND k.contype = 'p'), 0)::bigint AS key \
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname, a.attnum";
const PG_INDEXES: &str = "SELECT t.relname::text AS table_name, \
     CASE WHEN EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u')) \
     THEN '' ELSE i.relname::text END AS name, x.indisunique AS is_unique, \
     (SELECT string_agg(pg_get_indexdef(x.indexrelid, n, true), ',' ORDER BY n) \
     FROM generate_series(1, x.indnkeyatts) n) AS columns, pg_get_expr(x.indpred, x.indrelid) AS predicate \
     FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
     WHERE t.relnamespace = 'public'::regnamespace";
const PG_REFERENCES: &str = "SELECT t.relname::text AS table_name, \
     (SELECT string_agg(a.attname, ',' ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY u(num, n) \
     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num) AS columns, \
     r.relname || '(' || (SELECT string_agg(a.attname, ',' ORDER BY u.n) \
     FROM unnest(k.confkey) WITH ORDINALITY u(num, n) \
     JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num) || ')' AS target \
     FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid \
     WHERE k.contype = 'f'";

/// Reads the schema from the database's catalogue.
pub fn describe(conn: &mut Conn) -> Described {
    match conn {
        Conn::Sqlite(c) => gather(
            diesel::sql_query(SQLITE_COLUMNS).load(c).expect("columns"),
            diesel::sql_query(SQLITE_INDEXES).load(c).expect("indexes"),
            diesel::sql_query(SQLITE_REFERENCES).load(c).expect("references"),
        ),
        Conn::Pg(c) => gather(
            diesel::sql_query(PG_COLUMNS).load(c).expect("columns"),
            diesel::sql_query(PG_INDEXES).load(c).expect("indexes"),
            diesel::sql_query(PG_REFERENCES).load(c).expect("references"),
        ),
    }
}

fn gather(columns: Vec<ColumnRow>, indexes: Vec<IndexRow>, references: Vec<ReferenceRow>) -> Described {
    // Leaves out diesel's own table of migrations.
    let ours = |table: &str| !table.starts_with("__diesel") && !table.starts_with("sqlite_");
    let mut described = Described::default();
    for row in columns.into_iter().filter(|row| ours(&row.table_name)) {
        described.tables.entry(row.table_name).or_default().push(Column {
            name: row.name,
            kind: kind_of(&row.kind),
            nullable: row.nullable,
            key: usize::try_from(row.key).ok().filter(|at| *at > 0),
        });
    }
    for row in indexes.into_iter().filter(|row| ours(&row.table_name)) {
        let unique = if row.is_unique { "unique " } else { "" };
        let predicate = row.predicate.as_deref().map(plain).unwrap_or_default();
        described.indexes.insert(format!(
            "{unique}index '{}' on {}({}) where [{predicate}]",
            row.name,
            row.table_name,
            row.columns.replace('"', "")
        ));
    }
    for row in references {
        described.references.insert(format!("{}({}) refers to {}", row.table_name, row.columns, row.target));
    }
    described
}

/// The name of a column's type in `schema.rs`.
fn kind_of(declared: &str) -> String {
    match declared.to_lowercase().as_str() {
        "uuid" => "Uuid",
        "text" => "Text",
        "bytea" => "Bytea",
        "integer" => "Int4",
        "bigint" | "bigserial" => "Int8",
        "boolean" => "Bool",
        "date" => "Date",
        "timestamptz" | "timestamp with time zone" => "Timestamptz",
        other => other,
    }
    .to_owned()
}

/// An index predicate without what PostgreSQL adds when it prints one.
fn plain(condition: &str) -> String {
    let mut text = condition.replace("::text[]", "").replace("::text", "");
    text = text.replace("= ANY (ARRAY[", "IN (").replace("])", ")");
    text.chars().filter(|c| !c.is_whitespace() && !"()".contains(*c)).collect::<String>().to_lowercase()
}
