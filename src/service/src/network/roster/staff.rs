//! Who is on the roster.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::scope::Scope;
use crate::{
    Failure,
    caller::StaffCaller,
    page::{Page, Rows},
};
use domain::{
    ids::{HospitalId, StaffId},
    staff::role::Role,
};
use storage::{Conn, network::roster as store};

/// A doctor or pharmacist who is on the roster.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RosteredView {
    pub id: StaffId,
    /// Doctor or pharmacist.
    pub role: Role,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English or pinyin.
    pub name_en: String,
    /// A doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    /// A doctor's departments.
    pub departments: Vec<String>,
}

/// The doctors and pharmacists whose roster the caller keeps.
pub fn rostered_list(
    conn: &mut Conn,
    caller: StaffCaller,
    after: Option<StaffId>,
    limit: u32,
) -> Result<Page<RosteredView>, Failure> {
    let hospital = Scope::of(caller)?.hospital();
    let page = Rows::read(limit, |most| store::rostered_list(conn, hospital, after, most), |row| row.id)?;
    let ids: Vec<StaffId> = page.rows.iter().map(|row| row.id).collect();
    let mut departments = HashMap::<StaffId, Vec<String>>::new();
    for (doctor, department) in store::departments_of(conn, &ids)? {
        departments.entry(doctor).or_default().push(department.as_str().to_owned());
    }
    let view = |row: store::RosteredRow| RosteredView {
        departments: departments.remove(&row.id).unwrap_or_default(),
        id: row.id,
        role: row.role,
        name_zh: row.name_zh,
        name_en: row.name_en,
        hospital_id: row.hospital_id,
    };
    Ok(page.map(view).into())
}
