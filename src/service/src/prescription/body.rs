//! The sealed contents of a prescription, and the document that its doctor signed. The document is kept
//! byte for byte; row and contents must agree with it. Versions 0.2 and 0.3 kept none: its bytes are
//! assembled again from row and contents, and the signature decides whether they are the same.

use serde::{Deserialize, Serialize};

use crate::{
    AppState, Failure,
    packed::PackedColumn,
    review::{question::Question, supply::SupplyDecision},
};
use domain::{
    formulary::{DoseUnit, ProductCode},
    ids::PrescriptionId,
    prescription::{
        AsSigned, DocumentFormat, DocumentLine, FirstDocument, FirstLine, PrescriptionDocument,
        PrescriptionDraft, directions, label, packs_needed, specification,
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

const DOCUMENT: PackedColumn = PackedColumn {
    table: "prescription",
    name: "canonical_sealed",
    dictionary: concat!(
        r#""code":"internal_medicine","name":"内科""code":"general_practice","name":"全科""kind":"long_term""sex":"female""#,
        r#"口服，一次 2 粒，一日 2 次，共 7 天整粒吞服，一次 1 袋，一日 1 次，共 5 天 毫升外用，一次 微克 × "dose_unit":"capsule""#,
        r#"{"consultation":"","department":{"code":"","name":""},"diagnoses":[{"code":"J00","text":"急性上呼吸道感染"}],"#,
        r#""format":"waystation-prescription-2","hospital":{"id":"","name":"医院"},"id":"","issued_on":"2026-","#,
        r#""kind":"ordinary","lane":"follow_up_with_evidence","lines":[{"days":3,"directions":"口服，一次 1 片，一日 3 次，共 3 天","#,
        r#""dose_unit":"tablet","dose_units_thousandths":1000,"label":{"en":" tablets 0. mg (): take 1 tablet, 3 times a day, "#,
        r#"for 3 days","zh":"片（ 毫克）：口服，一次 1 片，一日 3 次，共 3 天"},"name":"片","packs":1,"product":"","#,
        r#""specification":" 毫克 × 24 片","times_per_day":3}],"longer_reason":null,"overrides":[],"patient":{"age_months":4,"#,
        r#""age_years":36,"name":"","sex":"male","worker":""},"prescriber":{"licence_no":"110","name":"","staff":""},"#,
        r#""revision":0,"rules":{"policy":"prescribing-2026-","ruleset":"safety-2026-"},"signed_at":"2026-","#,
        r#""valid_until":"2026-T15:59:59.999999Z"}"#,
    ),
};

/// A line's names at the time of writing: they do not change when a product is renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Names {
    pub generic_zh: String,
    pub generic_en: String,
    pub label: Bilingual,
    pub packs: u32,
    /// Strength and pack in Chinese. This and the next two are missing in drafts of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub specification: String,
    /// How to take it, in Chinese.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directions: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose_unit: Option<DoseUnit>,
}

/// The versions that a signature of versions 0.2 and 0.3 names.
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
    /// Only where the document is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed: Option<SignedUnder>,
    /// The signed document as it is kept, in a column of its own; `None` until it is signed.
    #[serde(skip)]
    kept: Option<Kept>,
    /// What pharmacists asked. Not part of what is signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<Question>,
    /// How much of lines is supplied, where that was decided. Not part of what is signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supply: Vec<SupplyDecision>,
    /// Whether the pharmacist who approved it countersigned. Not part of what the doctor signs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub countersigned: bool,
}

/// A signed document and its bytes.
#[derive(Debug, Clone)]
struct Kept {
    bytes: Vec<u8>,
    document: PrescriptionDocument,
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
        Ok(Self {
            revision,
            draft,
            names,
            report,
            signed: None,
            kept: None,
            questions: Vec::new(),
            supply: Vec::new(),
            countersigned: false,
        })
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
        // If these bytes do not open, the signature fits nothing.
        if let Some(sealed) = &row.canonical_sealed
            && let Ok(bytes) = DOCUMENT.open_bytes(app, row.id, sealed)
        {
            match PrescriptionDocument::parse(&bytes) {
                Some(document) => body.kept = Some(Kept { bytes, document }),
                // Version 0.1 kept the bytes of the first format, and only there its versions.
                None if body.signed.is_none() => body.signed = serde_json::from_slice(&bytes).ok(),
                None => {}
            }
        }
        Ok(body)
    }

    /// Makes the document that is to be signed a part of these contents; `None` where a line has no
    /// names in Chinese.
    pub(crate) fn with_document(mut self, row: &PrescriptionRow, parts: AsSigned) -> Option<Self> {
        let document = self.assembled(row, parts)?;
        self.signed = None;
        self.kept = Some(Kept { bytes: document.canonical_bytes(), document });
        Some(self)
    }

    /// The signed document, where it is kept.
    pub(crate) fn document(&self) -> Option<&PrescriptionDocument> {
        self.kept.as_ref().map(|kept| &kept.document)
    }

    /// Encrypts the document for its column.
    pub(crate) fn seal_document(
        &self,
        app: &AppState,
        id: PrescriptionId,
    ) -> Result<Option<Vec<u8>>, Failure> {
        self.kept.as_ref().map(|kept| DOCUMENT.seal_bytes(app, id, &kept.bytes)).transpose()
    }

    /// Whether row and contents say what the kept document says.
    pub(crate) fn agrees(&self, row: &PrescriptionRow) -> bool {
        self.kept.as_ref().is_some_and(|kept| {
            self.assembled(row, kept.document.as_signed()).as_ref() == Some(&kept.document)
        })
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
        match &self.kept {
            Some(kept) => Some(kept.bytes.clone()),
            None => Some(self.first_document(row)?.canonical_bytes()),
        }
    }

    fn assembled(&self, row: &PrescriptionRow, parts: AsSigned) -> Option<PrescriptionDocument> {
        let line = |(line, names): (&DraftLine, &Names)| {
            Some(DocumentLine {
                product: line.product.clone(),
                name: names.generic_zh.clone(),
                specification: names.specification.clone(),
                dose_units_thousandths: line.dose_units_thousandths,
                dose_unit: names.dose_unit?,
                times_per_day: line.times_per_day,
                days: line.days,
                packs: names.packs,
                directions: names.directions.clone(),
                label: names.label.clone(),
            })
        };
        let own = parts.patient.worker == row.worker_id
            && parts.prescriber.staff == row.doctor_id
            && parts.hospital.id == row.hospital_id;
        Some(PrescriptionDocument {
            format: DocumentFormat::Second,
            id: row.id,
            revision: self.revision,
            consultation: row.consultation_id,
            patient: own.then_some(parts.patient)?,
            department: parts.department,
            prescriber: parts.prescriber,
            hospital: parts.hospital,
            lane: self.draft.lane,
            kind: self.draft.kind,
            diagnoses: self.draft.diagnoses.clone(),
            lines: self.lines().map(line).collect::<Option<_>>()?,
            overrides: self.draft.overrides.clone(),
            longer_reason: self.draft.longer_reason.clone(),
            long_term: self.draft.long_term,
            skin_test: self.draft.skin_test.filter(|_| parts.states_skin_test),
            issued_on: civil_day(row.signed_at?),
            signed_at: row.signed_at?,
            valid_until: row.valid_until?,
            rules: parts.rules,
        })
    }

    /// The document of versions 0.1 to 0.3.
    fn first_document(&self, row: &PrescriptionRow) -> Option<FirstDocument> {
        let signed = self.signed.as_ref()?;
        let lines = self.lines().map(|(line, names)| FirstLine {
            product: line.product.clone(),
            dose_units_thousandths: line.dose_units_thousandths,
            times_per_day: line.times_per_day,
            days: line.days,
            packs: names.packs,
            label: names.label.clone(),
        });
        Some(FirstDocument {
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
        })
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
            specification: specification(product),
            directions: directions(product, line).zh.into_owned(),
            dose_unit: Some(product.unit()),
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
