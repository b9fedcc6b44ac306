//! Reads the arguments, and runs what they ask for.

use std::process::ExitCode;

use clap::Parser;

use waystation::cli::Cli;

#[actix_web::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            // One line: each cause after a colon.
            eprintln!("waystation: {error:#}");
            ExitCode::FAILURE
        }
    }
}
