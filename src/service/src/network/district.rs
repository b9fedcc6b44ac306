//! What anyone may see of the network's places.

use crate::Failure;
use storage::{Conn, network::places as store};

/// A district and its stations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct District {
    /// The district's code.
    pub code: String,
    /// Stations in it.
    pub stations: usize,
}

/// All districts, the one with the most stations first.
///
/// # Errors
/// What the storage said.
pub fn districts(conn: &mut Conn) -> Result<Vec<District>, Failure> {
    let mut districts: Vec<District> = store::stations_by_district(conn)?
        .into_iter()
        .map(|(code, stations)| District { code, stations })
        .collect();
    districts.sort_by(|a, b| b.stations.cmp(&a.stations).then(a.code.cmp(&b.code)));
    Ok(districts)
}
