//! What time alone brings about: idle check-ins end, saved answers are forgotten.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{House, check_in, housekeeping, triage};

pub(super) fn start(jobs: &mut Jobs, house: &Arc<House>) {
    let often = Turn { pause: Duration::from_secs(5), topic: None };
    jobs.every("idle-check-ins", house, often, |house| async move { check_in::sweep_idle(&house).await });
    let soon = Turn { pause: Duration::from_secs(5), topic: None };
    jobs.every(
        "unmeasured-extremes",
        house,
        soon,
        |house| async move { triage::alarm_unmeasured(&house).await },
    );
    let rarely = Turn { pause: Duration::from_secs(600), topic: None };
    jobs.every("forget", house, rarely, |house| async move { housekeeping::forget(&house).await });
    let seal = Turn { pause: Duration::from_secs(10), topic: None };
    jobs.every("audit-seal", house, seal, |house| async move { crate::audit::seal(&house).await });
}
