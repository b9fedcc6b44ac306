//! The departments of the network. Every instance caches them with the edition of the catalogue
//! (`formulary::edition`): a change makes a new edition. None is ever deleted, so a cached one exists;
//! whether one is missing is asked of the database.

use std::{collections::BTreeMap, collections::BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AppState, Failure, Recipients, Tx,
    formulary::edition,
    page::{Rows, page},
    staff::already_exists,
};
use coordination::Topic;
use crypto::digest;
use domain::{
    event::network::DepartmentEvent,
    ids::Id,
    matching::{
        Department, DepartmentRecord,
        department::{UNKNOWN_DEPARTMENT, no_such_department},
    },
    precondition::Expected,
    refusal::{Code, Refusal},
    spelling::DepartmentName,
    words::Bilingual,
};
use storage::{
    Conn, Live,
    network::department::{self as store, DepartmentRow},
};

/// The departments, as cached.
#[derive(Debug, Default)]
pub struct Departments(BTreeMap<Department, DepartmentRecord>);

impl Departments {
    pub(crate) fn read(conn: &mut Conn) -> Result<Self, Failure> {
        let rows = store::departments_all(conn)?;
        Ok(Self(rows.into_iter().map(|row| (row.code, record_of(row))).collect()))
    }

    pub fn get(&self, code: Department) -> Option<&DepartmentRecord> {
        self.0.get(&code)
    }

    pub fn contains(&self, code: Department) -> bool {
        self.0.contains_key(&code)
    }

    /// Every department, by code.
    pub fn iter(&self) -> impl Iterator<Item = &DepartmentRecord> {
        self.0.values()
    }

    /// Where a request for `code` is searched: there first, then where it overflows to. For a
    /// department that this instance has not read yet, there and in general practice.
    pub fn chain(&self, code: Department) -> Vec<Department> {
        let overflow = match self.get(code) {
            Some(record) => record.overflow.clone(),
            None if code == Department::GENERAL_PRACTICE => Vec::new(),
            None => vec![Department::GENERAL_PRACTICE],
        };
        std::iter::once(code).chain(overflow).collect()
    }

    /// How long a worker waits for `code` while it is on call but full.
    pub fn patience(&self, code: Department) -> TimeDelta {
        let seconds = self.get(code).map_or(DepartmentRecord::DEFAULT_PATIENCE_S, |known| known.patience_s);
        TimeDelta::seconds(seconds.into())
    }

    /// The display name; the code itself for one that this instance has not read yet.
    pub fn label(&self, code: Department) -> Bilingual {
        let own = || (code.to_string(), code.to_string());
        let (zh, en) = self.get(code).map_or_else(own, |one| (one.name_zh.clone(), one.name_en.clone()));
        Bilingual::made(zh, en)
    }
}

/// Those of `codes` that the network does not have.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn missing(tx: &mut Tx<'_>, codes: &[Department]) -> Result<Vec<Department>, Failure> {
    let cached = tx.app.departments();
    let unread: Vec<Department> = codes.iter().copied().filter(|code| !cached.contains(*code)).collect();
    if unread.is_empty() {
        return Ok(unread);
    }
    let known: BTreeSet<Department> = store::department_codes(tx.conn)?.into_iter().collect();
    Ok(unread.into_iter().filter(|code| !known.contains(code)).collect())
}

/// Refuses departments that the network does not have.
///
/// # Errors
/// `InvalidField`, naming `field`.
pub(crate) fn ensure(tx: &mut Tx<'_>, field: &str, codes: &[Department]) -> Result<(), Failure> {
    if missing(tx, codes)?.is_empty() {
        Ok(())
    } else {
        Err(Refusal::field(field, UNKNOWN_DEPARTMENT, no_such_department()).into())
    }
}

/// A new department.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DepartmentInput {
    /// Its code; it never changes.
    pub code: Department,
    /// Name in Chinese.
    #[schema(value_type = DepartmentName)]
    pub name_zh: String,
    /// Name in English.
    #[schema(value_type = DepartmentName)]
    pub name_en: String,
    /// How long a worker waits for this department while it is on call but full, before the search
    /// goes on along `overflow`: seconds; 300 if left out.
    #[schema(minimum = 0, maximum = 7200)]
    pub patience_s: Option<i32>,
    /// Where the search goes on, in this order; general practice if left out.
    #[schema(value_type = Option<std::collections::HashSet<Department>>, max_items = 8)]
    pub overflow: Option<Vec<Department>>,
}

/// The changeable fields of a department, all with their new values.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DepartmentChange {
    /// Name in Chinese.
    #[schema(value_type = DepartmentName)]
    pub name_zh: String,
    /// Name in English.
    #[schema(value_type = DepartmentName)]
    pub name_en: String,
    /// How long a worker waits for this department while it is on call but full: seconds.
    #[schema(minimum = 0, maximum = 7200)]
    pub patience_s: i32,
    /// Where the search goes on, in this order.
    #[schema(value_type = std::collections::HashSet<Department>, max_items = 8)]
    pub overflow: Vec<Department>,
}

/// A department of the network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DepartmentView {
    pub code: Department,
    pub name_zh: String,
    pub name_en: String,
    /// How long a worker waits for this department while it is on call but full: seconds.
    pub patience_s: i32,
    /// Where the search goes on, in this order.
    pub overflow: Vec<Department>,
    /// Goes up with every change; also the ETag.
    pub version: i64,
}

page! {
    /// A page of departments.
    DepartmentPage of DepartmentView, "By code.", after Department
}

/// The departments after `after`, by code.
///
/// # Errors
/// Faults of the storage.
pub fn department_list(
    conn: &mut Conn,
    after: Option<Department>,
    limit: u32,
) -> Result<DepartmentPage, Failure> {
    let after = after.as_ref().map_or("", Department::as_str);
    let page = Rows::read(limit, |most| store::departments_list(conn, after, most), |row| row.code)?;
    Ok(page.map(|row| view(row).1).into())
}

/// One department with its version; none once an authority has ended.
///
/// # Errors
/// Faults of the storage.
pub fn department_fetch(
    conn: &mut Conn,
    live: Live,
    code: Department,
) -> Result<Option<(i64, DepartmentView)>, Failure> {
    Ok(store::department_fetch(conn, live, code)?.map(view))
}

/// Adds a department.
///
/// # Errors
/// One problem per bad field; `AlreadyExists` for a code that is taken.
pub fn department_add(tx: &mut Tx<'_>, input: DepartmentInput) -> Result<DepartmentView, Failure> {
    let record = DepartmentRecord {
        code: input.code,
        name_zh: input.name_zh,
        name_en: input.name_en,
        patience_s: input.patience_s.unwrap_or(DepartmentRecord::DEFAULT_PATIENCE_S),
        overflow: input.overflow.unwrap_or_else(|| vec![Department::GENERAL_PRACTICE]),
    };
    check(tx, &record)?;
    let row = row_of(record, 1);
    if !store::department_add(tx.conn, &row)? {
        return Err(already_exists("code").into());
    }
    let event = DepartmentEvent::Added { department: row.code };
    tx.record(id_of(row.code), event, Recipients::nobody())?;
    changed(tx)?;
    Ok(view(row).1)
}

/// Replaces a department's names, patience and chain if its version is the expected one.
///
/// # Errors
/// One problem per bad field; `NotFound`; `PreconditionFailed`.
pub fn department_change(
    tx: &mut Tx<'_>,
    code: Department,
    expected: &Expected,
    input: DepartmentChange,
) -> Result<(i64, DepartmentView), Failure> {
    let old = store::department_lock(tx.conn, code)?.ok_or(Code::NotFound)?;
    expected.resolve(old.version)?;
    let DepartmentChange { name_zh, name_en, patience_s, overflow } = input;
    let record = DepartmentRecord { code, name_zh, name_en, patience_s, overflow };
    check(tx, &record)?;
    let mut new = row_of(record, old.version);
    let fields = [
        ("name_zh", old.name_zh != new.name_zh),
        ("name_en", old.name_en != new.name_en),
        ("patience_s", old.patience_s != new.patience_s),
        ("overflow", old.overflow != new.overflow),
    ];
    if !store::department_write(tx.conn, &new)? {
        return Err(Code::PreconditionFailed.into());
    }
    new.version += 1;
    let fields = fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect();
    tx.record(id_of(code), DepartmentEvent::Changed { fields }, Recipients::nobody())?;
    changed(tx)?;
    Ok(view(new))
}

fn check(tx: &mut Tx<'_>, record: &DepartmentRecord) -> Result<(), Failure> {
    let missing = missing(tx, &record.overflow)?;
    Ok(record.check(|code| !missing.contains(&code))?)
}

fn changed(tx: &mut Tx<'_>) -> Result<(), Failure> {
    edition::changed(tx)?;
    // Whoever waits may be offered to others now.
    tx.wake(Topic::Matching);
    Ok(())
}

/// The stream of a department's events.
enum Stream {}

fn id_of(code: Department) -> Id<Stream> {
    digest::id_of(&format!("department\n{code}"))
}

fn row_of(record: DepartmentRecord, version: i64) -> DepartmentRow {
    let overflow: Vec<&str> = record.overflow.iter().map(Department::as_str).collect();
    DepartmentRow {
        code: record.code,
        overflow: overflow.join(";"),
        name_zh: record.name_zh,
        name_en: record.name_en,
        patience_s: record.patience_s,
        version,
    }
}

fn record_of(row: DepartmentRow) -> DepartmentRecord {
    DepartmentRecord {
        code: row.code,
        overflow: row.overflow.split(';').filter_map(Department::parse).collect(),
        name_zh: row.name_zh,
        name_en: row.name_en,
        patience_s: row.patience_s,
    }
}

fn view(row: DepartmentRow) -> (i64, DepartmentView) {
    let version = row.version;
    let DepartmentRecord { code, name_zh, name_en, patience_s, overflow } = record_of(row);
    (version, DepartmentView { code, name_zh, name_en, patience_s, overflow, version })
}

impl AppState {
    /// The departments of the network; the returned value stays as it is.
    pub fn departments(&self) -> std::sync::Arc<Departments> {
        self.edition.departments()
    }
}
