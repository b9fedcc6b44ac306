//! The departments of the network. There are few, and every instance caches them.

use diesel::prelude::*;

use crate::{
    Live,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::PreparedDsl,
    schema::department,
};
use domain::matching::Department;

/// A department as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = department)]
pub struct DepartmentRow {
    pub code: Department,
    pub name_zh: String,
    pub name_en: String,
    /// Seconds.
    pub patience_s: i32,
    /// Codes, separated by `;`.
    pub overflow: String,
    pub version: i64,
}

/// Every department, by code.
pub fn departments_all(conn: &mut Conn) -> QueryResult<Vec<DepartmentRow>> {
    on_backend!(conn, c => department::table
        .order(department::code)
        .select(DepartmentRow::as_select())
        .load(c))
}

/// Departments after `after`, by code.
pub fn departments_list(conn: &mut Conn, after: &str, limit: i64) -> QueryResult<Vec<DepartmentRow>> {
    on_backend!(conn, c => department::table
        .filter(department::code.gt(after))
        .order(department::code)
        .limit(limit)
        .select(DepartmentRow::as_select())
        .load(c))
}

/// One department; none once an authority has ended.
pub fn department_fetch(conn: &mut Conn, live: Live, code: Department) -> QueryResult<Option<DepartmentRow>> {
    on_backend!(conn, c => department::table
        .find(code)
        .filter(live)
        .select(DepartmentRow::as_select())
        .first(c))
    .optional()
}

/// Locks a department's row for a change.
pub fn department_lock(conn: &mut Conn, code: Department) -> QueryResult<Option<DepartmentRow>> {
    on_backend!(conn, c => department::table
        .find(code)
        .select(DepartmentRow::as_select())
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// The codes of all departments.
pub fn department_codes(conn: &mut Conn) -> QueryResult<Vec<Department>> {
    on_backend!(conn, c => department::table.select(department::code).load(c))
}

/// Adds a department; `false` when there is one of this code.
pub fn department_add(conn: &mut Conn, new: &DepartmentRow) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(department::table)
        .values(new)
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Writes the version after `row.version`; `false` when the stored version is another.
pub fn department_write(conn: &mut Conn, row: &DepartmentRow) -> QueryResult<bool> {
    diesel::update(department::table.find(row.code))
        .filter(department::version.eq(row.version))
        .set((
            department::name_zh.eq(&row.name_zh),
            department::name_en.eq(&row.name_en),
            department::patience_s.eq(row.patience_s),
            department::overflow.eq(&row.overflow),
            department::version.eq(row.version + 1),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
