//! What the verbs on editions of the formulary take and show.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    formulary::{ProductView, TwoLanguages},
    page::{NextPage, page},
};
use domain::{
    edition::EditionState,
    formulary::{
        Product,
        selection::{SelectionFault, SelectionFaultCode},
    },
    ids::{FormularyEditionId, StaffId, StationId},
    safety::RowChangeKind,
    spelling,
};
use storage::formulary::selection::FormularyEditionRow;

/// A new edition of the formulary.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormularyEditionInput {
    /// Its name, used once.
    #[schema(value_type = spelling::PlaceCode)]
    pub edition: String,
    /// The station whose selection it is; the network's formulary if left out.
    pub station_id: Option<StationId>,
    /// A CSV in UTF-8 with the column `code`, and if wanted `name`, which must then be the product's.
    #[schema(max_length = 200_000)]
    pub products: String,
    /// Why it changes.
    #[schema(value_type = spelling::NoteWords)]
    pub note: String,
}

/// An edition that is tried without being proposed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormularyEditionTrial {
    /// The station whose selection it is; the network's formulary if left out.
    pub station_id: Option<StationId>,
    /// As in a proposed edition.
    #[schema(max_length = 200_000)]
    pub products: String,
}

/// A fault of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormularyFaultView {
    /// From 1.
    pub line: u64,
    /// The column, `row` or `header`.
    pub field: String,
    pub code: SelectionFaultCode,
    pub message: TwoLanguages,
}

/// A product that comes or goes. Of one that goes: what was signed stays dispensable, open drafts with it are
/// not signed any more, and its packs are not sold over the counter.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormularyChangeView {
    pub product_code: String,
    pub generic_zh: String,
    pub generic_en: String,
    pub change: RowChangeKind,
    /// Open drafts with it, of a product that goes.
    pub open_drafts: i64,
    /// Places in cabinets that are given to it, of a product that goes.
    pub places: i64,
    /// Free packs in cabinets, of a product that goes.
    pub packs: i64,
}

/// What an edition changes of the formulary in force.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct FormularyChanges {
    /// The edition in force with which it is compared; none where the catalogue decides, and for a station
    /// that has what its network has.
    pub compared_with: Option<String>,
    /// How many products come.
    pub added: usize,
    /// How many products go.
    pub removed: usize,
    /// By code, those that go first; 500 at most.
    pub changes: Vec<FormularyChangeView>,
}

/// What trying an edition shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormularyEditionReport {
    /// An edition with faults cannot be proposed.
    pub faults: Vec<FormularyFaultView>,
    /// Empty while there are faults.
    #[serde(flatten)]
    pub changes: FormularyChanges,
}

/// An edition of the formulary.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormularyEditionView {
    pub id: FormularyEditionId,
    pub edition: String,
    /// Whose selection it is; none for the network's.
    pub station_id: Option<StationId>,
    pub state: EditionState,
    /// Whether it applies now.
    pub in_force: bool,
    pub note: String,
    pub proposed_by: StaffId,
    pub proposed_at: DateTime<Utc>,
    pub approved_by: Option<StaffId>,
    pub approved_at: Option<DateTime<Utc>>,
    /// From when on it applies, once it is approved.
    pub effective_at: Option<DateTime<Utc>>,
    pub withdrawn_by: Option<StaffId>,
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// Why it was withdrawn.
    pub reason: Option<String>,
}

/// An edition of the formulary with what it changes of the one in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormularyEditionDetail {
    #[serde(flatten)]
    pub edition: FormularyEditionView,
    #[serde(flatten)]
    pub changes: FormularyChanges,
    /// Its products as CSV.
    pub products: String,
}

page! {
    /// A page of editions.
    FormularyEditionPage of FormularyEditionView, "The newest first.", after FormularyEditionId
}

/// The formulary in force, a page of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct FormularyPage {
    /// The network's edition in force; none where the catalogue decides.
    pub network_edition: Option<String>,
    /// The station's own edition in force, if it has one.
    pub station_edition: Option<String>,
    /// By code.
    pub items: Vec<ProductView>,
    /// The `after` of the next page; null on the last.
    pub next_after: Option<String>,
}

impl NextPage for FormularyPage {
    fn next_after(&self) -> Option<String> {
        self.next_after.clone()
    }
}

pub(super) fn view(row: FormularyEditionRow, in_force: bool) -> FormularyEditionView {
    FormularyEditionView {
        id: row.id,
        edition: row.version,
        station_id: row.station_id,
        state: row.state,
        in_force,
        note: row.note,
        proposed_by: row.proposed_by,
        proposed_at: row.proposed_at,
        approved_by: row.approved_by,
        approved_at: row.approved_at,
        effective_at: row.effective_at,
        withdrawn_by: row.withdrawn_by,
        withdrawn_at: row.withdrawn_at,
        reason: row.reason,
    }
}

pub(super) fn fault_view(fault: SelectionFault) -> FormularyFaultView {
    let SelectionFault { line, field, code, message } = fault;
    FormularyFaultView { line, field: field.to_owned(), code, message: TwoLanguages::from(&message) }
}

pub(super) fn change_view(product: &Product, change: RowChangeKind) -> FormularyChangeView {
    FormularyChangeView {
        product_code: product.code.to_string(),
        generic_zh: product.generic_zh.clone(),
        generic_en: product.generic_en.clone(),
        change,
        open_drafts: 0,
        places: 0,
        packs: 0,
    }
}
