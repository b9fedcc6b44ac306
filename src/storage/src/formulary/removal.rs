//! What depends on products that a selection would leave out. Only a change of the formulary asks this.

use std::collections::HashMap;

use diesel::{dsl::count_star, prelude::*};

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{cabinet, consultation, prescription, prescription_line, slot, slot_stock},
};
use domain::{consultation::ConsultationState, ids::StationId, prescription::PrescriptionState};

/// Places in cabinets that are given to a product, and the free packs in them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    pub places: i64,
    pub packs: i64,
}

macro_rules! narrowed {
    ($query:expr, $station:expr, $column:expr, $conn:expr) => {
        match $station {
            Some(station) => on_backend!($conn, c => $query.filter($column.eq(station)).prepared().load(c)),
            None => on_backend!($conn, c => $query.prepared().load(c)),
        }
    };
}

/// What stands of these products in the cabinets of the network, or of one station.
pub fn standing_stock(
    conn: &mut Conn,
    station: Option<StationId>,
    products: &[&str],
) -> QueryResult<HashMap<String, Standing>> {
    macro_rules! places {
        () => {
            slot::table
                .inner_join(cabinet::table)
                .filter(slot::product_code.eq_any(padded(products)).assume_not_null())
                .group_by(slot::product_code)
                .select((slot::product_code, count_star()))
        };
    }
    let places: Vec<(Option<String>, i64)> = narrowed!(places!(), station, cabinet::station_id, conn)?;
    macro_rules! packs {
        () => {
            slot_stock::table
                .inner_join(cabinet::table.on(cabinet::id.eq(slot_stock::cabinet_id)))
                .filter(slot_stock::product_code.eq_any(padded(products)))
                .filter(slot_stock::on_hand.gt(0))
                .select((slot_stock::product_code, slot_stock::on_hand))
        };
    }
    let packs: Vec<(String, i64)> = narrowed!(packs!(), station, cabinet::station_id, conn)?;
    let mut found: HashMap<String, Standing> = HashMap::new();
    for (product, places) in places {
        found.entry(product.unwrap_or_default()).or_default().places = places;
    }
    for (product, packs) in packs {
        found.entry(product).or_default().packs += packs;
    }
    Ok(found)
}

/// In how many open drafts of active consultations, of the network or of one station, each of these products
/// is.
pub fn drafts_with(
    conn: &mut Conn,
    station: Option<StationId>,
    products: &[&str],
) -> QueryResult<HashMap<String, i64>> {
    macro_rules! drafts {
        () => {
            consultation::table
                .inner_join(prescription::table.on(prescription::consultation_id.eq(consultation::id)))
                .inner_join(
                    prescription_line::table.on(prescription_line::prescription_id.eq(prescription::id)),
                )
                .filter(consultation::state.eq_code(ConsultationState::Active))
                .filter(prescription::state.eq_code(PrescriptionState::Draft))
                .filter(prescription_line::product_code.eq_any(padded(products)))
                .group_by(prescription_line::product_code)
                .select((prescription_line::product_code, count_star()))
        };
    }
    let found: Vec<(String, i64)> = narrowed!(drafts!(), station, consultation::station_id, conn)?;
    Ok(found.into_iter().collect())
}
