//! The application's stored state in a form that can be compared: the head of the
//! event log, to which every state change appends, and the number of rows of every
//! table. Idempotency records are left out: a refusal is an answer, and is saved.

use diesel::prelude::*;

use crate::harness::TestApp;
use service::{Actor, Failure};
use storage::on_backend;

macro_rules! count_rows {
    ($conn:ident: $($table:ident),+ $(,)?) => {
        vec![$((stringify!($table), on_backend!($conn, c => storage::schema::$table::table.count().get_result::<i64>(c))?)),+]
    };
}

/// The head of the log, and each table with its number of rows.
pub async fn digest(app: &TestApp) -> (i64, Vec<(&'static str, i64)>) {
    app
        .state
        .read(Actor::System, |conn, _| -> Result<_, Failure> {
            let rows = count_rows!(conn: hospital, employer, station, cabinet, device, enrolment_code, used_assertion, alert, worker, health_profile, consent, staff, doctor, doctor_department, department, rule_edition, queue_alert, pharmacist, shift, shift_rule, shift_exception, leave, session, refresh_token, staff_link, email_change, check_in, reading, consultation, offer, message, product, prescription, prescription_line, lot, recall_notice, slot, slot_stock, orders, order_unit, attempt, cabinet_boot, cabinet_discrepancy, journal, incident, account, transfer, posting, event, letter, server_key, audit_seal);
            // Not the head that readers see: other tests' transactions delay that.
            let newest = on_backend!(conn, c => storage::schema::event::table
                .order(storage::schema::event::position.desc())
                .select(storage::schema::event::position)
                .first(c))
                .optional()?;
            Ok((newest.unwrap_or(0), rows))
        })
        .await
        .expect("counted")
}
