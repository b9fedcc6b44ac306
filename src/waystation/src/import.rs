//! `waystation import`: loads a file in one transaction, all rows or none.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::build;
use base::{clock::SystemClock, config::Config};
use service::network::import::{
    Existing, ImportError, Loaded,
    csv_file::{ImportKind, ImportOptions, import_csv},
};

/// What a file holds.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// Stations, each with its cabinet
    Stations,
    /// Workers with card, PIN and phone
    Workers,
    /// Doctors of hospitals that are known
    Doctors,
    /// Drugs; known codes are replaced
    Catalogue,
    /// Partner hospitals
    Hospitals,
    /// Employers
    Employers,
    /// Cabinets of stations that have none
    Cabinets,
    /// Pharmacists
    Pharmacists,
    /// Restockers
    Restockers,
    /// Operators
    Operators,
    /// Safety officers of employers that are known
    SafetyOfficers,
    /// Shifts of staff who are known
    Shifts,
    /// First stock of cabinets
    Stock,
}

/// What to load, and how.
#[derive(Debug, Args)]
pub struct Source {
    /// What the file holds
    kind: Kind,
    /// The file: UTF-8, with a header line; commas, semicolons or tabs between the cells.
    /// Lines that begin with # above the header are comments, below it they are rows
    file: PathBuf,
    /// What happens to rows whose code, card, address or shift is known already; without a
    /// word, a catalogue updates and everything else refuses
    #[arg(long, value_name = "WHAT")]
    existing: Option<Known>,
    /// Do everything but keep it: say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Invite staff who come without a password
    #[arg(long)]
    invite: bool,
    /// The licences of these doctors were seen and are verified
    #[arg(long)]
    licences_verified: bool,
}

/// What happens to rows whose key is known.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Known {
    /// Nothing of the file is loaded
    Refuse,
    /// They are left out
    Skip,
    /// They replace what is known; PINs and passwords stay
    Update,
}

impl From<Known> for Existing {
    fn from(known: Known) -> Self {
        match known {
            Known::Refuse => Self::Refuse,
            Known::Skip => Self::Skip,
            Known::Update => Self::Update,
        }
    }
}

impl From<Kind> for ImportKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Stations => Self::Stations,
            Kind::Workers => Self::Workers,
            Kind::Doctors => Self::Doctors,
            Kind::Catalogue => Self::Catalogue,
            Kind::Hospitals => Self::Hospitals,
            Kind::Employers => Self::Employers,
            Kind::Cabinets => Self::Cabinets,
            Kind::Pharmacists => Self::Pharmacists,
            Kind::Restockers => Self::Restockers,
            Kind::Operators => Self::Operators,
            Kind::SafetyOfficers => Self::SafetyOfficers,
            Kind::Shifts => Self::Shifts,
            Kind::Stock => Self::Stock,
        }
    }
}

/// Loads the file; prints how many rows were loaded, or which ones are bad.
///
/// # Errors
/// A file that cannot be read, or an internal fault.
pub async fn run(config: &Config, source: Source) -> anyhow::Result<ExitCode> {
    super::serving::ensure_unchanged(config)?;
    let built = build(config, Arc::new(SystemClock)).await?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:40.green} {bytes}/{total_bytes} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let shown = bar.clone();
    let options = ImportOptions {
        invite: source.invite,
        licences_verified: source.licences_verified,
        existing: source.existing.map(Existing::from),
        dry_run: source.dry_run,
    };
    let outcome = import_csv(&built.app, source.kind.into(), &source.file, options, move |read, total| {
        shown.set_length(total);
        shown.set_position(read);
    })
    .await;
    bar.finish_and_clear();
    built.app.coordination.close().await;
    match outcome {
        Ok(Loaded { added, updated, skipped }) => {
            let (zh, en) = if source.dry_run {
                ("试运行，未保存：", "dry run, nothing was kept: ")
            } else {
                ("", "")
            };
            println!("{zh}新增 {added} 行，更新 {updated} 行，跳过 {skipped} 行");
            println!("{en}{added} rows added, {updated} updated, {skipped} skipped");
            Ok(ExitCode::SUCCESS)
        }
        Err(ImportError::Rows(problems)) => {
            for problem in &problems {
                let (line, field) = (problem.line, &problem.field);
                eprintln!("第 {line} 行，{field}：{}", problem.message.zh);
                eprintln!("  line {line}, {field}: {}", problem.message.en);
            }
            eprintln!("未导入任何行 / nothing was loaded: {} problems", problems.len());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error).with_context(|| format!("{}", source.file.display())),
    }
}
