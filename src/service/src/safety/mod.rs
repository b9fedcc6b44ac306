//! The safety check on request: for the worker of a consultation, or for an example profile. It
//! stores nothing.

pub mod edition;
pub mod facts;
pub mod names;

use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    AppState, Failure, HealthAccess, Part, caller::StaffCaller, consultation::in_care,
    prescription::view::PrescribedDiagnosis,
};
use domain::{
    formulary::{Condition, ProductCode},
    ids::{ConsultationId, StationId},
    network::{Job, Sex},
    refusal::{Code, Refusal},
    safety::{Diagnosed, DraftLine, Profile, SafetyInput, SkinTest, Taken},
    spelling,
    staff::role::Role,
    time::civil_day,
    words::Bilingual,
};
use facts::{LineInput, SafetyReportView, SkinTestInput, gather, lines_of, run_new};
use storage::Conn;

/// An example worker for trying the rules. Absent means unknown.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckProfile {
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// Age in whole years, where the day of birth is not known.
    #[schema(minimum = 0, maximum = 130)]
    pub age_years: Option<u32>,
    /// Tenths of a kilogram.
    #[schema(minimum = 20, maximum = 3000)]
    pub weight_kg_tenths: Option<i64>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Pregnant now?
    pub pregnant: Option<bool>,
    /// Breast feeding now?
    pub breastfeeding: Option<bool>,
    /// Classes, international names or other texts.
    #[schema(value_type = Vec<spelling::ProfileEntry>, max_items = 30)]
    pub allergies: Vec<String>,
    /// Known conditions.
    #[schema(max_items = 30)]
    pub conditions: Vec<Condition>,
    /// What is taken already, by name.
    #[schema(value_type = Vec<spelling::ProfileEntry>, max_items = 30)]
    pub medicines: Vec<String>,
    /// mL/min/1.73 m2.
    #[schema(minimum = 1, maximum = 250)]
    pub egfr: Option<i64>,
    /// mL/min.
    #[schema(minimum = 1, maximum = 250)]
    pub creatinine_clearance: Option<i64>,
    /// Breath alcohol as blood mg/100 mL.
    #[schema(minimum = 0, maximum = 1000)]
    pub breath_alcohol: Option<i64>,
    /// mmHg.
    #[schema(minimum = 40, maximum = 300)]
    pub systolic: Option<i64>,
    /// mmHg.
    #[schema(minimum = 20, maximum = 200)]
    pub diastolic: Option<i64>,
    /// Works at height? Counts besides `job`.
    pub works_at_height: bool,
    /// The job; every job drives or uses machines.
    pub job: Option<Job>,
    /// Body temperature in tenths of a degree.
    #[schema(minimum = 250, maximum = 450)]
    pub temperature_tenths: Option<i64>,
    /// Dehydrated, or treated for heat illness now?
    pub dehydrated: bool,
}

/// Something that an example worker takes already.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TakenInput {
    /// A pack from a cabinet.
    Vended {
        #[schema(value_type = spelling::ProductCode)]
        product_code: String,
        /// Thousandths of a unit a day.
        #[schema(minimum = 1, maximum = 24_000_000)]
        units_per_day_thousandths: i64,
        /// The last day on which it is taken.
        until: NaiveDate,
    },
    /// What the worker reported.
    Reported {
        /// An international name or another text.
        #[schema(value_type = spelling::ProfileEntry)]
        medicine: String,
        /// Micrograms a day, where known.
        #[schema(minimum = 0, maximum = 1_000_000_000)]
        day_ug: Option<i64>,
    },
}

/// What is checked: the worker of a consultation, or an example.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckInput {
    /// The consultation whose worker it is; not together with `profile`.
    pub consultation_id: Option<ConsultationId>,
    /// An example worker; not together with `consultation_id`.
    pub profile: Option<CheckProfile>,
    /// What the example worker takes already.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub taking: Vec<TakenInput>,
    #[schema(min_items = 1, max_items = 20)]
    pub lines: Vec<LineInput>,
    /// For a penicillin, whatever its route: the skin test of the last 72 hours.
    pub skin_test: Option<SkinTestInput>,
    /// What is treated.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub diagnoses: Vec<PrescribedDiagnosis>,
}

/// Checks lines for the worker of a consultation against the rules and stores nothing.
///
/// # Errors
/// One problem per bad field; `NotFound` for a consultation that the caller may not see: a doctor
/// sees their own, a pharmacist any; `ConsentMissing` once the worker has withdrawn the consent to
/// care.
pub fn check_of_consultation(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    caller: StaffCaller,
    input: CheckInput,
) -> Result<SafetyReportView, Failure> {
    let Some(consultation) =
        input.consultation_id.filter(|_| input.profile.is_none() && input.taking.is_empty())
    else {
        return Err(one_of_two());
    };
    let draft = Draft::read(app, input.lines, input.skin_test, input.diagnoses)?;
    let found = storage::prescription::consultation_and_consent(conn, consultation)?;
    let (facts, consents) = found.ok_or(Code::NotFound)?;
    let theirs = match caller.role {
        Role::Doctor => {
            facts.doctor_id == Some(caller.staff)
                && in_care(conn, app, facts.doctor_id, consultation, facts.state, facts.ended_at)?
        }
        Role::Pharmacist => true,
        _ => false,
    };
    if !theirs {
        return Err(Code::NotFound.into());
    }
    if !consents {
        return Err(Code::ConsentMissing.into());
    }
    shown.note(facts.worker_id, Part::SafetyCheck, consultation);
    let input = gather(conn, app, facts.worker_id, draft.lines, None, app.now())?.input;
    Ok(report(app, input, draft.skin_test, draft.diagnoses, Some(facts.station_id)))
}

/// Checks lines for an example worker against the rules: nothing is read.
///
/// # Errors
/// One problem per bad field.
pub fn check_example(app: &AppState, input: CheckInput) -> Result<SafetyReportView, Failure> {
    let Some(profile) = input.profile.filter(|_| input.consultation_id.is_none()) else {
        return Err(one_of_two());
    };
    let draft = Draft::read(app, input.lines, input.skin_test, input.diagnoses)?;
    let example = example_input(profile, &input.taking, draft.lines, civil_day(app.now()))?;
    Ok(report(app, example, draft.skin_test, draft.diagnoses, None))
}

fn one_of_two() -> Failure {
    let words = Bilingual::fixed(
        "须提供 consultation_id，或 profile（可附 taking），二者之一",
        "give either consultation_id, or profile (with or without taking)",
    );
    Refusal::field("profile", "one_of_two", words).into()
}

/// What is checked besides the facts about the worker.
struct Draft {
    lines: Vec<DraftLine>,
    skin_test: Option<SkinTest>,
    diagnoses: Vec<Diagnosed>,
}

impl Draft {
    fn read(
        app: &AppState,
        lines: Vec<LineInput>,
        skin_test: Option<SkinTestInput>,
        diagnoses: Vec<PrescribedDiagnosis>,
    ) -> Result<Self, Failure> {
        let lines = lines_of(&lines)?;
        if let Some(test) = &skin_test {
            test.check(app.now())?;
        }
        let skin_test = skin_test.map(|test| test.stated().seen(app.now()));
        let diagnosed = |one: PrescribedDiagnosis| Diagnosed { code: one.code, text: one.name };
        Ok(Self { lines, skin_test, diagnoses: diagnoses.into_iter().map(diagnosed).collect() })
    }
}

/// The findings, by the formulary of a station or of the network, and how the names were understood.
fn report(
    app: &AppState,
    mut input: SafetyInput,
    skin_test: Option<SkinTest>,
    diagnoses: Vec<Diagnosed>,
    station: Option<StationId>,
) -> SafetyReportView {
    (input.profile.skin_test, input.profile.diagnoses) = (skin_test, diagnoses);
    let mut view = SafetyReportView::from(&run_new(app, &input, station));
    let reported = input.taking.iter().filter_map(|taken| match taken {
        Taken::Reported { medicine, .. } => Some(medicine.clone()),
        Taken::Vended { .. } => None,
    });
    let medicines: Vec<String> = reported.collect();
    view.names = Some(names::understood(app, &medicines, &input.profile.allergies));
    view
}

fn example_input(
    profile: CheckProfile,
    taking: &[TakenInput],
    lines: Vec<DraftLine>,
    on: NaiveDate,
) -> Result<SafetyInput, Failure> {
    let mut taken = Vec::with_capacity(taking.len());
    for (at, input) in taking.iter().enumerate() {
        taken.push(match input {
            TakenInput::Vended { product_code, units_per_day_thousandths, until } => Taken::Vended {
                product: ProductCode::parse(product_code).ok_or_else(|| {
                    let words = Bilingual::fixed("药品编码无效", "this is no product code");
                    Refusal::field(format!("taking[{at}].product_code"), "bad_format", words)
                })?,
                units_per_day_thousandths: *units_per_day_thousandths,
                until: *until,
                in_doubt: false,
            },
            TakenInput::Reported { medicine, day_ug } => {
                Taken::Reported { medicine: medicine.clone(), day_ug: *day_ug }
            }
        });
    }
    let reported = profile.medicines.into_iter().map(|medicine| Taken::Reported { medicine, day_ug: None });
    taken.extend(reported);
    let profile = Profile {
        birth_date: profile.birth_date,
        age_years: profile.age_years,
        weight_g: profile.weight_kg_tenths.map(|tenths| tenths.saturating_mul(100)),
        sex: profile.sex,
        pregnant: profile.pregnant,
        breastfeeding: profile.breastfeeding,
        allergies: profile.allergies,
        conditions: profile.conditions,
        egfr: profile.egfr,
        creatinine_clearance: profile.creatinine_clearance,
        breath_alcohol: profile.breath_alcohol,
        systolic: profile.systolic,
        diastolic: profile.diastolic,
        works_at_height: profile.works_at_height,
        job: profile.job,
        temperature_tenths: profile.temperature_tenths,
        dehydrated: profile.dehydrated,
        skin_test: None,
        diagnoses: Vec::new(),
    };
    Ok(SafetyInput { on, lines, taking: taken, profile })
}
