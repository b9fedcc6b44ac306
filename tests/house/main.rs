//! The one integration test binary: stories told over HTTP, and laws of the
//! house. One binary, because each links the whole program.

mod cabinet;
mod check_in;
mod harness;
mod ledger;
mod machine;
mod orders;
mod seed;
mod stock;
mod vending;
