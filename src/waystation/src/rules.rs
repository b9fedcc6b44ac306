//! The editions of the safety rules from the command line: before an upgrade, whether the new program can
//! read what is in force, and the way out where it cannot; and a folder of tables, tried out or proposed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Subcommand;

use super::{audit::connection, cli::Settings};
use base::{
    clock::{Clock, SystemClock},
    config::Config,
};
use domain::safety::{CasesRun, RowChange, RuleFault, RuleTables, Severity};
use service::{
    Failure,
    safety::edition::{self, Proposal},
};
use storage::conn::Purpose;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what this program cannot read of the editions in force; run it before an upgrade. With a
    /// folder: show the faults of its tables, and what they would change
    Check {
        #[command(flatten)]
        settings: Settings,
        /// Tables as <name>.csv; those that are left out stay as they are in force
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Propose the tables of a folder as an edition; it applies once a second person has approved it
    Import {
        #[command(flatten)]
        settings: Settings,
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The address of the operator or pharmacist who proposes it
        #[arg(long, value_name = "EMAIL")]
        by: String,
        /// Why: what it changes, and what was read
        #[arg(long)]
        note: String,
    },
    /// Withdraw an edition: the rules before it apply again
    Withdraw {
        #[command(flatten)]
        settings: Settings,
        /// As reports and `rules check` name it
        #[arg(value_name = "VERSION")]
        version: String,
        /// Why; pharmacists and operators read it
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(move || match command {
        Command::Check { settings, folder: None } => check(&settings.load_safe()?),
        Command::Check { settings, folder: Some(folder) } => try_folder(&settings.load_safe()?, &folder),
        Command::Import { settings, folder, by, note } => {
            import(&settings.load_safe()?, &folder, by.trim(), note.trim())
        }
        Command::Withdraw { settings, version, reason } => {
            withdraw(&settings.load_safe()?, &version, reason.trim())
        }
    })
    .await?
}

fn check(config: &Config) -> anyhow::Result<ExitCode> {
    let mut conn = connection(config, Purpose::Read)?;
    let unreadable = edition::unreadable(&mut conn, SystemClock.now())?;
    for (version, faults) in &unreadable {
        for fault in faults {
            println!("{version}: {fault} / {}", fault.message.zh);
        }
    }
    if unreadable.is_empty() {
        println!("规则均可读取 / this program reads all rules in force");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// At most this many bytes of one table, as in the API.
const LARGEST_TABLE: u64 = 200_000;

/// Files that may lie in the folder of the shipped tables and are none of an edition.
const OTHER_FILES: &[&str] = &["cases"];

/// The tables in a folder, by name.
fn tables_in(folder: &Path) -> anyhow::Result<HashMap<String, String>> {
    let mut tables = HashMap::new();
    let files = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for file in files {
        let path = file?.path();
        let csv = path.extension().is_some_and(|extension| extension == "csv");
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !csv || OTHER_FILES.contains(&name.as_str()) {
            continue;
        }
        let shown = path.display();
        let names = RuleTables::NAMES;
        anyhow::ensure!(
            names.contains(&name.as_str()),
            "{shown}: 没有此表 / no table has this name; the tables: {}",
            names.join(", ")
        );
        anyhow::ensure!(
            path.metadata()?.len() <= LARGEST_TABLE,
            "{shown}: 超过 {LARGEST_TABLE} 字节 / more than {LARGEST_TABLE} bytes"
        );
        let text = std::fs::read_to_string(&path).with_context(|| format!("{shown}"))?;
        tables.insert(name, text);
    }
    anyhow::ensure!(
        tables.contains_key("edition"),
        "{}: 缺少 edition.csv（新版本号）/ edition.csv with the new version is missing",
        folder.display()
    );
    Ok(tables)
}

fn try_folder(config: &Config, folder: &Path) -> anyhow::Result<ExitCode> {
    let tables = tables_in(folder)?;
    let mut conn = connection(config, Purpose::Read)?;
    let report = edition::try_folder(&mut conn, tables, SystemClock.now())?;
    print_faults(&report.faults);
    if !report.faults.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    println!("与 {} 相比 / compared with {}:", report.compared_with, report.compared_with);
    report.changes.iter().for_each(print_change);
    if let Some(cases) = &report.cases {
        print_cases(cases);
    }
    Ok(ExitCode::SUCCESS)
}

fn import(config: &Config, folder: &Path, by: &str, note: &str) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!note.is_empty(), "--note: 须说明 / say why");
    let tables = tables_in(folder)?;
    let mut conn = connection(config, Purpose::Write)?;
    let proposal = storage::write_in_own_transaction::<_, Failure>(&mut conn, |conn| {
        edition::propose_by_command(conn, tables.clone(), (by, note), SystemClock.now())
    })?;
    match proposal {
        Proposal::Added(id, version) => {
            println!("{version} ({id}): 待第二人批准 / it waits for the approval of a second person");
            Ok(ExitCode::SUCCESS)
        }
        Proposal::Faults(faults) => {
            print_faults(&faults);
            Ok(ExitCode::FAILURE)
        }
        Proposal::VersionUsed(version) => {
            anyhow::bail!("edition.csv: 版本号 {version} 已用过 / the version {version} was used before")
        }
        Proposal::NobodyMay => {
            anyhow::bail!("--by: {by} 不是在职的运营或药师 / {by} is no operator or pharmacist at work")
        }
    }
}

fn print_faults(faults: &[RuleFault]) {
    for fault in faults {
        println!("{fault} / {}", fault.message.zh);
    }
}

fn print_change(change: &RowChange) {
    println!("  {} {}: {}", change.table, change.id, change.kind);
    for cell in &change.cells {
        println!("    {}: {:?} -> {:?}", cell.field, cell.before, cell.after);
    }
}

fn print_cases(cases: &CasesRun) {
    println!("病例 / worked cases: {} run, {} changed", cases.run, cases.changed);
    if cases.blocks_lost > 0 {
        println!(
            "！{} 个病例不再拦截 / {} cases are not blocked any more",
            cases.blocks_lost, cases.blocks_lost
        );
    }
    let shown = |severity: Option<Severity>| severity.map_or("-", Severity::as_str);
    for case in &cases.changes {
        let holds = if case.holds { "" } else { " (！与病例预期不符 / not what the case expects)" };
        println!("  {} [{}]: {} -> {}{holds}", case.id, case.situation, case.before, case.after);
        for one in &case.findings {
            println!("    {}: {} -> {}", one.rule, shown(one.before), shown(one.after));
        }
    }
}

fn withdraw(config: &Config, version: &str, reason: &str) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(!reason.is_empty(), "--reason: 须说明原因 / say why");
    let mut conn = connection(config, Purpose::Write)?;
    let withdrawn = storage::write_in_own_transaction::<_, Failure>(&mut conn, |conn| {
        edition::withdraw_by_command(conn, version, reason, SystemClock.now())
    })?;
    anyhow::ensure!(
        withdrawn,
        "{version}: 没有此版本，或已撤回 / there is no such edition, or it is withdrawn"
    );
    println!("{version}: 已撤回 / withdrawn");
    Ok(ExitCode::SUCCESS)
}
