//! The command line: arguments and commands.

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use secrecy::ExposeSecret;

use super::{
    audit, backup, build, import, keys, rules, serve_metrics, serving, settings,
    shutdown::{self, Running, StopSignals},
};
#[cfg(feature = "demo")]
use crate::demo::{self, fill, load};
use base::{
    clock::{Clock, SystemClock},
    config::{Config, ConfigError, Flags, example},
    telemetry,
};
use crypto::{password, totp::TotpSecret};
use domain::{
    network::Record,
    policy::Policy,
    refusal::FieldProblem,
    staff::{StaffRecord, role::Role},
    time::civil_day,
};
use http::openapi;
use service::{Actor, Failure, jobs::Jobs, network::import::PreparedStaff};

/// The backend of a network of health points for people who work outdoors.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "demo")]
    /// Run the sample network, with simulated doctors, pharmacists and cabinets
    Demo(demo::Arguments),
    /// Serve the network
    Serve(Settings),
    /// Bring the database up to this version, and stop
    Migrate(Settings),
    /// Look after the network's operators
    #[command(subcommand)]
    Operator(Operator),
    /// Load a CSV file: all of it, or nothing
    Import {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        source: import::Source,
    },
    #[cfg(feature = "demo")]
    /// Fill an empty database with the sample network, for a trial
    Sample {
        #[command(flatten)]
        settings: Settings,
        /// Workers with cards; each goes on one journey of a trial
        #[arg(long, default_value_t = simulation::sample::DEFAULT_WORKERS)]
        workers: usize,
        /// What the network is derived from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    #[cfg(feature = "demo")]
    /// Print a catalogue of invented drugs, for trials of imports and searches
    SampleCatalogue {
        /// Rows; the same number gives the same file
        #[arg(long, default_value_t = simulation::sample::catalogue::DEFAULT_PRODUCTS)]
        products: usize,
    },
    #[cfg(feature = "demo")]
    /// Try a running server that holds the sample network: whole journeys, as fast as asked
    Load(load::Arguments),
    /// Copy the embedded database into FILE while it is in use, and verify the copy
    Backup {
        #[command(flatten)]
        settings: Settings,
        /// Must not be there yet; its digest goes to FILE.sha256
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Verify FILE and make it the embedded database; no server may be running
    Restore {
        #[command(flatten)]
        settings: Settings,
        /// What `backup` wrote, with FILE.sha256 beside it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Move the present database aside; without this it is never touched
        #[arg(long)]
        replace: bool,
    },
    /// Check that the event log is what it was
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look at the settings; opens nothing and prints no secret
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Rotate and retire keys while the network is served
    #[command(subcommand)]
    Keys(keys::Command),
    /// Check and withdraw editions of the safety rules
    #[command(subcommand)]
    Rules(rules::Command),
    /// Print the OpenAPI document
    Openapi,
}

/// Where the settings come from.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// A TOML file; the environment (WAYSTATION_..) and these flags come after it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, e.g. 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// sqlite:PATH or postgres://..
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Where letters and other files go
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Operator {
    /// Add an operator; the password is read from standard input
    Create {
        #[command(flatten)]
        settings: Settings,
        /// The address to sign in with
        #[arg(long)]
        email: String,
        /// The name, for both languages
        #[arg(long)]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with the settings, or what they are
    Check(Settings),
    /// Print an annotated example of every setting
    Example,
}

impl Settings {
    fn read(self) -> Result<Config, ConfigError> {
        let flags = Flags { listen: self.listen, database_url: self.database_url, data_dir: self.data_dir };
        Config::load(self.config.as_deref(), &flags)
    }

    fn load(self) -> anyhow::Result<Config> {
        self.read().context("the settings are refused")
    }

    /// The settings, if they are safe for health data.
    pub(super) fn load_safe(self) -> anyhow::Result<Config> {
        let config = self.load()?;
        let problems = settings::problems(&config);
        if problems.is_empty() {
            return Ok(config);
        }
        Err(ConfigError::Refused(problems)).context("the settings are refused")
    }
}

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    actix_web::rt::System::new().block_on(async {
        match Cli::parse().run().await {
            Ok(code) => code,
            Err(error) => {
                // One line: each cause after a colon.
                eprintln!("waystation: {error:#}");
                ExitCode::FAILURE
            }
        }
    })
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What went wrong, with its causes.
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            #[cfg(feature = "demo")]
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Serve(settings) => run_server(settings.load_safe()?).await,
            Command::Migrate(settings) => migrate(&settings.load()?),
            Command::Operator(Operator::Create { settings, email, name }) => {
                create_operator(settings.load_safe()?, &email, &name).await
            }
            Command::Import { settings, source } => import::run(&settings.load_safe()?, source).await,
            #[cfg(feature = "demo")]
            Command::Sample { settings, workers, seed } => {
                fill::run(&settings.load_safe()?, workers, seed).await
            }
            #[cfg(feature = "demo")]
            Command::SampleCatalogue { products } => {
                print_out(&simulation::sample::catalogue::catalogue_csv(products))?;
                Ok(ExitCode::SUCCESS)
            }
            #[cfg(feature = "demo")]
            Command::Load(arguments) => load::run(arguments).await,
            Command::Backup { settings, file } => backup::backup(&settings.load_safe()?, file).await,
            Command::Restore { settings, file, replace } => {
                backup::restore(&settings.load_safe()?, file, replace).await
            }
            Command::Audit(command) => audit::run(command).await,
            Command::Config(ConfigCommand::Check(settings)) => {
                let (text, outcome) = settings::check(settings.read().map_err(|error| error.problems()));
                print_out(&text)?;
                Ok(outcome)
            }
            Command::Config(ConfigCommand::Example) => {
                print_out(example::EXAMPLE)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Keys(command) => keys::run(command).await,
            Command::Rules(command) => rules::run(command).await,
            Command::Openapi => {
                print_out(&format!("{}\n", openapi::document(&Policy::default()).to_pretty_json()?))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Writes a long text to standard output. A closed pipe (`| head`) is not an error.
fn print_out(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

async fn run_server(config: Config) -> anyhow::Result<ExitCode> {
    telemetry::start(config.log, "info");
    let signals = StopSignals::listen().context("signals")?;
    let _serving = serving::acquire(&config)?;
    let built = build(&config, Arc::new(SystemClock)).await?;
    let listener = std::net::TcpListener::bind(config.listen)
        .with_context(|| format!("setting `listen`: cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let metrics = match config.metrics_listen {
        None => None,
        Some(at) => {
            let listener = std::net::TcpListener::bind(at)
                .with_context(|| format!("setting `metrics_listen`: cannot listen on {at}"))?;
            tracing::info!(address = %listener.local_addr()?, "metrics");
            Some(serve_metrics(&built.app, listener, config.metrics_token.as_ref())?)
        }
    };
    let mut jobs = Jobs::start(&built.app, &built.mailer);
    jobs.send_texts(&built.app, &built.texts);
    let server = built.serve_for(listener, config.http_workers, config.shutdown_seconds)?;
    tracing::info!(%address, "open");
    let drain = Duration::from_secs(config.drain_seconds);
    shutdown::serve_until(
        signals,
        Running { app: built.app, process: built.process, server, metrics, jobs, drain },
    )
    .await
}

fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    let url = serving::database_url(config)?;
    serving::ensure_unchanged(config)?;
    let engine = storage::migrate(&url)?;
    println!("{engine}: 数据库已是最新版本 / the database is up to date");
    Ok(ExitCode::SUCCESS)
}

/// The first operator cannot be invited by another one, so this command creates
/// the account on the machine itself.
async fn create_operator(config: Config, email: &str, name: &str) -> anyhow::Result<ExitCode> {
    serving::ensure_unchanged(&config)?;
    let secret = read_password()?;
    let name = name.trim();
    let email = email.trim().to_lowercase();
    let record = StaffRecord::new(Role::Operator, email, name.to_owned(), name.to_owned());
    let mut problems = record.validate(civil_day(SystemClock.now()));
    let email = record.email.clone();
    let (mut operator, _) = PreparedStaff::of(record);
    problems.extend(operator.check_password("password", &secret));
    if !problems.is_empty() {
        return Ok(print_problems(&problems));
    }
    let built = build(&config, Arc::new(SystemClock)).await?;
    operator.password_hash = Some(tokio::task::spawn_blocking(move || password::hash(&secret)).await??);
    let totp = TotpSecret::generate();
    let uri = totp.uri("Waystation", &email);
    let base32 = totp.to_base32();
    operator.totp = Some(totp.expose_bytes().to_vec());
    let outcome =
        built.app.write(Actor::System, move |tx| service::staff::operator_create(tx, operator.clone())).await;
    built.app.coordination.close().await;
    match outcome {
        Ok(()) => {}
        Err(Failure::Refused(refusal)) if !refusal.fields.is_empty() => {
            return Ok(print_problems(&refusal.fields));
        }
        Err(failure) => return Err(anyhow::anyhow!("the operator was not added: {failure}")),
    }
    println!("已添加 / added: {email}");
    println!("TOTP: {}", base32.expose_secret());
    println!("{}", uri.expose_secret());
    println!("不需要签名密码 / no signing PIN is needed");
    Ok(ExitCode::SUCCESS)
}

/// Prints each bad field under the flag that it came from.
fn print_problems(problems: &[FieldProblem]) -> ExitCode {
    let mut printed = std::collections::BTreeSet::new();
    for problem in problems {
        let flag = match problem.field.as_str() {
            "email" => "--email",
            "name_zh" | "name_en" => "--name",
            _ => "password",
        };
        // Both names come from one flag.
        if printed.insert((flag, problem.code.as_str())) {
            eprintln!("{flag}：{}", problem.message.zh);
            eprintln!("  {flag}: {}", problem.message.en);
        }
    }
    eprintln!("未添加 / the operator was not added");
    ExitCode::FAILURE
}

/// One line of standard input: typed, or piped in by a script.
fn read_password() -> anyhow::Result<String> {
    use std::io::{BufRead, IsTerminal, Write};
    if std::io::stdin().is_terminal() {
        eprint!("密码 / password: ");
        std::io::stderr().flush()?;
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let secret = line.trim_end_matches(['\r', '\n']).to_owned();
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
        for line in [
            "waystation demo --data d --port 9000 --fresh --ready-file r --journeys 20 --exit",
            "waystation serve --config f.toml --listen 127.0.0.1:1",
            "waystation operator create --email a@b.cn --name A",
            "waystation sample --database-url sqlite:x.db --workers 200 --seed 7",
            "waystation load --url http://127.0.0.1:1 --stations 8 --workers 4 --max --seconds 5",
            "waystation load --url http://127.0.0.1:1 --stations 8 --rate 2.5 --seconds 5 --seed 7",
            "waystation backup --database-url sqlite:w.db b.db",
            "waystation restore --config f.toml b.db --replace",
            "waystation openapi",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert!(Cli::try_parse_from(["waystation", "demo", "--exit"]).is_err(), "--exit needs --journeys");
    }
}
