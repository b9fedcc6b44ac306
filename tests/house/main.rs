//! The one integration test binary: stories told over HTTP, and laws of the
//! house. One binary, because each links the whole program.

mod bad_input;
mod cabinet;
mod check_in;
mod consultation;
mod crash;
mod devices;
mod engines;
mod floors;
mod formulary;
mod harness;
mod import;
mod laws;
mod ledger;
mod machine;
mod mail;
mod merge;
mod network;
mod orders;
mod prescribing;
mod prescriptions;
mod privacy;
mod profile;
mod report;
mod reviews;
mod schema;
mod seed;
mod smtp;
mod staff_tokens;
mod stock;
mod vending;
mod vitals;
mod walker;
mod writer;
