//! From a typed code to a pack in the hatch: START, INTENT, the motor and the sensor.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    journal_file::Fallen,
    machine::{EARLY_CODE_LIFETIME, Halt, Machine, on_disk},
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

/// How long START is retried before the attempt is abandoned.
const START_TIMEOUT: Duration = Duration::from_secs(25);

impl Machine {
    /// Handles a typed code. The latest order is tried first, each order with one pack:
    /// wrong codes are counted, and a code is valid for one order only.
    pub(super) async fn handle_code(&mut self, typed: Typed) -> Result<(), Halt> {
        if self.pending.is_empty() {
            self.reject_early_code("nothing_waits");
            self.early_code = Some((typed, Instant::now() + EARLY_CODE_LIFETIME));
            return Ok(());
        }
        let mut display = KeypadAnswer::nothing(None);
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
                            display.dispensed += 1;
                            display.fell.push(attempt);
                        } else {
                            display.failed += 1;
                            display.jammed.push(attempt);
                        }
                        self.report().await?;
                    }
                    Err(refused) => {
                        let wrong = refused == "pickup_code_wrong";
                        display.refused = Some(refused);
                        if wrong {
                            break;
                        }
                        display.failed += 1;
                    }
                }
            }
            if opened {
                display.refused = None;
                break;
            }
        }
        self.show_waiting();
        // The caller may be gone; the packs are in the hatch all the same.
        let _gone = typed.display.send(display);
        Ok(())
    }

    /// Sends START until there is an answer, or abandons the attempt.
    async fn start(&mut self, attempt: AttemptId, code: &str) -> Result<Result<Grant, String>, Halt> {
        let path = format!("/cabinet/v1/attempts/{attempt}/start");
        let request = StartRequest { boot_id: self.boot, pickup_code: code.to_owned() };
        let until = Instant::now() + START_TIMEOUT;
        let mut reconnected = false;
        loop {
            if self.side.ask_start(attempt, self.mono_ms()).is_empty() {
                return Ok(Err("not_now".to_owned()));
            }
            match self.post::<Grant>(path.clone(), &request).await {
                Ok(grant) => return Ok(Ok(grant)),
                // The server expects another boot, or does not have the whole journal yet:
                // send hello and the journal again.
                Err(error)
                    if !reconnected && matches!(error.code(), "boot_unknown" | "cabinet_not_reconciled") =>
                {
                    reconnected = true;
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
                    // A GRANT may be in flight: record the refusal durably before anything else.
                    let steps = self.side.abandon(attempt);
                    self.write_all(steps).await?;
                    self.forget(attempt);
                    return Err(error.into());
                }
            }
        }
    }

    /// INTENT on disk, then the motor, then the outcome on disk. Returns whether the
    /// pack dropped.
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
                        // Between the drop and the sensor's report: a power cut here leaves the
                        // attempt in doubt.
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

    /// Records a physical drop, independently of the protocol.
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
