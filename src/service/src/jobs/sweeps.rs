//! Periodic jobs: idle check-ins end, saved answers are deleted, the audit log is sealed.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{AppState, check_in, housekeeping, triage};

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let every_5_s = Schedule { pause: Duration::from_secs(5), topic: None };
    jobs.every("idle-check-ins", app, every_5_s, |app| async move { check_in::sweep_idle(&app).await });
    jobs.every(
        "unmeasured-extremes",
        app,
        every_5_s,
        |app| async move { triage::alarm_unmeasured(&app).await },
    );
    let every_10_min = Schedule { pause: Duration::from_secs(600), topic: None };
    jobs.every("forget", app, every_10_min, |app| async move { housekeeping::forget(&app).await });
    let every_10_s = Schedule { pause: Duration::from_secs(10), topic: None };
    jobs.every("audit-seal", app, every_10_s, |app| async move { crate::audit::seal(&app).await });
}
