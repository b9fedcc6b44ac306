//! Inserts of the network's entities: one at a time by an operator, or thousands at once by an
//! import. Every function takes a slice.

pub mod department;
pub mod identity;
pub mod import;
pub mod listing;
pub mod merge;
pub mod person;
pub mod places;
pub mod roster;
pub mod worker;
pub mod worker_change;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    schema::{
        cabinet, device, doctor, doctor_department, employer, hospital, lot, pharmacist, shift, slot,
        slot_stock, staff, station,
    },
    sql_types::At,
};
use domain::{
    ids::{CabinetId, DeviceId, EmployerId, HospitalId, ShiftId, StaffId, StationId},
    matching::{Department, presence::Presence},
    prescription::CabinetLane,
    staff::role::Role,
};

/// Rows per statement: SQLite binds at most 32,766 values.
const ROWS_AT_ONCE: usize = 500;

/// Declares an insertable row, and the function that inserts many of it.
macro_rules! insertable {
    ($(#[$doc:meta])* $name:ident into $table:ident by $verb:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Insertable)]
        #[diesel(table_name = $table, treat_none_as_default_value = false)]
        pub struct $name { $(pub $field: $type),+ }

        $(#[$doc])*
        /// Adds all of them.
        pub fn $verb(conn: &mut Conn, rows: &[$name]) -> QueryResult<()> {
            for part in rows.chunks(ROWS_AT_ONCE) {
                on_backend!(conn, c => diesel::insert_into($table::table).values(part).execute(c))?;
            }
            Ok(())
        }
    };
}

insertable! {
    /// Hospitals.
    NewHospital into hospital by hospitals_add {
        id: HospitalId, code: String, name_zh: String, name_en: String, district: String, weight: i32,
        virtual_time: i64, created_at: At,
    }
}
insertable! {
    /// Employers.
    NewEmployer into employer by employers_add {
        id: EmployerId, code: String, name_zh: String, name_en: String, created_at: At,
    }
}
insertable! {
    /// Stations. `encounter_lanes` is separated by `;`.
    NewStation into station by stations_add {
        id: StationId, code: String, name_zh: String, name_en: String, district: String, latitude_e6: i32,
        longitude_e6: i32, encounter_lanes: String, created_at: At,
    }
}
insertable! {
    /// Cabinets.
    NewCabinet into cabinet by cabinets_add {
        id: CabinetId, station_id: StationId, lane: CabinetLane, epoch: i64, acked_seq: i64, journal_head: String,
        door_open: bool, tampered: bool, created_at: At,
    }
}
insertable! {
    /// Enrolled keys. `kind` is `station` or `cabinet`; `public_key` is base64url.
    NewDevice into device by devices_add {
        id: DeviceId, kind: String, station_id: StationId, cabinet_id: Option<CabinetId>, epoch: i64,
        public_key: String, enrolled_at: At,
    }
}
insertable! {
    /// Staff of every role.
    NewStaff into staff by staff_add {
        id: StaffId, role: Role, email: String, name_zh: String, name_en: String, hospital_id: Option<HospitalId>,
        employer_id: Option<EmployerId>, password_hash: Option<String>, totp_sealed: Option<Vec<u8>>, totp_step: i64,
        pin_salt: Option<Vec<u8>>, pin_mac: Option<Vec<u8>>, pin_failures: i32, created_at: At,
    }
}
insertable! {
    /// What doctors have in addition to other staff. `languages` is separated by `;`.
    NewDoctor into doctor by doctors_add {
        staff_id: StaffId, hospital_id: HospitalId, licence_no: String, licence_verified_at: Option<At>,
        licence_valid_until: NaiveDate, practising_since: NaiveDate, languages: String, capacity: i32, video_capacity: i32,
        presence: Presence, idle_since: At, live: i32,
    }
}
insertable! {
    /// Departments of doctors.
    NewDoctorDepartment into doctor_department by doctor_departments_add {
        doctor_id: StaffId, department: Department,
    }
}
insertable! {
    /// Licences of pharmacists.
    NewPharmacist into pharmacist by pharmacists_add {
        staff_id: StaffId, licence_no: String, licence_verified_at: Option<At>, licence_valid_until: NaiveDate,
    }
}
insertable! {
    /// Shifts.
    NewShift into shift by shifts_insert { id: ShiftId, staff_id: StaffId, starts_at: At, ends_at: At }
}
insertable! {
    /// Lots.
    NewLot into lot by lots_add { product_code: String, lot_no: String, expires_on: NaiveDate }
}
insertable! {
    /// Slots with their current lot.
    NewSlot into slot by slots_add {
        cabinet_id: CabinetId, slot_no: i32, capacity: i32, product_code: Option<String>, lot_no: Option<String>,
    }
}
insertable! {
    /// Stock of a lot in a slot.
    NewSlotStock into slot_stock by slot_stocks_add {
        cabinet_id: CabinetId, slot_no: i32, product_code: String, lot_no: String, received: i64, on_hand: i64,
        reserved: i64, in_doubt: i64, dispensed: i64, discarded: i64,
    }
}
