//! The one integration test binary: stories told over HTTP, and laws of the
//! house. One binary, because each links the whole program.

mod check_in;
mod formulary;
mod harness;
mod prescribing;
mod prescriptions;
mod profile;
mod reviews;
mod seed;
