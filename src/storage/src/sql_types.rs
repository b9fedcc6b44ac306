//! The SQL types that `schema.rs` names. Their mapping is in `domain`, next to its types: Rust's
//! orphan rule allows it nowhere else.

pub use domain::sql::*;
