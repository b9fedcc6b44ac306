//! What time alone brings about: idle check-ins end, saved answers are forgotten.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{AppState, check_in, housekeeping, triage};

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let often = Turn { pause: Duration::from_secs(5), topic: None };
    jobs.every("idle-check-ins", app, often, |app| async move { check_in::sweep_idle(&app).await });
    let soon = Turn { pause: Duration::from_secs(5), topic: None };
    jobs.every("unmeasured-extremes", app, soon, |app| async move { triage::alarm_unmeasured(&app).await });
    let rarely = Turn { pause: Duration::from_secs(600), topic: None };
    jobs.every("forget", app, rarely, |app| async move { housekeeping::forget(&app).await });
    let seal = Turn { pause: Duration::from_secs(10), topic: None };
    jobs.every("audit-seal", app, seal, |app| async move { crate::audit::seal(&app).await });
}
