//! What every other crate may use: the time, the settings, private files, logs and figures.

pub mod clock;
pub mod config;
pub mod private_files;
pub mod telemetry;
