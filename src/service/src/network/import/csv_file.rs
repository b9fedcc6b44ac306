//! Imports CSV files: read as a stream, checked row by row, and loaded in one transaction.
//! Reading, sealing and hashing run off the async threads.

use std::{path::Path, sync::Arc};

use super::{
    Existing, ImportError, Lined, Loaded, MOST_PROBLEMS, PreparedStaff, PreparedWorkers, source::Source,
};
use crate::{Actor, AppState, Failure, Tx, formulary::edition};
use crypto::password;
use domain::{
    network::{
        CabinetRecord, EmployerRecord, HospitalRecord, Secret, StationRecord, WorkerRecord,
        import::RowProblem, roster::ShiftRuleRecord,
    },
    refusal::FieldProblem,
    staff::{ShiftRecord, StaffRecord, role::Role},
    stock::record::StockRecord,
};
use storage::StoreError;

/// The kind of rows in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    /// Stations, each with its cabinet.
    Stations,
    Workers,
    Catalogue,
    Hospitals,
    Employers,
    /// Cabinets of stations that have none.
    Cabinets,
    /// Staff of one role.
    Staff(Role),
    Shifts,
    /// Rules by which shifts repeat.
    ShiftRules,
    /// First stock of cabinets.
    Stock,
}

/// Options of an import.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Send an invitation to staff without a password.
    pub invite: bool,
    /// Mark the licences of these doctors or pharmacists as verified: they were seen.
    pub licences_verified: bool,
    /// What happens to rows with a known key. By default a catalogue updates, and everything
    /// else refuses.
    pub existing: Option<Existing>,
    /// Do everything, then roll back.
    pub dry_run: bool,
}

/// Loads a whole file or nothing of it; returns the counts of its rows. `progress` is called with
/// the bytes read and the bytes in all.
///
/// # Errors
/// Every bad row with line and field; a file that cannot be read; faults of the service.
pub async fn import_csv(
    app: &Arc<AppState>,
    kind: ImportKind,
    path: &Path,
    options: ImportOptions,
    progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Loaded, ImportError> {
    let (reader_app, path) = (Arc::clone(app), path.to_owned());
    let progress: Progress = Arc::new(progress);
    let work = tokio::task::spawn_blocking(move || prepare(&reader_app, kind, &path, options, &progress))
        .await
        .map_err(|_| StoreError::Panicked)??;
    let loaded = load(app, work, options.dry_run).await?;
    if kind == ImportKind::Catalogue && !options.dry_run {
        edition::look(app).await?;
    }
    Ok(loaded)
}

type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// A checked file, ready for its transaction; a catalogue is read and checked within it.
type Work = Box<dyn Fn(&mut Tx<'_>) -> Result<Loaded, ImportError> + Send>;

/// Runs the transaction. Bad rows roll it back like any refusal and are returned afterwards; so
/// does a dry run, whose counts are returned the same way.
async fn load(app: &Arc<AppState>, work: Work, dry_run: bool) -> Result<Loaded, ImportError> {
    let (sender, undone) = std::sync::mpsc::channel();
    let undo = || Failure::from(domain::refusal::Refusal::moved_on("undone"));
    let outcome = app
        .write(Actor::System, move |tx| {
            let outcome = match work(tx) {
                Ok(loaded) if !dry_run => return Ok(loaded),
                Err(ImportError::Failed(failure)) => return Err(failure),
                undone => undone,
            };
            // The receiver waits for this very transaction.
            let _ = sender.send(outcome);
            Err(undo())
        })
        .await;
    undone.try_iter().last().unwrap_or_else(|| Ok(outcome?))
}

fn prepare(
    app: &AppState,
    kind: ImportKind,
    path: &Path,
    options: ImportOptions,
    progress: &Progress,
) -> Result<Work, ImportError> {
    let default = if kind == ImportKind::Catalogue { Existing::Update } else { Existing::Refuse };
    let existing = options.existing.unwrap_or(default);
    let read = Source { app, path, progress: &**progress, existing };
    Ok(match kind {
        ImportKind::Stations => {
            let rows = read.records::<StationRecord>()?;
            Box::new(move |tx| super::stations(tx, &rows, true, existing))
        }
        ImportKind::Cabinets => {
            let rows = read.records::<CabinetRecord>()?;
            Box::new(move |tx| super::cabinets(tx, &rows, existing))
        }
        ImportKind::Hospitals => {
            let rows = read.records::<HospitalRecord>()?;
            Box::new(move |tx| super::hospitals(tx, &rows, existing))
        }
        ImportKind::Employers => {
            let rows = read.records::<EmployerRecord>()?;
            Box::new(move |tx| super::employers(tx, &rows, existing))
        }
        ImportKind::Shifts => {
            let rows = read.records::<ShiftRecord>()?;
            Box::new(move |tx| super::shifts(tx, &rows, existing))
        }
        ImportKind::ShiftRules => {
            let rows = read.records::<ShiftRuleRecord>()?;
            Box::new(move |tx| super::shift_rules(tx, &rows, existing))
        }
        ImportKind::Stock => {
            let rows = read.records::<StockRecord>()?;
            Box::new(move |tx| super::stock(tx, &rows, existing))
        }
        ImportKind::Catalogue => {
            let (path, progress) = (path.to_owned(), Arc::clone(progress));
            Box::new(move |tx| {
                let file = Source { app: tx.app, path: &path, progress: &*progress, existing };
                super::catalogue::products(tx, &file)
            })
        }
        ImportKind::Workers => {
            let rows = PreparedWorkers::make(app, read.records::<WorkerRecord>()?)?;
            Box::new(move |tx| super::workers(tx, &rows, None, existing))
        }
        ImportKind::Staff(role) => {
            let rows = people(read.staff(role)?)?;
            Box::new(move |tx| super::staff(tx, &rows, options.invite, options.licences_verified, existing))
        }
    })
}

/// Checks passwords against the policy for passwords that people set themselves, and hashes them.
fn people(rows: Vec<Lined<StaffRecord>>) -> Result<Vec<Lined<PreparedStaff>>, ImportError> {
    let rows: Vec<Lined<(PreparedStaff, Option<Secret>)>> =
        rows.into_iter().map(|(line, row)| (line, PreparedStaff::of(row))).collect();
    let problems: Vec<RowProblem> = rows
        .iter()
        .filter_map(|(line, (person, secret))| Some((line, person, secret.as_ref()?)))
        .flat_map(|(line, person, secret)| {
            let weak = person.check_password("password", secret.expose());
            weak.into_iter().map(|problem| RowProblem::from_field(*line, problem))
        })
        .take(MOST_PROBLEMS)
        .collect();
    if !problems.is_empty() {
        return Err(ImportError::Rows(problems));
    }
    rows.into_iter()
        .map(|(line, (mut person, secret))| {
            let hash = secret.map(|secret| password::hash(secret.expose())).transpose();
            person.password_hash = hash.map_err(Failure::from)?;
            Ok((line, person))
        })
        .collect()
}

impl PreparedStaff {
    /// Somebody whose secrets are not hashed yet, and the password to hash.
    pub fn of(mut record: StaffRecord) -> (Self, Option<Secret>) {
        let password = record.password.take();
        (Self { record, password_hash: None, totp: None, signing_pin: None }, password)
    }

    /// The problems of a password for this person.
    pub fn check_password(&self, field: &str, typed: &str) -> Vec<FieldProblem> {
        let local = self.record.email.split('@').next().unwrap_or_default();
        password::check_policy(field, typed, &[local, &self.record.name_zh, &self.record.name_en])
    }
}
