//! The sealed contents of a prescription, and the document that follows from them and the row. What
//! is signed is not stored a second time: its bytes are assembled again, and the signature decides
//! whether they are the same.

use serde::{Deserialize, Serialize};

use crate::{
    AppState, Failure,
    packed::PackedColumn,
    review::{question::Question, supply::SupplyDecision},
};
use domain::{
    formulary::ProductCode,
    ids::PrescriptionId,
    prescription::{
        DocumentLine, PrescriptionDocument, PrescriptionDraft, canonical_bytes, label, packs_needed,
    },
    safety::{DraftLine, SafetyReport},
    time::civil_day,
    words::Bilingual,
};
use storage::prescription::{LineRow, PrescriptionRow};

const CONTENTS: PackedColumn = PackedColumn {
    table: "prescription",
    name: "body_sealed",
    dictionary: concat!(
        r#""rule":"unknown_pair","severity":"unknown","message":{"zh":"规则库没有这两种药的相互作用资料，请查阅说明书。","#,
        r#""en":"The rules hold nothing on this pair; look it up."},"source":"Waystation clinical rules: an unknown pair "#,
        r#"reads unknown""rule":"duplicate_ingredient","severity":"warn"同一成分重复用药。The same ingredient is taken twice."#,
        r#"_unknown","severity":"note"product label, as cited in the formulary, (two sources agree) tablets capsules "#,
        r#"{"revision":0,"draft":{"lane":"follow_up_with_evidence","kind":"ordinary","lines":[{"product":"","#,
        r#""dose_units_thousandths":1000,"times_per_day":3,"days":3}],"diagnoses":[{"code":"J","text":"急性上呼吸道感染"}],"#,
        r#""longer_reason":null,"overrides":[{"rule":"","lines":[0],"reason":""}],"child":{"guardian":false,"#,
        r#""paediatrician":false}},"names":[{"generic_zh":"片","generic_en":" tablets 0.","label":{"zh":"片（ mg）：服用，一次 1 片，"#,
        r#"一日 3 次，共 3 天","en":" ( mg): take 1 tablet, 3 times a day, for 3 days"},"packs":1}],"report":{"verdict":"ok","#,
        r#""findings":[{"rule":"","severity":"warn","lines":[0],"message":{"zh":"。","en":"."},"source":"Waystation clinical "#,
        r#"rules, drugs table"}],"ruleset_version":"safety-2026-11-29"},"signed":{"ruleset_version":"safety-2026-11-29","#,
        r#""policy_version":"prescribing-2026-11-23"}}"#,
    ),
};

/// A line's names at the time of writing: they do not change when a product is renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Names {
    pub generic_zh: String,
    pub generic_en: String,
    pub label: Bilingual,
    pub packs: u32,
}

/// The versions that the doctor's signature names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SignedUnder {
    pub ruleset_version: String,
    pub policy_version: String,
}

/// The contents that are sealed in the row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Body {
    pub revision: u32,
    pub draft: PrescriptionDraft,
    /// The names of each line of the draft, in the same order.
    names: Vec<Names>,
    /// The newest safety check.
    pub report: SafetyReport,
    /// `None` until it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedUnder>,
    /// What pharmacists asked. Not part of what is signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// How much of lines is supplied, where that was decided. Not part of what is signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supply: Vec<SupplyDecision>,
}

impl Body {
    /// The contents of a draft whose products are known and whose packs can be counted.
    pub(crate) fn new(
        app: &AppState,
        revision: u32,
        draft: PrescriptionDraft,
        report: SafetyReport,
    ) -> Result<Self, Failure> {
        let names = names_of(app, &draft.lines)?;
        Ok(Self { revision, draft, names, report, signed: None, questions: Vec::new(), supply: Vec::new() })
    }

    /// Takes the names of the current formulary, where it still has every product.
    pub(crate) fn rename(&mut self, app: &AppState) {
        if let Ok(names) = names_of(app, &self.draft.lines) {
            self.names = names;
        }
    }

    /// Decrypts the contents of a row.
    pub(crate) fn open(app: &AppState, row: &PrescriptionRow) -> Result<Self, Failure> {
        let mut body: Self = CONTENTS.open(app, row.id, &row.body_sealed)?;
        // Earlier versions stored the signed bytes, and only there the versions. If these bytes do
        // not open, the signature fits nothing.
        if let (None, Some(sealed)) = (&body.signed, &row.canonical_sealed)
            && let Ok(canonical) = app.open("prescription", "canonical_sealed", row.id, sealed)
        {
            body.signed = serde_json::from_str(&canonical).ok();
        }
        Ok(body)
    }

    /// Encrypts the contents for their row.
    pub(crate) fn seal(&self, app: &AppState, id: PrescriptionId) -> Result<Vec<u8>, Failure> {
        CONTENTS.seal(app, id, self)
    }

    /// Each line with its names.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&DraftLine, &Names)> {
        self.draft.lines.iter().zip(&self.names)
    }

    /// How much of a line is supplied, where that was decided.
    pub(crate) fn supply_of(&self, line_no: i32) -> Option<&SupplyDecision> {
        self.supply.iter().find(|decision| i64::from(decision.line_no) == i64::from(line_no))
    }

    /// Packs of a line that are supplied: never more than were signed.
    pub(crate) fn packs_supplied(&self, line: &LineRow) -> u32 {
        let signed = u32::try_from(line.packs).unwrap_or(0);
        self.supply_of(line.line_no).map_or(signed, |decision| decision.packs.min(signed))
    }

    /// The lines as they are stored for orders and safety checks.
    pub(crate) fn rows(&self, id: PrescriptionId) -> Result<Vec<LineRow>, Failure> {
        let fits = |number: u32| {
            i32::try_from(number).map_err(|error| Failure::caused("a line's number does not fit", error))
        };
        let row = |(line_no, (line, names)): (i32, (&DraftLine, &Names))| {
            Ok(LineRow {
                prescription_id: id,
                line_no,
                product_code: line.product.to_string(),
                dose_units_thousandths: line.dose_units_thousandths,
                times_per_day: fits(line.times_per_day)?,
                days: fits(line.days)?,
                packs: fits(names.packs)?,
            })
        };
        (1..).zip(self.lines()).map(row).collect()
    }

    /// The bytes that are signed; `None` before the signature.
    pub(crate) fn canonical(&self, row: &PrescriptionRow) -> Option<Vec<u8>> {
        let signed = self.signed.as_ref()?;
        let lines = self.lines().map(|(line, names)| DocumentLine {
            product: line.product.clone(),
            dose_units_thousandths: line.dose_units_thousandths,
            times_per_day: line.times_per_day,
            days: line.days,
            packs: names.packs,
            label: names.label.clone(),
        });
        Some(canonical_bytes(&PrescriptionDocument {
            id: row.id,
            revision: self.revision,
            consultation: row.consultation_id,
            worker: row.worker_id,
            prescriber: row.doctor_id,
            hospital: row.hospital_id,
            lane: self.draft.lane,
            kind: self.draft.kind,
            diagnoses: self.draft.diagnoses.clone(),
            lines: lines.collect(),
            overrides: self.draft.overrides.clone(),
            longer_reason: self.draft.longer_reason.clone(),
            issued_on: civil_day(row.signed_at?),
            valid_until: row.valid_until?,
            ruleset_version: signed.ruleset_version.clone(),
            policy_version: signed.policy_version.clone(),
        }))
    }
}

fn names_of(app: &AppState, lines: &[DraftLine]) -> Result<Vec<Names>, Failure> {
    let formulary = app.formulary();
    let name = |line: &DraftLine| {
        let product = formulary.get(&line.product)?;
        Some(Names {
            generic_zh: product.generic_zh.clone(),
            generic_en: product.generic_en.clone(),
            label: label(product, line),
            packs: packs_needed(product, line)?,
        })
    };
    let missing = || Failure::inconsistent("a checked line has no product");
    lines.iter().map(|line| name(line).ok_or_else(missing)).collect()
}

/// The product code of a stored line.
pub(crate) fn product_of(row: &LineRow) -> Result<ProductCode, Failure> {
    ProductCode::parse(&row.product_code)
        .ok_or_else(|| Failure::inconsistent(format!("a stored product code: {}", row.product_code)))
}
