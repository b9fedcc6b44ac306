//! Sealed columns, one after the other, so that their values can be sealed again with another key.
//! Table and column names come from [`COLUMNS`] and never from a caller.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Binary, Text},
};

use crate::{conn::Conn, events::AnyId, sql_types::Uuid};

/// Type of the column that identifies a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Id,
    Text,
    /// A digest; its hexadecimal text is part of the sealed context.
    Digest,
}

/// One sealed column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub table: &'static str,
    /// The column that identifies a row: part of the sealed context.
    pub key: &'static str,
    /// Type of `key`.
    pub named: Named,
    pub name: &'static str,
}

const fn by_id(table: &'static str, name: &'static str) -> Column {
    Column { table, key: "id", named: Named::Id, name }
}

/// Every sealed column; a test compares them with the schema.
pub const COLUMNS: &[Column] = &[
    Column { table: "server_key", key: "kid", named: Named::Text, name: "private_sealed" },
    by_id("doctor_key", "private_sealed"),
    by_id("worker", "name_sealed"),
    by_id("worker", "phone_sealed"),
    Column { table: "health_profile", key: "worker_id", named: Named::Id, name: "body_sealed" },
    by_id("staff", "totp_sealed"),
    by_id("consultation", "complaint_sealed"),
    by_id("consultation", "summary_sealed"),
    by_id("consultation", "rating_sealed"),
    by_id("consultation_transfer", "reason_sealed"),
    by_id("message", "body_sealed"),
    by_id("prescription", "body_sealed"),
    by_id("prescription", "canonical_sealed"),
    by_id("prescription", "reason_sealed"),
    by_id("orders", "pickup_sealed"),
    by_id("orders", "safety_sealed"),
    by_id("incident", "note_sealed"),
    by_id("alert", "note_sealed"),
    Column { table: "idempotency", key: "key", named: Named::Text, name: "answer_sealed" },
    by_id("saved_answer", "answer_sealed"),
    by_id("letter", "body_sealed"),
    by_id("worker_identity", "value_sealed"),
    by_id("text_message", "phone_sealed"),
    by_id("text_message", "body_sealed"),
    by_id("worker_merge", "before_sealed"),
    by_id("worker_change", "body_sealed"),
    Column { table: "refresh_token", key: "digest", named: Named::Digest, name: "answer_sealed" },
    Column { table: "reset_request", key: "id", named: Named::Id, name: "email_sealed" },
];

/// The key of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowName {
    Id(AnyId),
    Text(String),
    Digest(Vec<u8>),
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Uuid)]
    key: AnyId,
    #[diesel(sql_type = Binary)]
    sealed: Vec<u8>,
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Binary)]
    sealed: Vec<u8>,
}

/// Values that do not begin with `header`, which identifies a key, in the order of their rows' keys
/// and after one of them. Empty values were deleted, and are skipped.
pub fn sealed_with_other_keys(
    conn: &mut Conn,
    column: Column,
    header: &[u8],
    after: Option<&RowName>,
    limit: i64,
) -> QueryResult<Vec<(RowName, Vec<u8>)>> {
    let Column { table, key, name, .. } = column;
    let text = format!(
        "SELECT {key} AS key, {name} AS sealed FROM {table} \
         WHERE length({name}) > 0 AND {key} > $1 AND substr({name}, 1, 5) <> $2 ORDER BY {key} LIMIT $3"
    );
    match column.named {
        Named::Id => {
            let after = match after {
                Some(RowName::Id(id)) => *id,
                _ => AnyId::from_uuid(uuid::Uuid::nil()),
            };
            let query = diesel::sql_query(text)
                .bind::<Uuid, _>(after)
                .bind::<Binary, _>(header)
                .bind::<BigInt, _>(limit);
            let rows: Vec<IdRow> = match conn {
                Conn::Pg(conn) => query.load(conn)?,
                Conn::Sqlite(conn) => query.load(conn)?,
            };
            Ok(rows.into_iter().map(|row| (RowName::Id(row.key), row.sealed)).collect())
        }
        Named::Digest => {
            let after = match after {
                Some(RowName::Digest(digest)) => digest.clone(),
                _ => Vec::new(),
            };
            let query = diesel::sql_query(text)
                .bind::<Binary, _>(after)
                .bind::<Binary, _>(header)
                .bind::<BigInt, _>(limit);
            let rows: Vec<DigestRow> = match conn {
                Conn::Pg(conn) => query.load(conn)?,
                Conn::Sqlite(conn) => query.load(conn)?,
            };
            Ok(rows.into_iter().map(|row| (RowName::Digest(row.key), row.sealed)).collect())
        }
        Named::Text => {
            let after = match after {
                Some(RowName::Text(text)) => text.clone(),
                _ => String::new(),
            };
            let query = diesel::sql_query(text)
                .bind::<Text, _>(after)
                .bind::<Binary, _>(header)
                .bind::<BigInt, _>(limit);
            let rows: Vec<TextRow> = match conn {
                Conn::Pg(conn) => query.load(conn)?,
                Conn::Sqlite(conn) => query.load(conn)?,
            };
            Ok(rows.into_iter().map(|row| (RowName::Text(row.key), row.sealed)).collect())
        }
    }
}

#[derive(QueryableByName)]
struct DigestRow {
    #[diesel(sql_type = Binary)]
    key: Vec<u8>,
    #[diesel(sql_type = Binary)]
    sealed: Vec<u8>,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    found: i64,
}

/// Whether any value of a column begins with `header`.
pub fn is_sealed_with(conn: &mut Conn, column: Column, header: &[u8]) -> QueryResult<bool> {
    let Column { table, name, .. } = column;
    let text = format!(
        "SELECT count(*) AS found FROM \
         (SELECT 1 FROM {table} WHERE {name} IS NOT NULL AND substr({name}, 1, 5) = $1 LIMIT 1) AS one"
    );
    let query = diesel::sql_query(text).bind::<Binary, _>(header);
    let row: Found = match conn {
        Conn::Pg(conn) => query.get_result(conn)?,
        Conn::Sqlite(conn) => query.get_result(conn)?,
    };
    Ok(row.found > 0)
}

/// Replaces the value that was read; `false` when it was changed meanwhile.
pub fn sealed_replace(
    conn: &mut Conn,
    column: Column,
    row: &RowName,
    before: &[u8],
    sealed: &[u8],
) -> QueryResult<bool> {
    let Column { table, key, name, .. } = column;
    let text = format!("UPDATE {table} SET {name} = $1 WHERE {key} = $2 AND {name} = $3");
    let query = diesel::sql_query(text).bind::<Binary, _>(sealed);
    let rows = match (row, conn) {
        (RowName::Id(id), Conn::Pg(conn)) => {
            query.bind::<Uuid, _>(id).bind::<Binary, _>(before).execute(conn)?
        }
        (RowName::Id(id), Conn::Sqlite(conn)) => {
            query.bind::<Uuid, _>(id).bind::<Binary, _>(before).execute(conn)?
        }
        (RowName::Digest(id), Conn::Pg(conn)) => {
            query.bind::<Binary, _>(id).bind::<Binary, _>(before).execute(conn)?
        }
        (RowName::Digest(id), Conn::Sqlite(conn)) => {
            query.bind::<Binary, _>(id).bind::<Binary, _>(before).execute(conn)?
        }
        (RowName::Text(id), Conn::Pg(conn)) => {
            query.bind::<Text, _>(id).bind::<Binary, _>(before).execute(conn)?
        }
        (RowName::Text(id), Conn::Sqlite(conn)) => {
            query.bind::<Text, _>(id).bind::<Binary, _>(before).execute(conn)?
        }
    };
    Ok(rows > 0)
}
