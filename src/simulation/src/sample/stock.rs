//! The stock of the sample cabinets.

use chrono::{NaiveDate, TimeDelta};
use rand::Rng;

use super::{SampleNetwork, secrets};
use domain::{stock::record::StockRecord, time::civil_day};

/// Slots of every sample cabinet.
pub(crate) const SLOTS_PER_CABINET: usize = 40;
/// Packs that fit a slot.
pub(crate) const SLOT_CAPACITY: i32 = 20;
/// The most common products, which are in two slots each.
const COMMON: usize = 8;
/// Slots whose products differ between stations, if there are enough products.
const VARIED: usize = 8;
/// Lots of each product in the network. A later one expires later.
const LOTS: usize = 4;

/// The stock of all stations, slot by slot.
pub(super) fn fill(network: &SampleNetwork, product_codes: &[String]) -> impl Iterator<Item = StockRecord> {
    let today = civil_day(network.planned_at);
    let mut random = secrets::random(network.seed, "stock");
    let lots = lots(network.seed, product_codes.len(), today);
    network.stations.iter().enumerate().flat_map(move |(station, record)| {
        let mut rows = Vec::with_capacity(SLOTS_PER_CABINET);
        let mut used = vec![0_usize; product_codes.len()];
        // Every second station starts with an older pair of lots.
        let first_lot = random.random_range(0..LOTS - 1);
        for (slot, product) in layout(product_codes.len(), station).into_iter().enumerate() {
            let lot = (first_lot + used[product]) % LOTS;
            used[product] += 1;
            rows.push(StockRecord {
                station_code: record.code.clone(),
                slot_no: slot as i32 + 1,
                product_code: product_codes[product].clone(),
                lot_no: format!("SAMPLE-{:04}-{}", product + 1, lot + 1),
                expires_on: lots[product][lot],
                quantity: random.random_range(8..=SLOT_CAPACITY),
                capacity: SLOT_CAPACITY,
            });
        }
        rows
    })
}

/// The expiry of every lot: the same in all cabinets.
fn lots(seed: u64, products: usize, today: NaiveDate) -> Vec<[NaiveDate; LOTS]> {
    let mut random = secrets::random(seed, "lots");
    (0..products)
        .map(|_| {
            let mut expires_on = today + TimeDelta::days(60);
            std::array::from_fn(|_| {
                expires_on += TimeDelta::days(random.random_range(30..=180));
                expires_on
            })
        })
        .collect()
}

/// The product of each slot at a station, as an index.
fn layout(products: usize, station: usize) -> Vec<usize> {
    if products == 0 {
        return Vec::new();
    }
    let doubled = SLOTS_PER_CABINET.saturating_sub(products).max(COMMON).min(products);
    let mut slots: Vec<usize> = (0..doubled).flat_map(|product| [product, product]).collect();
    slots.truncate(SLOTS_PER_CABINET);
    let free = SLOTS_PER_CABINET - slots.len();
    let rest = products - doubled;
    if rest <= free {
        slots.extend(doubled..products);
        // Few products: repeat them until every slot is filled.
        slots.extend((0..products).cycle().take(SLOTS_PER_CABINET - slots.len()));
    } else {
        let fixed = free.saturating_sub(VARIED);
        slots.extend(doubled..doubled + fixed);
        let varied = rest - fixed;
        slots.extend((0..free - fixed).map(|step| doubled + fixed + (station * VARIED + step) % varied));
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_filled_whatever_the_number_of_products() {
        for products in 1..=120 {
            let mut everywhere = vec![false; products];
            for station in 0..226 {
                let slots = layout(products, station);
                assert_eq!(slots.len(), SLOTS_PER_CABINET, "{products} products");
                for product in slots.iter() {
                    everywhere[*product] = true;
                }
                for common in 0..COMMON.min(products) {
                    let count = slots.iter().filter(|product| **product == common).count();
                    assert!(count >= 2, "{products} products, product {common}");
                }
                if products >= SLOTS_PER_CABINET {
                    let doubled = slots.len() - slots.iter().collect::<std::collections::HashSet<_>>().len();
                    assert_eq!(doubled, COMMON, "{products} products");
                }
            }
            assert!(everywhere.iter().all(|found| *found), "{products} products: one lies nowhere");
        }
        assert!(layout(0, 0).is_empty());
    }
}
