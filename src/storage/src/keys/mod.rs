//! Keys: which are live, and the columns that are sealed with them.

pub mod doctor;
pub mod reseal;
pub mod seal;
pub mod server;
pub mod signing;
