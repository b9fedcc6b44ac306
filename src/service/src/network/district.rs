//! Public data about the network's stations.

use crate::Failure;
use storage::{Conn, network::places as store};

/// A district and its stations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct District {
    pub code: String,
    pub stations: usize,
}

/// All districts, those with the most stations first, then by code.
///
/// # Errors
/// Faults of the storage.
pub fn districts(conn: &mut Conn) -> Result<Vec<District>, Failure> {
    let mut districts: Vec<District> = store::stations_by_district(conn)?
        .into_iter()
        .map(|(code, stations)| District { code, stations })
        .collect();
    districts.sort_by(|a, b| b.stations.cmp(&a.stations).then(a.code.cmp(&b.code)));
    Ok(districts)
}
