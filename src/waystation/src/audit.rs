//! Checks the audit chain from the command line, also while a server is running.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Subcommand;
use secrecy::ExposeSecret;

use super::cli::Settings;
use base::{
    clock::{Clock, SystemClock},
    config::Config,
};
use crypto::{keys::MasterSecret, signer_ring::SignerRing};
use service::audit::{AuditView, Statement, Witness};
use storage::{Conn, DatabaseUrl, conn::Purpose};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compare the event log, its seals and the witness; status 1 when they differ,
    /// 3 without a witness, 4 when nothing is sealed either
    Verify {
        #[command(flatten)]
        settings: Settings,
        /// A file or folder of another witness, also a copy kept elsewhere; may be given
        /// several times, beside the one under the data directory
        #[arg(long, value_name = "FILE")]
        witness: Vec<PathBuf>,
    },
    /// Say in the witness that an older state of the database was put back on
    /// purpose; `restore` does so by itself
    Restored {
        #[command(flatten)]
        settings: Settings,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify { settings, witness } => {
            let config = settings.load_safe()?;
            tokio::task::spawn_blocking(move || verify(&config, &witness)).await?
        }
        Command::Restored { settings } => {
            let config = settings.load_safe()?;
            tokio::task::spawn_blocking(move || restored(&config)).await?
        }
    }
}

/// The keys that sign the chain, as listed in the database.
fn audit_keys(config: &Config, conn: &mut Conn) -> anyhow::Result<SignerRing> {
    let secret = config.master_secret.as_ref().context("setting `master_secret` is missing")?;
    let master = MasterSecret::from_base64(secret.expose_secret()).context("setting `master_secret`")?;
    Ok(service::keys::audit_keys(conn, &master)?)
}

pub(super) fn connection(config: &Config, purpose: Purpose) -> anyhow::Result<Conn> {
    let url = DatabaseUrl::parse(config.database_url.expose_secret())
        .map_err(|why| anyhow::anyhow!("setting `database_url`: {why}"))?;
    if let Some(path) = url.file() {
        anyhow::ensure!(path.exists(), "{}: 没有数据库 / there is no database", path.display());
        if purpose == Purpose::Write {
            super::serving::ensure_this_name(&url)?;
        }
    }
    Ok(Conn::open(&url, purpose)?)
}

fn verify(config: &Config, more: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let own = Witness::under(&config.data_dir);
    let mut statements = own.read()?;
    for path in more {
        let read = service::audit::read_statements(path).with_context(|| path.display().to_string())?;
        statements.extend(read);
    }
    let no_witness = statements.is_empty();
    let mut conn = connection(config, Purpose::Read)?;
    let keys = audit_keys(config, &mut conn)?;
    let view = service::audit::verify_with(&mut conn, &keys, statements)?;
    print_report(&view);
    if !view.unbroken {
        return Ok(ExitCode::FAILURE);
    }
    if !no_witness {
        return Ok(ExitCode::SUCCESS);
    }
    if view.seals == 0 {
        println!(
            "尚无封存记录，也没有见证文件：新网络应如此，已有记录的网络不应如此 / nothing is sealed and there is no witness: right for a network that has just begun, and for no other"
        );
        return Ok(ExitCode::from(NOTHING_SEALED));
    }
    println!("没有见证文件：无法发现末尾被截断 / no witness: a cut end cannot be noticed");
    Ok(ExitCode::from(NO_WITNESS))
}

/// Exit code: the chain is unbroken, but without a witness a cut-off end cannot be noticed.
const NO_WITNESS: u8 = 3;
/// Exit code: nothing is sealed, because the network is new or because the chain was removed.
const NOTHING_SEALED: u8 = 4;

fn print_report(view: &AuditView) {
    let AuditView { sealed_to, events, seals, .. } = view;
    println!("{events} events and {seals} seals checked, up to position {sealed_to}");
    if let Some(position) = view.witnessed_to {
        println!("the witness knows the log up to position {position}");
    }
    for finding in &view.findings {
        println!("{}: after {}, at {}", finding.kind, finding.after, finding.position);
    }
    if view.unbroken && view.seals > 0 {
        println!("审计链完好 / the audit chain is unbroken");
    } else if !view.unbroken {
        println!("审计链已断裂 / the audit chain is BROKEN");
    }
}

fn restored(config: &Config) -> anyhow::Result<ExitCode> {
    let mut conn = connection(config, Purpose::Read)?;
    let keys = audit_keys(config, &mut conn)?;
    let view = service::audit::verify_signed_by(&mut conn, &keys)?;
    anyhow::ensure!(view.unbroken, "审计链已断裂 / the audit chain itself is broken");
    mark_restored(config, view.sealed_to)?;
    println!("已记录 / noted: {}", view.sealed_to);
    Ok(ExitCode::SUCCESS)
}

/// Records in the witness file, if there is one, that the database was restored.
pub(super) fn mark_restored(config: &Config, sealed_to: i64) -> anyhow::Result<()> {
    let witness = Witness::under(&config.data_dir);
    if !witness.read()?.iter().any(|line| matches!(line, Statement::Seal { .. })) {
        return Ok(());
    }
    let keys = audit_keys(config, &mut connection(config, Purpose::Read)?)?;
    let statement = service::audit::restored_statement(&keys, sealed_to, SystemClock.now())?;
    witness.append(&[statement])?;
    Ok(())
}
