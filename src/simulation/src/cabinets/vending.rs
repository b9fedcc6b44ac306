//! From a typed code to a pack in the hatch: START, INTENT, the motor, and the
//! sensor's word.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    journal_file::Fallen,
    machine::{CODE_KEPT, Halt, Machine, on_disk},
};
use crate::{
    client::CallError,
    hatch::{KeypadAnswer, Typed},
};
use domain::{
    ids::AttemptId,
    stock::SlotNo,
    time::Timestamp,
    vend::{
        cabinet_side::{Sensed, Step},
        messages::{Grant, StartRequest},
    },
};

/// How long START is asked for before the attempt is given up.
const START_PATIENCE: Duration = Duration::from_secs(25);

impl Machine {
    /// A code was typed. The latest order is tried first, and each order with
    /// one pack: wrong codes are counted, and a code opens one order only.
    pub(super) async fn on_code(&mut self, typed: Typed) -> Result<(), Halt> {
        if self.pending.is_empty() {
            self.show_held("nothing_waits");
            self.held = Some((typed, Instant::now() + CODE_KEPT));
            return Ok(());
        }
        let mut shown = KeypadAnswer::nothing(None);
        let mut moments: Vec<Timestamp> = self.pending.iter().map(|pack| pack.issued_at).collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        moments.dedup();
        for moment in moments {
            let packs: Vec<AttemptId> =
                self.pending.iter().filter(|p| p.issued_at == moment).map(|p| p.attempt).collect();
            let mut opened = false;
            for attempt in packs {
                match self.start(attempt, &typed.code).await? {
                    Ok(grant) => {
                        opened = true;
                        if self.vend(attempt, &grant, typed.jams).await? {
                            shown.dispensed += 1;
                            shown.fell.push(attempt);
                        } else {
                            shown.failed += 1;
                            shown.jammed.push(attempt);
                        }
                        self.report().await?;
                    }
                    Err(refused) => {
                        let wrong = refused == "pickup_code_wrong";
                        shown.refused = Some(refused);
                        if wrong {
                            break;
                        }
                        shown.failed += 1;
                    }
                }
            }
            if opened {
                shown.refused = None;
                break;
            }
        }
        self.show_waiting();
        // Whoever typed may have gone; the packs are in the hatch all the same.
        let _gone = typed.display.send(shown);
        Ok(())
    }

    /// Asks START until there is an answer, or gives the attempt up for good.
    async fn start(&mut self, attempt: AttemptId, code: &str) -> Result<Result<Grant, String>, Halt> {
        let path = format!("/cabinet/v1/attempts/{attempt}/start");
        let request = StartRequest { boot_id: self.boot, pickup_code: code.to_owned() };
        let until = Instant::now() + START_PATIENCE;
        let mut greeted = false;
        loop {
            if self.side.ask_start(attempt, self.mono_ms()).is_empty() {
                return Ok(Err("not_now".to_owned()));
            }
            match self.say::<Grant>(path.clone(), &request).await {
                Ok(grant) => return Ok(Ok(grant)),
                // Another boot passed for the present one, or the journal is not all
                // there yet: a hello and a report say how it is.
                Err(error)
                    if !greeted && matches!(error.code(), "boot_unknown" | "cabinet_not_reconciled") =>
                {
                    greeted = true;
                    self.connect().await?;
                }
                Err(error @ CallError::Refused { .. }) if !matches!(error.status(), 500 | 503) => {
                    let over =
                        ["attempt_void", "attempt_closed", "attempt_in_doubt", "state_moved_on", "not_found"];
                    if over.contains(&error.code()) {
                        self.forget(attempt);
                    }
                    if error.status() == 401 {
                        return Err(error.into());
                    }
                    return Ok(Err(error.code().to_owned()));
                }
                Err(_) if Instant::now() < until => sleep(Duration::from_millis(500)).await,
                Err(error) => {
                    // The GRANT may be on its way: refuse it durably before anything else.
                    let steps = self.side.abandon(attempt);
                    self.write_all(steps).await?;
                    self.forget(attempt);
                    return Err(error.into());
                }
            }
        }
    }

    /// INTENT on disk, then the motor, then the outcome on disk. Answers whether
    /// the pack fell.
    async fn vend(&mut self, attempt: AttemptId, grant: &Grant, jams: bool) -> Result<bool, Halt> {
        let steps = self.side.grant(attempt, grant, self.mono_ms());
        self.forget(attempt);
        let mut fell = false;
        for step in steps {
            match step {
                Step::Write(body) => self.write(body).await?,
                Step::RunMotor { attempt, slot } => {
                    let turn = self.fleet.pace.turn();
                    pause(turn).await;
                    if jams {
                        self.jammed.insert(slot);
                    } else {
                        self.drop_pack(attempt, slot).await?;
                        // Between the fall and the sensor's word: where a power cut leaves a doubt.
                        pause(turn / 3).await;
                    }
                    let sensed = Sensed { drop: !jams, hatch_empty: jams };
                    let outcome = self.side.sensed(attempt, sensed, None);
                    self.write_all(outcome).await?;
                    fell = !jams;
                }
                Step::AskStart { .. } => {}
            }
        }
        Ok(fell)
    }

    /// The pack falls, whether or not anybody lives to note it.
    async fn drop_pack(&mut self, attempt: AttemptId, slot: SlotNo) -> Result<(), Halt> {
        let lot_no = self.side.job(attempt).and_then(|job| job.permission.as_ref()).map(|p| p.lot_no.clone());
        let drop =
            Fallen { attempt, slot, lot_no: lot_no.unwrap_or_default(), boot_id: self.boot, at: self.wall() };
        if let Some(disk) = &self.disk {
            let disk = Arc::clone(disk);
            on_disk(move || disk.append_drop(&drop)).await?;
        }
        if let Some(report) = self.slots.iter_mut().find(|report| report.slot == slot) {
            report.count = report.count.saturating_sub(1);
        }
        Ok(())
    }
}

async fn pause(span: Duration) {
    if !span.is_zero() {
        sleep(span).await;
    }
}
