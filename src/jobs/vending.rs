//! What time brings about in medicines and vending: prescriptions and orders
//! expire, authorizations are voided, silent attempts are in doubt.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::service::{Actor, Failure, House, Tx, prescription_use, vend};

/// Rows that one transaction takes on.
const AT_ONCE: i64 = 100;

/// A verb that carries out what is due.
type Sweep = fn(&mut Tx<'_>, i64) -> Result<usize, Failure>;

pub(super) fn start(jobs: &mut Jobs, house: &Arc<House>) {
    let sweeps: [(&'static str, Duration, Sweep); 4] = [
        ("doubt-silent", Duration::from_secs(5), vend::doubt_silent),
        ("void-expired", Duration::from_secs(5), vend::void_expired),
        ("expire-orders", Duration::from_secs(10), vend::expire_orders),
        ("expire-prescriptions", Duration::from_secs(30), prescription_use::expire_due),
    ];
    for (name, pause, sweep) in sweeps {
        let turn = Turn { pause, topic: None };
        jobs.every(name, house, turn, move |house| async move {
            house.write(Actor::System, move |tx| sweep(tx, AT_ONCE)).await
        });
    }
}
