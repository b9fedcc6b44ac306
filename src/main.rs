//! Reads the arguments, and runs what they ask for.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use waystation::app::cli::Cli;

/// A request makes some hundreds of small things and drops them on another
/// thread; the system's allocator spent a sixth of the CPU on that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
