//! The editions of the safety rules from the command line: before an upgrade, whether the new program can
//! read what is in force; and the way out where it cannot.

use std::process::ExitCode;

use clap::Subcommand;

use super::{audit::connection, cli::Settings};
use base::{
    clock::{Clock, SystemClock},
    config::Config,
};
use service::{Failure, safety::edition};
use storage::conn::Purpose;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what this program cannot read of the editions in force; run it before an upgrade
    Check {
        #[command(flatten)]
        settings: Settings,
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
        Command::Check { settings } => check(&settings.load_safe()?),
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
