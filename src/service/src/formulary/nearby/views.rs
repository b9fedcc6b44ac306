//! What a doctor sees of the formulary and of the stations around.

use serde::Serialize;
use utoipa::ToSchema;

use crate::formulary::ProductView;
use domain::{ids::StationId, network::distance::Place};
use storage::stock::near::StationRow;

domain::text_enum! {
    /// Whether the cabinet of a station can vend now.
    pub enum CabinetReadiness {
        Ready = "ready",
        /// The station has no cabinet.
        None = "none",
        /// Nobody heard from it lately.
        Silent = "silent",
        /// A door is open, an alarm is active, no device is enrolled, or a person must reconcile it.
        OutOfOrder = "out_of_order",
    }
}

/// A product of a station's formulary.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormularyChoice {
    pub product: ProductView,
    /// Packs that the cabinet here can vend now: counted, in date, not recalled, set aside for no order, and
    /// on no earlier draft of another consultation.
    pub packs_here: u32,
    /// Packs here that earlier drafts hold softly. Whoever orders and pays first has them.
    pub packs_held: u32,
    /// The nearest other station that can vend it now; only where there is no pack here.
    pub nearest: Option<NearestPacks>,
}

/// The formulary of a consultation's station, as far as a search finds it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormularyChoices {
    pub station_id: StationId,
    pub cabinet: CabinetReadiness,
    /// The network's edition in force; none where the catalogue decides.
    pub network_edition: Option<String>,
    /// The station's own edition in force, if it has one.
    pub station_edition: Option<String>,
    /// Those that the cabinet here can vend now first; both parts in the order of the search.
    pub items: Vec<FormularyChoice>,
    /// Whether the search finds more.
    pub more: bool,
    /// How far other stations are looked for, in metres.
    pub within_metres: u32,
}

/// A station near another one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StationNearby {
    pub station_id: StationId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub district: String,
    /// As the crow flies.
    pub metres: u32,
}

/// The nearest station that has a product.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NearestPacks {
    pub station: StationNearby,
    /// Packs that it can vend now.
    pub packs: u32,
}

/// A station that has all lines of a prescription.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupplyStation {
    /// Whether it is that of the consultation.
    pub here: bool,
    pub station: StationNearby,
}

/// Stations that have all lines of a prescription now.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupplyStations {
    /// The nearest first; 10 at most.
    pub items: Vec<SupplyStation>,
    /// At how many stations was looked, the nearest ones whose cabinets can vend.
    pub looked_at: usize,
    /// How far was looked, in metres.
    pub within_metres: u32,
}

pub(super) fn station_view(row: &StationRow, from: Place) -> StationNearby {
    StationNearby {
        station_id: row.id,
        code: row.code.clone(),
        name_zh: row.name_zh.clone(),
        name_en: row.name_en.clone(),
        district: row.district.clone(),
        metres: from.metres_to(row.place()),
    }
}
