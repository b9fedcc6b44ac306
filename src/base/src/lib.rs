//! Shared basics for all other crates: clock, settings, private files, logs and metrics.

pub mod clock;
pub mod config;
pub mod private_files;
pub mod telemetry;
