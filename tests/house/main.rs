//! The one integration test binary: stories told over HTTP, and laws of the
//! house. One binary, because each links the whole program.

mod check_in;
mod devices;
mod harness;
mod import;
mod mail;
mod network;
mod seed;
mod smtp;
mod staff_tokens;
