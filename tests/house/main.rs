//! The one integration test binary: stories told over HTTP, and laws of the
//! house. One binary, because each links the whole program.

mod cabinet;
mod check_in;
mod consultation;
mod floors;
mod formulary;
mod harness;
mod laws;
mod ledger;
mod machine;
mod orders;
mod prescribing;
mod prescriptions;
mod profile;
mod reviews;
mod seed;
mod stock;
mod vending;
mod vitals;
mod writer;
