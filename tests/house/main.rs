//! The one integration test binary: stories told over HTTP, and laws of the
//! house. One binary, because each links the whole program.

mod check_in;
mod consultation;
mod floors;
mod harness;
mod laws;
mod seed;
mod vitals;
mod writer;
