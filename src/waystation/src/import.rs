//! `waystation import`: loads a file in one transaction, all rows or none.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, LazyLock},
};

use anyhow::Context;
use clap::{Args, ValueEnum, builder::PossibleValue};
use indicatif::{ProgressBar, ProgressStyle};

use super::build;
use base::{clock::SystemClock, config::Config};
use domain::{network::import::RowProblem, staff::role::Role};
use service::network::import::{
    Existing, ImportError, Loaded,
    csv_file::{ImportKind, ImportOptions, import_csv},
};

/// What a file holds.
#[derive(Debug, Clone, Copy)]
pub struct Kind(ImportKind);

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    use ImportKind::{
        Cabinets, Catalogue, Employers, Hospitals, ShiftRules, Shifts, Staff, Stations, Stock, Workers,
    };
    let others = [Stations, Cabinets, Workers, Catalogue, Hospitals, Employers, Shifts, ShiftRules, Stock];
    others.into_iter().chain(Role::STAFF.iter().copied().map(Staff)).map(Kind).collect()
});

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &KINDS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, about) = match self.0 {
            ImportKind::Stations => ("stations", "Stations, each with its cabinet"),
            ImportKind::Workers => ("workers", "Workers with card, PIN and phone"),
            ImportKind::Catalogue => {
                ("catalogue", "Drugs; known codes are replaced, and a code that the file does not name stays")
            }
            ImportKind::Hospitals => ("hospitals", "Partner hospitals"),
            ImportKind::Employers => ("employers", "Employers"),
            ImportKind::Cabinets => ("cabinets", "Cabinets of stations that have none"),
            ImportKind::Shifts => ("shifts", "Shifts of staff who are known"),
            ImportKind::ShiftRules => {
                ("shift_rules", "Rules by which the shifts of staff who are known repeat")
            }
            ImportKind::Stock => ("stock", "First stock of cabinets"),
            ImportKind::Staff(role) => {
                let staff = role.staff()?;
                (staff.file, staff.about)
            }
        };
        Some(PossibleValue::new(name).help(about))
    }
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
    /// The licences of these doctors or pharmacists were seen and are verified
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
    let outcome = import_csv(&built.app, source.kind.0, &source.file, options, move |read, total| {
        shown.set_length(total);
        shown.set_position(read);
    })
    .await;
    bar.finish_and_clear();
    built.app.coordination.close().await;
    match outcome {
        Ok(loaded) => {
            report(loaded, source.dry_run);
            Ok(ExitCode::SUCCESS)
        }
        Err(ImportError::Rows(problems)) => {
            refuse(&problems);
            Ok(ExitCode::FAILURE)
        }
        Err(ImportError::Catalogue { problems, others }) => {
            refuse(&problems);
            let Loaded { added, updated, skipped, unchanged, .. } = others;
            eprintln!("其余各行：新增 {added}，更新 {updated}，未变 {unchanged}，跳过 {skipped}");
            eprintln!(
                "the other rows: {added} new, {updated} changed, {unchanged} unchanged, {skipped} skipped"
            );
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error).with_context(|| format!("{}", source.file.display())),
    }
}

fn refuse(problems: &[RowProblem]) {
    for problem in problems {
        let (line, field) = (problem.line, &problem.field);
        eprintln!("第 {line} 行，{field}：{}", problem.message.zh);
        eprintln!("  line {line}, {field}: {}", problem.message.en);
    }
    eprintln!("未导入任何行 / nothing was loaded: {} problems", problems.len());
}

fn report(loaded: Loaded, dry_run: bool) {
    let Loaded { added, updated, skipped, unchanged, into_formulary, out_of_formulary, kept_by_hand } =
        loaded;
    let (zh, en) =
        if dry_run { ("试运行，未保存：", "dry run, nothing was kept: ") } else { ("", "") };
    println!("{zh}新增 {added} 行，更新 {updated} 行，未变 {unchanged} 行，跳过 {skipped} 行");
    println!("{en}{added} rows added, {updated} updated, {unchanged} unchanged, {skipped} skipped");
    if into_formulary + out_of_formulary > 0 {
        println!("按文件的 in_formulary 列：{into_formulary} 个产品进入处方集，{out_of_formulary} 个移出");
        println!(
            "as the column in_formulary says, {into_formulary} products came into the formulary and \
             {out_of_formulary} left it"
        );
    }
    if kept_by_hand > 0 {
        println!("手工取消或改动的班次保持不变：{kept_by_hand} 个日期");
        println!("shifts cancelled or changed by hand stay so: {kept_by_hand} dates");
    }
}
