//! The formulary as a selection of the catalogue, curated in editions: the network's, and from it a station's
//! own. A station's list only ever narrows the network's. What a hospital may use at all is decided once, for
//! all of it; a station has a small cabinet, perhaps in a retail lane, and chooses what it keeps of that.
//!
//! A selection says what is newly prescribed and sold. What was signed before stays dispensable: that a drug
//! leaves a formulary is curation, nothing is wrong with the pack. A lot that is bad is recalled (`stock`), a
//! product that nobody may take any more gets `in_formulary` no in the catalogue; both stop it everywhere.

mod table;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{codes::ProductCode, lookup::Formulary, product::Product};
use crate::{
    edition::Editions,
    ids::StationId,
    refusal::FieldProblem,
    safety::{DraftLine, Finding, Severity},
    time::Timestamp,
    words::Bilingual,
};
pub use table::{SelectionFault, SelectionFaultCode, SelectionScope, check_table, table_of};

/// One edition of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    pub version: String,
    /// Stations with the same list share it.
    pub products: Arc<HashSet<ProductCode>>,
}

/// Every selection that applies now or later.
#[derive(Debug, Clone)]
pub struct Selections {
    /// Without one, the catalogue's column `in_formulary` says what the network has.
    network: Editions<Option<Selection>>,
    /// Of the stations that have one.
    stations: HashMap<StationId, Editions<Option<Selection>>>,
}

impl Default for Selections {
    fn default() -> Self {
        Self { network: Editions::new(Arc::new(None), Vec::new()), stations: HashMap::new() }
    }
}

/// An approved edition with the time from which it applies.
pub type Approved = (Timestamp, Selection);

impl Selections {
    /// Each list in the order in which its editions take effect.
    pub fn new(network: Vec<Approved>, stations: HashMap<StationId, Vec<Approved>>) -> Self {
        let editions = |approved: Vec<Approved>| {
            let of = |(from, selection)| (from, Arc::new(Some(selection)));
            Editions::new(Arc::new(None), approved.into_iter().map(of).collect())
        };
        let stations = stations.into_iter().map(|(station, approved)| (station, editions(approved)));
        Self { network: editions(network), stations: stations.collect() }
    }

    /// What is in force at a station, or in the network as a whole.
    pub fn in_force(&self, station: Option<StationId>, now: Timestamp) -> InForce {
        let own = station.and_then(|station| self.stations.get(&station));
        InForce {
            network: Arc::clone(self.network.in_force(now)),
            station: own.map(|editions| Arc::clone(editions.in_force(now))),
        }
    }
}

/// The selections that decide at one moment and place.
#[derive(Debug, Clone)]
pub struct InForce {
    network: Arc<Option<Selection>>,
    station: Option<Arc<Option<Selection>>>,
}

/// Which list leaves a product out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    OfNetwork,
    OfStation,
}

impl LeftOut {
    /// Why `product` is not prescribed or sold.
    pub fn message(self, product: &Product) -> Bilingual {
        let (zh, en) = (&product.generic_zh, &product.generic_en);
        match self {
            Self::OfNetwork => {
                Bilingual::made(format!("{zh} 不在处方集内。"), format!("{en} is not in the formulary."))
            }
            Self::OfStation => Bilingual::made(
                format!("{zh} 不在本站的处方集内。"),
                format!("{en} is not in this station's formulary."),
            ),
        }
    }

    /// The code of its finding. That of the network is the one for a product which the catalogue keeps out.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::OfNetwork => "not_in_formulary",
            Self::OfStation => "not_in_station_formulary",
        }
    }
}

impl InForce {
    /// The version of the network's edition; none where the catalogue decides.
    pub fn network_version(&self) -> Option<&str> {
        self.network.as_ref().as_ref().map(|selection| selection.version.as_str())
    }

    /// The version of the station's own edition.
    pub fn station_version(&self) -> Option<&str> {
        self.own().map(|selection| selection.version.as_str())
    }

    fn own(&self) -> Option<&Selection> {
        self.station.as_ref().and_then(|own| own.as_ref().as_ref())
    }

    /// Whether a selection leaves this product out. What the catalogue itself keeps out is not asked here.
    pub fn left_out(&self, product: &ProductCode) -> Option<LeftOut> {
        let lacks = |selection: &Selection| !selection.products.contains(product);
        if self.network.as_ref().as_ref().is_some_and(lacks) {
            return Some(LeftOut::OfNetwork);
        }
        self.own().is_some_and(lacks).then_some(LeftOut::OfStation)
    }

    /// Whether a product may be newly prescribed or sold here, as far as the formulary decides.
    pub fn has(&self, product: &Product) -> bool {
        product.in_formulary && self.left_out(&product.code).is_none()
    }

    /// The lines with a product that is left out. One that the catalogue keeps out, or does not have, is
    /// found by the safety engine and the prescribing rules.
    fn lines_left_out<'l>(
        &'l self,
        lines: &'l [DraftLine],
        formulary: &'l Formulary,
    ) -> impl Iterator<Item = (usize, LeftOut, &'l Product)> {
        lines.iter().enumerate().filter_map(|(at, line)| {
            let left_out = self.left_out(&line.product)?;
            let product = formulary.get(&line.product).filter(|product| product.in_formulary)?;
            Some((at, left_out, product))
        })
    }

    /// What a check of new lines finds.
    pub fn findings(&self, lines: &[DraftLine], formulary: &Formulary) -> Vec<Finding> {
        let found = self.lines_left_out(lines, formulary).map(|(at, left_out, product)| Finding {
            rule: left_out.rule().into(),
            severity: Severity::Block,
            lines: vec![at],
            message: left_out.message(product),
            source: "Formulary editions of this network".into(),
        });
        found.collect()
    }

    /// Why new lines cannot be written.
    pub fn problems(&self, lines: &[DraftLine], formulary: &Formulary) -> Vec<FieldProblem> {
        let found = self.lines_left_out(lines, formulary).map(|(at, left_out, product)| FieldProblem {
            field: format!("lines[{at}].product_code"),
            code: left_out.rule().to_owned(),
            message: left_out.message(product),
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn at(hour: u32) -> Timestamp {
        chrono::Utc.with_ymd_and_hms(2026, 11, 30, hour, 0, 0).single().expect("a real time")
    }

    fn list(version: &str, codes: &[&str]) -> Selection {
        let codes = codes.iter().filter_map(|code| ProductCode::parse(code));
        Selection { version: version.to_owned(), products: Arc::new(codes.collect()) }
    }

    #[test]
    fn a_station_only_narrows_what_the_network_has() {
        let (station, other) = (StationId::generate(), StationId::generate());
        let own = HashMap::from([(station, vec![(at(8), list("own", &["LOR-T10", "PCM-T500"]))])]);
        let selections = Selections::new(vec![(at(9), list("net", &["PCM-T500", "IBU-T200"]))], own);
        let asked = |station, hour, code: &str| {
            let product = ProductCode::parse(code).expect("a code");
            selections.in_force(station, at(hour)).left_out(&product)
        };
        assert_eq!(asked(Some(station), 7, "IBU-T200"), None, "nothing is in force yet");
        assert_eq!(asked(Some(station), 8, "IBU-T200"), Some(LeftOut::OfStation));
        assert_eq!(asked(Some(station), 8, "LOR-T10"), None);
        assert_eq!(asked(Some(station), 9, "LOR-T10"), Some(LeftOut::OfNetwork), "a station adds nothing");
        assert_eq!(asked(Some(station), 9, "PCM-T500"), None);
        assert_eq!(asked(Some(other), 9, "IBU-T200"), None);
        assert_eq!(asked(None, 9, "LOR-T10"), Some(LeftOut::OfNetwork));
    }

    #[test]
    fn without_a_selection_the_catalogue_decides() {
        let formulary = Formulary::shipped().expect("shipped");
        let in_force = Selections::default().in_force(Some(StationId::generate()), at(8));
        assert!(formulary.iter().all(|product| in_force.has(product) == product.in_formulary));
        assert_eq!((in_force.network_version(), in_force.station_version()), (None, None));
    }
}
