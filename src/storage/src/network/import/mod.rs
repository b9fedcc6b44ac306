//! Queries and inserts of an import, thousands of rows at a time: which codes exist, and which keys
//! are taken.

pub mod update;

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use diesel::prelude::*;

use super::worker::NewWorker;
use crate::{
    conn::Conn,
    dialect::on_backend,
    schema::{
        cabinet, consent, doctor, employer, hospital, lot, pharmacist, product, slot, staff, station, worker,
    },
    sql_types::At,
};
use domain::{
    ids::{CabinetId, ConsentId, EmployerId, HospitalId, StaffId, StationId, WorkerId},
    staff::role::Role,
    time::Timestamp,
};

/// Rows or keys per statement: SQLite binds at most 32,766 values.
const AT_ONCE: usize = 500;

/// All stations, by code.
pub fn station_codes(conn: &mut Conn) -> QueryResult<HashMap<String, StationId>> {
    Ok(on_backend!(conn, c => station::table.select((station::code, station::id)).load(c))?
        .into_iter()
        .collect())
}

/// All hospitals, by code.
pub fn hospital_codes(conn: &mut Conn) -> QueryResult<HashMap<String, HospitalId>> {
    Ok(on_backend!(conn, c => hospital::table.select((hospital::code, hospital::id)).load(c))?
        .into_iter()
        .collect())
}

/// All employers, by code.
pub fn employer_codes(conn: &mut Conn) -> QueryResult<HashMap<String, EmployerId>> {
    Ok(on_backend!(conn, c => employer::table.select((employer::code, employer::id)).load(c))?
        .into_iter()
        .collect())
}

/// All cabinets, by the code of their station.
pub fn cabinet_codes(conn: &mut Conn) -> QueryResult<HashMap<String, CabinetId>> {
    let rows = on_backend!(conn, c => cabinet::table
        .inner_join(station::table)
        .select((station::code, cabinet::id))
        .load(c))?;
    Ok(rows.into_iter().collect())
}

/// Which of these staff exist, by e-mail address.
pub fn staff_known(conn: &mut Conn, emails: &[&str]) -> QueryResult<HashMap<String, StaffId>> {
    let mut known = HashMap::new();
    for part in emails.chunks(AT_ONCE) {
        let rows = on_backend!(conn, c => staff::table
            .filter(staff::email.eq_any(part.iter().copied()))
            .select((staff::email, staff::id))
            .load::<(String, StaffId)>(c))?;
        known.extend(rows);
    }
    Ok(known)
}

/// Which of these licence numbers of pharmacists, or else of doctors, are taken, and by whom.
pub fn licences_taken(
    conn: &mut Conn,
    role: Role,
    numbers: &[&str],
) -> QueryResult<HashMap<String, StaffId>> {
    let mut taken = HashMap::new();
    for part in numbers.chunks(AT_ONCE) {
        let part = part.iter().copied();
        let rows: Vec<(String, StaffId)> = if role == Role::Pharmacist {
            on_backend!(conn, c => pharmacist::table
                .filter(pharmacist::licence_no.eq_any(part))
                .select((pharmacist::licence_no, pharmacist::staff_id))
                .load(c))?
        } else {
            on_backend!(conn, c => doctor::table
                .filter(doctor::licence_no.eq_any(part))
                .select((doctor::licence_no, doctor::staff_id))
                .load(c))?
        };
        taken.extend(rows);
    }
    Ok(taken)
}

/// Which of these keyed digests of card numbers are taken, and by whom.
pub fn cards_taken(conn: &mut Conn, indexes: &[Vec<u8>]) -> QueryResult<HashMap<Vec<u8>, WorkerId>> {
    let mut taken = HashMap::new();
    for part in indexes.chunks(AT_ONCE) {
        let rows = on_backend!(conn, c => worker::table
            .filter(worker::card_index.eq_any(part.iter().map(|index| index.as_slice())))
            .select((worker::card_index.assume_not_null(), worker::id))
            .load::<(Vec<u8>, WorkerId)>(c))?;
        taken.extend(rows);
    }
    Ok(taken)
}

pub fn workers_add(conn: &mut Conn, rows: &[NewWorker]) -> QueryResult<()> {
    for part in rows.chunks(AT_ONCE) {
        on_backend!(conn, c => diesel::insert_into(worker::table).values(part).execute(c))?;
    }
    Ok(())
}

#[derive(Insertable)]
#[diesel(table_name = consent, treat_none_as_default_value = false)]
struct NewConsent<'a> {
    id: ConsentId,
    worker_id: WorkerId,
    purpose: &'a str,
    granted_at: At,
}

/// Grants one purpose for many workers who have not granted it.
pub fn consents_add(conn: &mut Conn, workers: &[WorkerId], purpose: &str, now: Timestamp) -> QueryResult<()> {
    for part in workers.chunks(AT_ONCE) {
        let rows: Vec<NewConsent<'_>> = part
            .iter()
            .map(|worker| NewConsent {
                id: ConsentId::generate(),
                worker_id: *worker,
                purpose,
                granted_at: At(now),
            })
            .collect();
        on_backend!(conn, c => diesel::insert_into(consent::table).values(&rows).execute(c))?;
    }
    Ok(())
}

/// The codes of all products.
pub fn product_codes(conn: &mut Conn) -> QueryResult<HashSet<String>> {
    Ok(on_backend!(conn, c => product::table.select(product::code).load::<String>(c))?.into_iter().collect())
}

/// All lots with their expiry.
pub fn lots_known(conn: &mut Conn) -> QueryResult<HashMap<(String, String), NaiveDate>> {
    let rows = on_backend!(conn, c => lot::table
        .select(((lot::product_code, lot::lot_no), lot::expires_on))
        .load::<((String, String), NaiveDate)>(c))?;
    Ok(rows.into_iter().collect())
}

/// All slots of all cabinets.
pub fn slots_taken(conn: &mut Conn) -> QueryResult<HashSet<(CabinetId, i32)>> {
    let rows = on_backend!(conn, c => slot::table.select((slot::cabinet_id, slot::slot_no)).load(c))?;
    Ok(rows.into_iter().collect())
}
