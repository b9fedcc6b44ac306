//! One schema on two databases: the same migrations make the same tables,
//! columns, references and indexes; `schema.rs` matches them; and each `down.sql`
//! reverts its migration.

mod described;

use std::collections::{BTreeMap, BTreeSet};

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::engines::{self, Database, Engine};
use described::{Column, Described};
use storage::{Conn, DatabaseUrl, conn::Purpose, on_backend};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

fn open(database: &Database) -> Conn {
    let url = DatabaseUrl::parse(&database.url).expect("a URL");
    Conn::open(&url, Purpose::Write).expect("opened")
}

/// The schema of a migrated database of `engine`.
fn migrated(engine: Engine) -> Described {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let database = Database::empty_on(engine, dir.path());
    storage::migrate(&DatabaseUrl::parse(&database.url).expect("a URL")).expect("migrated");
    described::describe(&mut open(&database))
}

/// The lines of one description that the other does not have.
fn only_in(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    one.difference(other).cloned().collect()
}

#[test]
fn both_databases_have_the_same_tables_columns_references_and_indexes() {
    if engines::engine() == Engine::Sqlite {
        // The comparison runs once, in the PostgreSQL run, where both are available.
        return;
    }
    let (sqlite, postgres) = (migrated(Engine::Sqlite), migrated(Engine::Postgres));
    assert!(sqlite.tables.len() > 40 && sqlite.indexes.len() > 100, "{} tables", sqlite.tables.len());
    let (ours, theirs) = (sqlite.lines(), postgres.lines());
    assert_eq!(only_in(&ours, &theirs), Vec::<String>::new(), "on SQLite only");
    assert_eq!(only_in(&theirs, &ours), Vec::<String>::new(), "on PostgreSQL only");
}

#[test]
fn schema_rs_matches_the_migrations() {
    let made = migrated(engines::engine()).tables;
    let declared = tables_of_schema_rs();
    assert_eq!(declared.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (table, columns) in &declared {
        assert_eq!(columns, &made[table], "{table}");
    }
}

#[test]
fn every_migration_can_be_reverted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let database = Database::empty(dir.path());
    storage::migrate(&DatabaseUrl::parse(&database.url).expect("a URL")).expect("migrated");
    let mut conn = open(&database);
    let whole = described::describe(&mut conn);
    on_backend!(&mut conn, c => c.revert_all_migrations(MIGRATIONS).map(drop)).expect("reverted");
    let left = described::describe(&mut conn);
    assert!(left.lines().is_empty(), "left behind: {:?}", left.lines());
    on_backend!(&mut conn, c => c.run_pending_migrations(MIGRATIONS).map(drop)).expect("made again");
    assert_eq!(described::describe(&mut conn).lines(), whole.lines());
}

/// Reads the tables out of `schema.rs`.
fn tables_of_schema_rs() -> BTreeMap<String, Vec<Column>> {
    let path = crate::harness::root().join("src/storage/src/schema.rs");
    let text = std::fs::read_to_string(path).expect("schema.rs");
    let mut tables = BTreeMap::new();
    for block in text.split("diesel::table! {").skip(1) {
        let mut lines =
            block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("use "));
        let (name, key) = lines.next().and_then(|line| line.split_once(" (")).expect("a table's head");
        let key: Vec<&str> = key.split(')').next().expect("a key").split(", ").collect();
        let columns =
            lines.map_while(|line| line.trim_end_matches(',').split_once(" -> ")).map(|(name, kind)| {
                let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
                Column {
                    name: name.to_owned(),
                    kind: inner.unwrap_or(kind).to_owned(),
                    nullable: inner.is_some(),
                    key: key.iter().position(|part| *part == name).map(|at| at + 1),
                }
            });
        tables.insert(name.to_owned(), columns.collect());
    }
    tables
}
