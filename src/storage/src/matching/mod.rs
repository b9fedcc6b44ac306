//! Who may be offered what: doctors as the matching sees them, and their offers.

pub mod doctor;
pub mod offer;
