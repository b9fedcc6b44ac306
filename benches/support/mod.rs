//! What the benchmarks share. Each runs the house and a bare server in child
//! processes of its own binary, asks both the same things in turn, and prints
//! both figures with their ratio. None needs a server, a database or a network.

pub mod app;
pub mod arguments;
pub mod bare;
pub mod cabinets;
pub mod child;
pub mod client;
pub mod process;
pub mod table;

/// As many open files as this process may have: held polls need one each.
///
/// # Errors
/// When the limit cannot be read or set.
pub fn open_many_files() -> anyhow::Result<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)))
}

/// The middle one; of an even number the lower of the middle two.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
