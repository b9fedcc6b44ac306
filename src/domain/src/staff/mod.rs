//! Import records of staff (doctors, pharmacists, restockers, operators, safety officers)
//! and of shifts. A password is always optional: without one the person is invited.

pub mod role;

use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::{
    matching::Department,
    network::{
        Record, Secret,
        checks::{Findings, NAME_CHARS},
        import::{Cells, LANGUAGES, join, language_code},
    },
    refusal::FieldProblem,
    time::Timestamp,
    words::{Bilingual, Language},
};

/// Our default.
const MAX_SHIFT_HOURS: i64 = 24;
/// Concurrent consultations of one doctor.
const MAX_CAPACITY: i32 = 10;

/// A doctor of a partner hospital.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoctorRecord {
    /// Sign-in address, in lower case.
    pub email: String,
    pub name_zh: String,
    /// English or pinyin.
    pub name_en: String,
    pub hospital_code: String,
    pub licence_no: String,
    /// The licence's last day.
    pub licence_valid_until: NaiveDate,
    /// First day of independent practice; prescribing asks for three years.
    pub practising_since: NaiveDate,
    /// The main department first.
    pub departments: Vec<Department>,
    pub languages: Vec<Language>,
    /// Maximum number of concurrent live consultations, 1 to 10.
    pub capacity: i32,
    /// Initial password; without one the person is invited.
    #[serde(default)]
    pub password: Option<Secret>,
}

impl Record for DoctorRecord {
    const KIND: &'static str = "doctors";
    const COLUMNS: &'static [&'static str] = &[
        "email",
        "name_zh",
        "name_en",
        "hospital_code",
        "licence_no",
        "licence_valid_until",
        "practising_since",
        "departments",
        "languages",
        "capacity",
        "password",
    ];
    const OPTIONAL: &'static [&'static str] = &["password"];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self {
            email: cells.code("email").to_lowercase(),
            name_zh: cells.text("name_zh"),
            name_en: cells.text("name_en"),
            hospital_code: cells.code("hospital_code"),
            licence_no: cells.code("licence_no"),
            licence_valid_until: cells.date("licence_valid_until"),
            practising_since: cells.date("practising_since"),
            departments: cells.list("departments", Department::ALL, Department::as_str),
            languages: cells.list("languages", LANGUAGES, language_code),
            capacity: cells.number("capacity"),
            password: cells.optional_text("password").map(Secret::new),
        }
    }

    fn validate(&self, today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.email("email", &self.email);
        found.text("name_zh", &self.name_zh, NAME_CHARS);
        found.text("name_en", &self.name_en, NAME_CHARS);
        found.code("hospital_code", &self.hospital_code);
        found.label("licence_no", &self.licence_no);
        if self.practising_since > today {
            found.add(
                "practising_since",
                "out_of_range",
                Bilingual::fixed("不能晚于今天。", "Must not be after today."),
            );
        }
        // An expired licence is accepted: the doctor is stored, but not eligible.
        if self.licence_valid_until < self.practising_since {
            found.add(
                "licence_valid_until",
                "wrong_order",
                Bilingual::fixed("不能早于执业起始日。", "Must not be before practice began."),
            );
        }
        found.list("departments", &self.departments);
        found.list("languages", &self.languages);
        found.range("capacity", self.capacity, 1..=MAX_CAPACITY);
        found.password("password", self.password.as_ref());
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("email", self.email.clone()), ("licence_no", self.licence_no.clone())]
    }

    fn to_row(&self) -> Vec<String> {
        vec![
            self.email.clone(),
            self.name_zh.clone(),
            self.name_en.clone(),
            self.hospital_code.clone(),
            self.licence_no.clone(),
            self.licence_valid_until.to_string(),
            self.practising_since.to_string(),
            join(self.departments.iter().map(|department| department.as_str())),
            join(self.languages.iter().map(|language| language_code(*language))),
            self.capacity.to_string(),
            password_cell(self.password.as_ref()),
        ]
    }
}

/// The staff roles whose record is a mail address and a name. Separate types, so that
/// one cannot be passed for another; one macro, so that their code is not repeated.
macro_rules! plain_staff {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Sign-in address, in lower case.
            pub email: String,
            pub name_zh: String,
            /// English or pinyin.
            pub name_en: String,
            /// Initial password; without one the person is invited.
            #[serde(default)]
            pub password: Option<Secret>,
        }

        impl Record for $name {
            const KIND: &'static str = $kind;
            const COLUMNS: &'static [&'static str] = &["email", "name_zh", "name_en", "password"];
            const OPTIONAL: &'static [&'static str] = &["password"];

            fn parse(cells: &mut Cells<'_, '_>) -> Self {
                Self {
                    email: cells.code("email").to_lowercase(),
                    name_zh: cells.text("name_zh"),
                    name_en: cells.text("name_en"),
                    password: cells.optional_text("password").map(Secret::new),
                }
            }

            fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
                let mut found = Findings::default();
                found.email("email", &self.email);
                found.text("name_zh", &self.name_zh, NAME_CHARS);
                found.text("name_en", &self.name_en, NAME_CHARS);
                found.password("password", self.password.as_ref());
                found.done()
            }

            fn keys(&self) -> Vec<(&'static str, String)> {
                vec![("email", self.email.clone())]
            }

            fn to_row(&self) -> Vec<String> {
                let password = password_cell(self.password.as_ref());
                vec![self.email.clone(), self.name_zh.clone(), self.name_en.clone(), password]
            }
        }
    )+};
}

plain_staff! {
    /// A pharmacist of the network, who reviews prescriptions.
    PharmacistRecord = "pharmacists";
    /// A restocker, who fills cabinets.
    RestockerRecord = "restockers";
    /// An operator, who runs the network.
    OperatorRecord = "operators";
}

/// An employer's safety officer: sees fit / hold of their own people, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyOfficerRecord {
    /// Sign-in address, in lower case.
    pub email: String,
    pub name_zh: String,
    /// English or pinyin.
    pub name_en: String,
    pub employer_code: String,
    /// Initial password; without one the person is invited.
    #[serde(default)]
    pub password: Option<Secret>,
}

impl Record for SafetyOfficerRecord {
    const KIND: &'static str = "safety_officers";
    const COLUMNS: &'static [&'static str] = &["email", "name_zh", "name_en", "employer_code", "password"];
    const OPTIONAL: &'static [&'static str] = &["password"];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self {
            email: cells.code("email").to_lowercase(),
            name_zh: cells.text("name_zh"),
            name_en: cells.text("name_en"),
            employer_code: cells.code("employer_code"),
            password: cells.optional_text("password").map(Secret::new),
        }
    }

    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.email("email", &self.email);
        found.text("name_zh", &self.name_zh, NAME_CHARS);
        found.text("name_en", &self.name_en, NAME_CHARS);
        found.code("employer_code", &self.employer_code);
        found.password("password", self.password.as_ref());
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("email", self.email.clone())]
    }

    fn to_row(&self) -> Vec<String> {
        vec![
            self.email.clone(),
            self.name_zh.clone(),
            self.name_en.clone(),
            self.employer_code.clone(),
            password_cell(self.password.as_ref()),
        ]
    }
}

/// A span in which a doctor or pharmacist is on call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftRecord {
    pub staff_email: String,
    /// First instant on call.
    pub starts_at: Timestamp,
    /// First instant off call again.
    pub ends_at: Timestamp,
}

impl Record for ShiftRecord {
    const KIND: &'static str = "shifts";
    const COLUMNS: &'static [&'static str] = &["staff_email", "starts_at", "ends_at"];
    const OPTIONAL: &'static [&'static str] = &[];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        let (starts_at, ends_at) = (cells.instant("starts_at"), cells.instant("ends_at"));
        // Without a valid start the length cannot be checked: use one that passes.
        let starts_at = if cells.failed("starts_at") { ends_at - TimeDelta::hours(1) } else { starts_at };
        Self { staff_email: cells.code("staff_email").to_lowercase(), starts_at, ends_at }
    }

    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.email("staff_email", &self.staff_email);
        let length = self.ends_at - self.starts_at;
        if length <= TimeDelta::zero() {
            found.add(
                "ends_at",
                "wrong_order",
                Bilingual::fixed("结束须晚于开始。", "Must be after the start."),
            );
        } else if length > TimeDelta::hours(MAX_SHIFT_HOURS) {
            found.add(
                "ends_at",
                "out_of_range",
                Bilingual::made(
                    format!("班次不能超过 {MAX_SHIFT_HOURS} 小时。"),
                    format!("A shift is {MAX_SHIFT_HOURS} hours at most."),
                ),
            );
        }
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("starts_at", format!("{}/{}", self.staff_email, instant_cell(self.starts_at)))]
    }

    fn to_row(&self) -> Vec<String> {
        vec![self.staff_email.clone(), instant_cell(self.starts_at), instant_cell(self.ends_at)]
    }
}

/// The message for a shift that overlaps another shift of the same person.
pub fn overlap_message(starts_at: Timestamp, ends_at: Timestamp) -> Bilingual {
    let span = format!("{} - {}", instant_cell(starts_at), instant_cell(ends_at));
    Bilingual::made(
        format!("与该员工的另一班次重叠：{span}。"),
        format!("It meets another shift of this person: {span}."),
    )
}

fn password_cell(password: Option<&Secret>) -> String {
    password.map(|secret| secret.expose().to_owned()).unwrap_or_default()
}

fn instant_cell(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
