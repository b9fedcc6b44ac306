//! CSV files: read as a stream, checked row by row, and handed in as a whole.
//! Reading, sealing and hashing happen off the async threads.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::Path,
    sync::Arc,
};

use super::{Found, ImportError, Lined, MOST_PROBLEMS, PreparedStaff, PreparedWorkers};
use crate::{
    crypto::password,
    domain::{
        formulary::Product,
        network::{
            CabinetRecord, DoctorRecord, EmployerRecord, HospitalRecord, OperatorRecord, PharmacistRecord,
            Record, RestockerRecord, SafetyOfficerRecord, Secret, ShiftRecord, StationRecord, StockRecord,
            WorkerRecord,
            import::{Intake, RowProblem},
        },
        refusal::FieldProblem,
        role::Role,
        time::civil_day,
        words::Bilingual,
    },
    service::{Actor, Failure, House, Tx, edition},
    storage::StoreError,
};

crate::text_enum! {
    /// What a file holds.
    pub enum ImportKind {
        /// Stations, each with its cabinet.
        Stations = "stations",
        /// Workers.
        Workers = "workers",
        /// Doctors.
        Doctors = "doctors",
        /// Products.
        Catalogue = "catalogue",
        /// Hospitals.
        Hospitals = "hospitals",
        /// Employers.
        Employers = "employers",
        /// Cabinets of stations that have none.
        Cabinets = "cabinets",
        /// Pharmacists.
        Pharmacists = "pharmacists",
        /// Restockers.
        Restockers = "restockers",
        /// Operators.
        Operators = "operators",
        /// Safety officers of employers.
        SafetyOfficers = "safety_officers",
        /// Shifts.
        Shifts = "shifts",
        /// First stock of cabinets.
        Stock = "stock",
    }
}

/// What an import may do beside loading.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Send an invitation to staff who come without a password.
    pub invite: bool,
    /// The licences of these doctors were seen and are verified.
    pub licences_verified: bool,
}

/// Loads a file, or nothing of it; tells how many rows came in. `progress` is
/// told how many bytes were read, of how many.
///
/// # Errors
/// Every bad row with line and field; or why the file or the house failed.
pub async fn import_csv(
    house: &Arc<House>,
    kind: ImportKind,
    path: &Path,
    options: ImportOptions,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<usize, ImportError> {
    let (reader_house, path) = (Arc::clone(house), path.to_owned());
    let work = tokio::task::spawn_blocking(move || prepare(&reader_house, kind, &path, options, &progress))
        .await
        .map_err(|_| StoreError::Panicked)??;
    let loaded = load(house, work).await?;
    if kind == ImportKind::Catalogue {
        edition::look(house).await?;
    }
    Ok(loaded)
}

/// A checked file, ready for its transaction.
type Work = Box<dyn Fn(&mut Tx<'_>) -> Result<usize, ImportError> + Send>;

/// Bad rows undo the transaction like any refusal, and are told afterwards.
pub(super) async fn load(
    house: &Arc<House>,
    work: impl Fn(&mut Tx<'_>) -> Result<usize, ImportError> + Send + 'static,
) -> Result<usize, ImportError> {
    let (tell, told) = std::sync::mpsc::channel();
    let outcome = house
        .write(Actor::System, move |tx| match work(tx) {
            Ok(loaded) => Ok(loaded),
            Err(ImportError::Failed(failure)) => Err(failure),
            Err(error) => {
                // Whoever listens is still there: this is its own transaction.
                let _ = tell.send(error);
                Err(Failure::from(crate::domain::refusal::Code::InvalidField))
            }
        })
        .await;
    match told.try_recv() {
        Ok(error) => Err(error),
        Err(_) => Ok(outcome?),
    }
}

fn prepare(
    house: &House,
    kind: ImportKind,
    path: &Path,
    options: ImportOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<Work, ImportError> {
    let read = Source { house, path, progress };
    Ok(match kind {
        ImportKind::Stations => {
            let rows = read.records::<StationRecord>()?;
            Box::new(move |tx| super::stations(tx, &rows, true))
        }
        ImportKind::Cabinets => {
            let rows = read.records::<CabinetRecord>()?;
            Box::new(move |tx| super::cabinets(tx, &rows))
        }
        ImportKind::Hospitals => {
            let rows = read.records::<HospitalRecord>()?;
            Box::new(move |tx| super::hospitals(tx, &rows))
        }
        ImportKind::Employers => {
            let rows = read.records::<EmployerRecord>()?;
            Box::new(move |tx| super::employers(tx, &rows))
        }
        ImportKind::Shifts => {
            let rows = read.records::<ShiftRecord>()?;
            Box::new(move |tx| super::shifts(tx, &rows, false))
        }
        ImportKind::Stock => {
            let rows = read.records::<StockRecord>()?;
            Box::new(move |tx| super::stock(tx, &rows))
        }
        ImportKind::Catalogue => {
            let rows = read.products()?;
            Box::new(move |tx| super::products(tx, &rows))
        }
        ImportKind::Workers => {
            let rows = PreparedWorkers::make(house, read.records::<WorkerRecord>()?)?;
            Box::new(move |tx| super::workers(tx, &rows, None))
        }
        ImportKind::Doctors => {
            let rows = people(read.records::<DoctorRecord>()?, PreparedStaff::doctor)?;
            Box::new(move |tx| super::doctors(tx, &rows, options.invite, options.licences_verified))
        }
        ImportKind::Pharmacists => {
            staff(people(read.records::<PharmacistRecord>()?, PreparedStaff::pharmacist)?, options)
        }
        ImportKind::Restockers => {
            staff(people(read.records::<RestockerRecord>()?, PreparedStaff::restocker)?, options)
        }
        ImportKind::Operators => {
            staff(people(read.records::<OperatorRecord>()?, PreparedStaff::operator)?, options)
        }
        ImportKind::SafetyOfficers => {
            staff(people(read.records::<SafetyOfficerRecord>()?, PreparedStaff::safety_officer)?, options)
        }
    })
}

fn staff(rows: Vec<Lined<PreparedStaff>>, options: ImportOptions) -> Work {
    Box::new(move |tx| super::staff(tx, &rows, options.invite))
}

/// Passwords are held to the rule that holds where people set their own.
fn people<R>(
    rows: Vec<Lined<R>>,
    make: impl Fn(R) -> (PreparedStaff, Option<Secret>),
) -> Result<Vec<Lined<PreparedStaff>>, ImportError> {
    let rows: Vec<Lined<(PreparedStaff, Option<Secret>)>> =
        rows.into_iter().map(|(line, row)| (line, make(row))).collect();
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
    fn of(role: Role, email: String, name_zh: String, name_en: String) -> Self {
        Self {
            role,
            email,
            name_zh,
            name_en,
            employer_code: None,
            doctor: None,
            password_hash: None,
            totp: None,
            signing_pin: None,
        }
    }

    /// What is wrong with a password for this person.
    pub fn check_password(&self, field: &str, typed: &str) -> Vec<FieldProblem> {
        let local = self.email.split('@').next().unwrap_or_default();
        password::check_policy(field, typed, &[local, &self.name_zh, &self.name_en])
    }

    /// A doctor, and the password to hash.
    pub fn doctor(row: DoctorRecord) -> (Self, Option<Secret>) {
        let mut person = Self::of(Role::Doctor, row.email.clone(), row.name_zh.clone(), row.name_en.clone());
        let secret = row.password.clone();
        person.doctor = Some(row);
        (person, secret)
    }

    /// A pharmacist, and the password to hash.
    pub fn pharmacist(row: PharmacistRecord) -> (Self, Option<Secret>) {
        (Self::of(Role::Pharmacist, row.email, row.name_zh, row.name_en), row.password)
    }

    /// A restocker, and the password to hash.
    pub fn restocker(row: RestockerRecord) -> (Self, Option<Secret>) {
        (Self::of(Role::Restocker, row.email, row.name_zh, row.name_en), row.password)
    }

    /// An operator, and the password to hash.
    pub fn operator(row: OperatorRecord) -> (Self, Option<Secret>) {
        (Self::of(Role::Operator, row.email, row.name_zh, row.name_en), row.password)
    }

    /// A safety officer, and the password to hash.
    pub fn safety_officer(row: SafetyOfficerRecord) -> (Self, Option<Secret>) {
        let mut person = Self::of(Role::Employer, row.email, row.name_zh, row.name_en);
        person.employer_code = Some(row.employer_code);
        (person, row.password)
    }
}

/// One file that is being read.
struct Source<'a> {
    house: &'a House,
    path: &'a Path,
    progress: &'a dyn Fn(u64, u64),
}

impl Source<'_> {
    fn records<R: Record>(&self) -> Result<Vec<Lined<R>>, ImportError> {
        let today = civil_day(self.house.now());
        let mut intake = None;
        self.walk(|header| {
            intake = Some(Intake::<R>::open(header.iter(), today)?);
            Ok(())
        })?;
        let mut intake = intake.ok_or_else(|| ImportError::Rows(vec![unreadable(1)]))?;
        let mut rows = Vec::new();
        self.rows(|_, line, cells| {
            rows.push((line, intake.take(line, cells.iter())?));
            Ok(())
        })?;
        Ok(rows)
    }

    fn products(&self) -> Result<Vec<Lined<Product>>, ImportError> {
        let mut seen = HashSet::new();
        let mut rows = Vec::new();
        self.rows(|header, line, cells| {
            let row: HashMap<&str, &str> = header.iter().zip(cells.iter()).collect();
            let mut found = Found::default();
            match Product::from_fields(&row) {
                Ok(product) if seen.insert(product.code.as_str().to_owned()) => rows.push((line, product)),
                Ok(_) => {
                    let message = Bilingual::fixed("编码重复。", "The code stands twice.");
                    found.note(line, "code", "duplicate", message);
                }
                Err(issues) => {
                    for issue in issues {
                        found.note(line, issue.field, "invalid", issue.message);
                    }
                }
            }
            if found.0.is_empty() { Ok(()) } else { Err(found.0) }
        })?;
        Ok(rows)
    }

    fn open(&self) -> Result<(csv::Reader<File>, u64), ImportError> {
        let file = File::open(self.path)?;
        let size = file.metadata()?.len();
        // Flexible: a row of the wrong length is that row's problem, told by its line.
        Ok((csv::ReaderBuilder::new().flexible(true).comment(Some(b'#')).from_reader(file), size))
    }

    /// Looks at the header alone.
    fn walk(
        &self,
        mut look: impl FnMut(&csv::StringRecord) -> Result<(), Vec<RowProblem>>,
    ) -> Result<(), ImportError> {
        let (mut reader, _) = self.open()?;
        let header = reader.headers().map_err(|_| vec![unreadable(1)])?.clone();
        Ok(look(&header)?)
    }

    /// Takes every row, and gathers what is wrong with them.
    fn rows(
        &self,
        mut take: impl FnMut(&csv::StringRecord, u64, &csv::StringRecord) -> Result<(), Vec<RowProblem>>,
    ) -> Result<(), ImportError> {
        let (mut reader, size) = self.open()?;
        let header = reader.headers().map_err(|_| vec![unreadable(1)])?.clone();
        let mut problems = Vec::new();
        let mut cells = csv::StringRecord::new();
        let mut count = 0_u64;
        loop {
            let line = reader.position().line();
            match reader.read_record(&mut cells) {
                Ok(false) => break,
                Ok(true) => {
                    let line = cells.position().map_or(line, csv::Position::line);
                    if let Err(bad) = take(&header, line, &cells) {
                        problems.extend(bad);
                    }
                }
                Err(error) if error.is_io_error() => {
                    return Err(ImportError::File(std::io::Error::other(error)));
                }
                Err(error) => {
                    problems.push(unreadable(error.position().map_or(line, csv::Position::line)));
                }
            }
            count += 1;
            if count.is_multiple_of(500) {
                (self.progress)(reader.position().byte(), size);
            }
            if problems.len() >= MOST_PROBLEMS {
                break;
            }
        }
        (self.progress)(size, size);
        if problems.is_empty() { Ok(()) } else { Err(ImportError::Rows(problems)) }
    }
}

fn unreadable(line: u64) -> RowProblem {
    let message = Bilingual::fixed(
        "无法读取该行（须为 UTF-8 编码的 CSV）。",
        "The row cannot be read: CSV in UTF-8 is due.",
    );
    let problem = FieldProblem { field: "row".into(), code: "bad_row".into(), message };
    RowProblem::from_field(line, problem)
}
