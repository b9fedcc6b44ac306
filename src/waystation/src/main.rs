//! Parses the arguments and runs the command.

use std::process::ExitCode;

use clap::Parser;

use waystation::cli::Cli;

#[actix_web::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            // `:#` prints the causes on one line, separated by colons.
            eprintln!("waystation: {error:#}");
            ExitCode::FAILURE
        }
    }
}
