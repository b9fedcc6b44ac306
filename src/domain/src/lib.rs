//! The domain rules of Waystation: state machines, the safety engine, triage, and both sides of the
//! cabinet protocol. No async, no I/O, no database and no clock of its own: time is an argument, so
//! every rule can be tested at any hour.

pub mod bounds;
pub mod check_in;
pub mod consultation;
pub mod devices;
pub mod edition;
pub mod event;
pub mod formulary;
pub mod hidden;
pub mod ids;
pub mod keys;
pub mod ledger;
pub mod letter;
pub mod matching;
pub mod money;
pub mod network;
pub mod order;
pub mod policy;
pub mod precondition;
pub mod prescription;
pub mod refusal;
pub mod review;
pub mod safety;
pub mod spelling;
#[cfg(feature = "diesel")]
pub mod sql;
pub mod staff;
pub mod stock;
pub mod text_enum;
pub mod time;
pub mod triage;
pub mod vend;
pub mod vitals;
pub mod words;
