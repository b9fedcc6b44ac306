//! A simulated cabinet's disk: its journal and its physical drops, one JSON line
//! each. An append returns only after the line is on disk.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use base::private_files;
use domain::{
    ids::AttemptId,
    stock::SlotNo,
    time::Timestamp,
    vend::{
        BootId,
        journal::{Body, Journal, JournalEntry},
    },
};

/// A pack that physically dropped into the hatch. The file of drops is not part of
/// the protocol; tests compare it with the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallen {
    pub attempt: AttemptId,
    pub slot: SlotNo,
    pub lot_no: String,
    pub boot_id: BootId,
    /// By the cabinet's wall clock.
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// The disk in `folder`, which is created if missing.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        private_files::make_folder(&folder)?;
        Ok(Self { folder })
    }

    fn journal_path(&self) -> PathBuf {
        self.folder.join("journal.log")
    }

    fn drops_path(&self) -> PathBuf {
        self.folder.join("drops.log")
    }

    /// The stored journal. A last line that a power cut left incomplete was never
    /// acknowledged, and is truncated.
    ///
    /// # Errors
    /// When the file cannot be read, or a complete line does not match the hash chain.
    pub(crate) fn load_journal(&self) -> io::Result<Journal> {
        let mut journal = Journal::default();
        for entry in complete_lines::<JournalEntry>(&self.journal_path())? {
            let again = journal.append(entry.boot_id, entry.mono_ms, entry.wall, entry.body.clone());
            if *again != entry {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the journal's chain is broken"));
            }
        }
        Ok(journal)
    }

    /// All packs that ever dropped.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn load_drops(&self) -> io::Result<Vec<Fallen>> {
        complete_lines(&self.drops_path())
    }

    /// Appends one entry and waits until it is on disk.
    ///
    /// # Errors
    /// When it could not be made durable; then it must not be acted on.
    pub(crate) fn append_entry(&self, entry: &JournalEntry) -> io::Result<()> {
        append(&self.journal_path(), entry)
    }

    /// Records a dropped pack and waits until that is on disk.
    ///
    /// # Errors
    /// When it could not be made durable.
    pub(crate) fn append_drop(&self, drop: &Fallen) -> io::Result<()> {
        append(&self.drops_path(), drop)
    }
}

/// The bodies of the journal's entries: a cabinet's memory of its attempts.
pub fn bodies(journal: &Journal) -> Vec<Body> {
    journal.bodies().cloned().collect()
}

fn append(path: &Path, line: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    let is_new = !path.exists();
    // Opened for each line: hundreds of cabinets share this process's limit of open files.
    let mut file = private_files::append(path)?;
    file.write_all(&bytes)?;
    file.sync_data()?;
    if is_new && let Some(folder) = path.parent() {
        // The directory entry must be durable as well.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn complete_lines<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if complete < bytes.len() {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(complete as u64)?;
        file.sync_data()?;
    }
    bytes[..complete]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(io::Error::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::vend::{
        cabinet_side::{CabinetSide, Permission, Sensed, Stage, Step},
        messages::Grant,
    };

    fn at(ms: i64) -> Timestamp {
        chrono::DateTime::from_timestamp_millis(1_795_000_000_000 + ms).unwrap()
    }

    fn boot(n: u8) -> BootId {
        BootId::from_bytes([n; 16])
    }

    fn write(disk: &Disk, journal: &mut Journal, boot: BootId, steps: &[Step]) -> usize {
        let mut motors = 0;
        for step in steps {
            match step {
                Step::Write(body) => {
                    disk.append_entry(journal.append(boot, 1, at(1), body.clone())).unwrap();
                }
                Step::RunMotor { .. } => motors += 1,
                Step::AskStart { .. } => {}
            }
        }
        motors
    }

    fn granted(side: &mut CabinetSide, attempt: AttemptId, in_boot: BootId) -> Vec<Step> {
        let slot = SlotNo::new(3).unwrap();
        side.authorize(Permission { attempt, slot, lot_no: "L1".into() });
        side.ask_start(attempt, 0);
        side.grant(attempt, &Grant { boot_id: in_boot, ttl_ms: 1_000 }, 1)
    }

    #[test]
    fn killed_between_intent_and_outcome_it_never_runs_the_motor_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path().join("zhifu-01")).unwrap();
        let attempt = AttemptId::generate();
        let mut journal = disk.load_journal().unwrap();
        let (mut side, _) = CabinetSide::boot(boot(1), &bodies(&journal));
        let steps = granted(&mut side, attempt, boot(1));
        assert_eq!(write(&disk, &mut journal, boot(1), &steps), 1, "the motor ran once");
        drop((side, journal));

        // The power is back.
        let mut journal = disk.load_journal().unwrap();
        let (mut side, steps) = CabinetSide::boot(boot(2), &bodies(&journal));
        assert_eq!(steps, [Step::Write(Body::Unknown { attempt })]);
        assert_eq!(write(&disk, &mut journal, boot(2), &steps), 0);
        // The server delivers the same authorization again, and even grants it.
        let steps = granted(&mut side, attempt, boot(2));
        assert_eq!(write(&disk, &mut journal, boot(2), &steps), 0, "it ran again");
        assert_eq!(side.job(attempt).unwrap().stage, Stage::Spent);

        // After one more restart nothing is left to report.
        let journal = disk.load_journal().unwrap();
        let (_, steps) = CabinetSide::boot(boot(3), &bodies(&journal));
        assert!(steps.is_empty());
        assert_eq!(journal.head().seq, 2);
    }

    #[test]
    fn an_incomplete_line_is_truncated_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path().to_owned()).unwrap();
        let attempt = AttemptId::generate();
        let mut journal = Journal::default();
        let (mut side, _) = CabinetSide::boot(boot(1), &bodies(&journal));
        let steps = granted(&mut side, attempt, boot(1));
        write(&disk, &mut journal, boot(1), &steps);
        let outcome = side.sensed(attempt, Sensed { drop: true, hatch_empty: false }, None);
        write(&disk, &mut journal, boot(1), &outcome[..1]);
        let mut file = OpenOptions::new().append(true).open(disk.journal_path()).unwrap();
        file.write_all(b"{\"seq\":3,\"prev_ha").unwrap();

        let mut journal = disk.load_journal().unwrap();
        assert_eq!(journal.head().seq, 2);
        let (_, steps) = CabinetSide::boot(boot(2), &bodies(&journal));
        let reported = Body::Dispensed { attempt, lot_no: "L1".into(), serial: None };
        assert_eq!(steps, [Step::Write(reported)], "the sensor saw it fall");
        write(&disk, &mut journal, boot(2), &steps);
        assert_eq!(disk.load_journal().unwrap().head(), journal.head());
    }

    #[test]
    fn a_rewritten_line_stops_the_cabinet() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path().to_owned()).unwrap();
        let mut journal = Journal::default();
        let slot = SlotNo::new(1).unwrap();
        disk.append_entry(journal.append(boot(1), 1, at(1), Body::Count { slot, n: 7 })).unwrap();
        let text = std::fs::read_to_string(disk.journal_path()).unwrap();
        std::fs::write(disk.journal_path(), text.replace("\"n\":7", "\"n\":8")).unwrap();
        assert!(disk.load_journal().is_err());
    }

    #[test]
    fn drops_are_stored() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path().to_owned()).unwrap();
        let fallen = Fallen {
            attempt: AttemptId::generate(),
            slot: SlotNo::new(3).unwrap(),
            lot_no: "L1".into(),
            boot_id: boot(1),
            at: at(5),
        };
        disk.append_drop(&fallen).unwrap();
        disk.append_drop(&fallen).unwrap();
        assert_eq!(disk.load_drops().unwrap(), [fallen.clone(), fallen]);
    }
}
