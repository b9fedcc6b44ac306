//! The SQL types that `schema.rs` names. Their mapping stands beside the domain's types: Rust lets
//! nobody else write it.

pub use domain::sql::*;
