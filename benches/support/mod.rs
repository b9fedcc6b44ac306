//! Shared code of the benchmarks. Each runs the server and a bare server in child
//! processes of its own binary, sends both the same requests in turn, and prints
//! both results with their ratio. None needs an external server, database or network.

pub mod app;
pub mod arguments;
pub mod bare;
pub mod cabinets;
pub mod child;
pub mod client;
pub mod copy;
pub mod history;
pub mod network;
pub mod played;
pub mod process;
pub mod rows;
pub mod table;

/// Raises the limit of open files to the maximum and returns it: each long poll needs
/// one.
///
/// # Errors
/// When the limit cannot be read or set.
pub fn open_many_files() -> anyhow::Result<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)))
}

/// The median; for an even count the lower of the middle two.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
