//! stub until the room is finished
mod lanes;
mod policy;
pub use lanes::*;
pub use policy::*;
