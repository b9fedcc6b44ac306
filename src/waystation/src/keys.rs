//! Key management from the command line, also while servers are running: they read the
//! changes from the database.

use std::process::ExitCode;

use anyhow::Context;
use chrono::TimeDelta;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret;

use super::{audit::connection, cli::Settings, settings};
use base::{
    clock::{Clock, SystemClock},
    config::{Config, ConfigError},
};
use crypto::{keyring::Keyring, keys::MasterSecret, seal::SealKeyId};
use domain::{
    ids::{DoctorKeyId, StaffId},
    keys::{KeyEnd, KeyKind},
    policy::Policy,
};
use service::{Failure, keys::KeyError};
use storage::{Conn, conn::Purpose, keys::reseal::COLUMNS};

/// Values that are resealed in one transaction.
const RESEAL_BATCH: i64 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the keys, without themselves
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Make the next key of a kind; it is used two minutes later
    Rotate {
        #[command(flatten)]
        settings: Settings,
        /// `token`, `seal`, `prescription` or `audit`
        #[arg(long, value_parser = kind)]
        kind: KeyKind,
    },
    /// Retire a key that is not used any more
    Retire {
        #[command(flatten)]
        settings: Settings,
        /// `token`, `seal`, `prescription` or `audit`
        #[arg(long, value_parser = kind)]
        kind: KeyKind,
        /// As `keys list` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// A signing key that leaked: void at once whatever it signed
        #[arg(long)]
        at_once: bool,
    },
    /// Show the keys with which a doctor signs, without themselves
    Doctor {
        #[command(flatten)]
        settings: Settings,
        /// The doctor's id
        #[arg(value_name = "STAFF")]
        staff: StaffId,
    },
    /// End a key with which a doctor signs; the next signature makes another
    EndDoctorKey {
        #[command(flatten)]
        settings: Settings,
        /// As `keys doctor` shows it
        #[arg(value_name = "ID")]
        id: DoctorKeyId,
        /// Somebody else may have used it: void at once whatever it signed
        #[arg(long)]
        compromised: bool,
    },
    /// Seal every field with the newest key; may be ended and begun again
    Reseal {
        #[command(flatten)]
        settings: Settings,
    },
}

fn kind(text: &str) -> Result<KeyKind, String> {
    KeyKind::parse(text).ok_or_else(|| "`token`, `seal`, `prescription` or `audit`".to_owned())
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    tokio::task::spawn_blocking(move || match command {
        Command::List { settings } => list(&settings.load_safe()?),
        Command::Rotate { settings, kind } => rotate(&settings.load_safe()?, kind),
        Command::Retire { settings, kind, id, at_once } => retire(&settings.load_safe()?, kind, &id, at_once),
        Command::Doctor { settings, staff } => doctor(&settings.load_safe()?, staff),
        Command::EndDoctorKey { settings, id, compromised } => {
            let reason = if compromised { KeyEnd::Compromised } else { KeyEnd::Superseded };
            end_doctor_key(&settings.load_safe()?, id, reason)
        }
        Command::Reseal { settings } => reseal(&settings.load_safe()?),
    })
    .await??;
    Ok(ExitCode::SUCCESS)
}

/// What the key commands work on.
struct KeyAdmin {
    conn: Conn,
    keyring: Keyring,
    policy: Policy,
}

fn open(config: &Config) -> anyhow::Result<KeyAdmin> {
    let policy = settings::policy(config).map_err(ConfigError::Refused)?;
    let mut conn = connection(config, Purpose::Write)?;
    let secret = config.master_secret.as_ref().context("setting `master_secret` is missing")?;
    let master = MasterSecret::from_base64(secret.expose_secret()).context("setting `master_secret`")?;
    let configured: Vec<SealKeyId> = config.seal_keys.iter().copied().map(SealKeyId).collect();
    let now = SystemClock.now();
    let keyring = storage::write_in_own_transaction::<_, Failure>(&mut conn, |conn| {
        service::keys::load(conn, &master, &configured, &policy.network, now)
    })?;
    Ok(KeyAdmin { conn, keyring, policy })
}

fn list(config: &Config) -> anyhow::Result<()> {
    let mut admin = open(config)?;
    for key in service::keys::list(&mut admin.conn, SystemClock.now())? {
        let state = match (key.in_use, key.retired_at) {
            (_, Some(at)) => format!("retired {at}"),
            (true, None) => "in use".to_owned(),
            (false, None) if key.used_from > SystemClock.now() => format!("used from {}", key.used_from),
            (false, None) => "opens and verifies only".to_owned(),
        };
        println!("{:<12} {}  {state}", key.kind.as_str(), key.id);
    }
    Ok(())
}

fn rotate(config: &Config, kind: KeyKind) -> anyhow::Result<()> {
    let KeyAdmin { mut conn, keyring, policy } = open(config)?;
    let key = storage::write_in_own_transaction::<_, Failure>(&mut conn, |conn| {
        service::keys::rotate(conn, &keyring, &policy.network, kind, SystemClock.now())
    })?;
    println!("{} {}: 自 {} 起使用 / used from {}", key.kind, key.id, key.used_from, key.used_from);
    Ok(())
}

fn retire(config: &Config, kind: KeyKind, id: &str, at_once: bool) -> anyhow::Result<()> {
    let KeyAdmin { mut conn, policy, .. } = open(config)?;
    let life = TimeDelta::minutes(policy.vending.authorization_minutes.into());
    storage::write_in_own_transaction::<_, KeyError>(&mut conn, |conn| {
        service::keys::retire(conn, (kind, id), life, at_once, SystemClock.now())
    })?;
    println!("{kind} {id}: 已停用 / retired");
    Ok(())
}

fn doctor(config: &Config, staff: StaffId) -> anyhow::Result<()> {
    let mut admin = open(config)?;
    for key in service::keys::doctor::list(&mut admin.conn, staff)? {
        let state = match (key.ended_at, key.end_reason) {
            (Some(at), Some(reason)) => format!("ended {at}: {reason}"),
            _ if key.valid_until < SystemClock.now() => format!("expired {}", key.valid_until),
            _ => format!("signs until {}", key.valid_until),
        };
        println!("{}  {}  {state}", key.id, key.algorithm);
    }
    Ok(())
}

fn end_doctor_key(config: &Config, id: DoctorKeyId, reason: KeyEnd) -> anyhow::Result<()> {
    let KeyAdmin { mut conn, .. } = open(config)?;
    storage::write_in_own_transaction::<_, KeyError>(&mut conn, |conn| {
        service::keys::doctor::revoke(conn, id, reason, SystemClock.now())
    })?;
    println!("{id}: 已停用 / ended");
    Ok(())
}

fn reseal(config: &Config) -> anyhow::Result<()> {
    let KeyAdmin { mut conn, keyring, policy } = open(config)?;
    let (mut resealed, mut unreadable) = (0, 0);
    let style = ProgressStyle::with_template("{spinner} {msg}: {pos}")?;
    for column in COLUMNS {
        let bar = ProgressBar::new_spinner().with_style(style.clone());
        bar.set_message(format!("{}.{}", column.table, column.name));
        let mut after = None;
        loop {
            let done = storage::write_in_own_transaction::<_, Failure>(&mut conn, |conn| {
                service::keys::reseal(conn, &keyring, &policy.network, *column, after.as_ref(), RESEAL_BATCH)
            })?;
            resealed += done.resealed;
            unreadable += done.unreadable;
            bar.inc(done.resealed);
            after = done.next;
            if after.is_none() {
                break;
            }
        }
        bar.finish_and_clear();
    }
    println!(
        "{resealed} 个字段已重新封存 / {resealed} fields are sealed with key {}",
        keyring.sealer.current().0
    );
    if unreadable > 0 {
        println!("{unreadable} 个字段无法打开 / {unreadable} fields do not open and were left as they are");
    }
    Ok(())
}
