//! The record of a member of staff. What it has depends on the role: see the table of roles.

use chrono::NaiveDate;

use super::role::{Part, Role};
use crate::{
    matching::Department,
    network::{
        Record, Secret,
        checks::{Findings, NAME_CHARS},
        import::{Cells, Columns, LANGUAGES, join, language_code},
    },
    refusal::FieldProblem,
    words::{Bilingual, Language},
};

/// Concurrent consultations of one doctor by text that a policy can allow.
pub const MAX_CAPACITY: i32 = 10;
/// And by video: nobody talks to two at once.
const MAX_VIDEO_CAPACITY: i32 = 1;
const VIDEO_CAPACITY: &str = "video_capacity";
/// The columns with which every record begins; the last column is the password.
const COMMON: [&str; 3] = ["email", "name_zh", "name_en"];
const PASSWORD: &str = "password";

impl Part {
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Hospital => &["hospital_code"],
            Self::Employer => &["employer_code"],
            Self::Doctor => &[
                "licence_no",
                "licence_valid_until",
                "practising_since",
                "departments",
                "languages",
                "capacity",
                VIDEO_CAPACITY,
            ],
            Self::Pharmacist => &["licence_no", "licence_valid_until"],
        }
    }
}

/// A member of staff of any role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffRecord {
    pub role: Role,
    /// Sign-in address, in lower case.
    pub email: String,
    pub name_zh: String,
    /// English or pinyin.
    pub name_en: String,
    pub hospital_code: Option<String>,
    pub employer_code: Option<String>,
    pub doctor: Option<DoctorRecord>,
    pub pharmacist: Option<PharmacistRecord>,
    /// Initial password; without one the person is invited.
    pub password: Option<Secret>,
}

/// The part of a record that only a doctor has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorRecord {
    pub licence_no: String,
    /// The licence's last day.
    pub licence_valid_until: NaiveDate,
    /// First day of independent practice; prescribing asks for three years.
    pub practising_since: NaiveDate,
    /// The main department first.
    pub departments: Vec<Department>,
    pub languages: Vec<Language>,
    /// Maximum number of concurrent live consultations by text, 1 to 10; of a new number the policy allows
    /// fewer (`most_text_places`).
    pub capacity: i32,
    /// The same by video, 0 or 1. If missing, that of a known doctor stays, and a new one has
    /// [`DEFAULT_VIDEO_CAPACITY`](Self::DEFAULT_VIDEO_CAPACITY).
    pub video_capacity: Option<i32>,
}

/// The part of a record that only a pharmacist has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PharmacistRecord {
    pub licence_no: String,
    /// The licence's last day. An expired licence is accepted: the pharmacist is stored, but may not
    /// approve.
    pub licence_valid_until: NaiveDate,
}

impl StaffRecord {
    /// A record without the parts that only some roles have.
    pub fn new(role: Role, email: String, name_zh: String, name_en: String) -> Self {
        Self {
            role,
            email,
            name_zh,
            name_en,
            hospital_code: None,
            employer_code: None,
            doctor: None,
            pharmacist: None,
            password: None,
        }
    }

    /// The columns of a file of this role.
    pub fn columns(role: Role) -> Columns {
        let parts = parts(role).iter().flat_map(|part| part.columns());
        let all = COMMON.iter().chain(parts).chain(&[PASSWORD]).copied().collect();
        Columns { all, optional: &[VIDEO_CAPACITY, PASSWORD], kept_if_missing: &[VIDEO_CAPACITY, PASSWORD] }
    }

    /// Parses the cells of a row of this role's file.
    pub fn parse(role: Role, cells: &mut Cells<'_, '_>) -> Self {
        let email = cells.code("email").to_lowercase();
        let mut record = Self::new(role, email, cells.text("name_zh"), cells.text("name_en"));
        for part in parts(role) {
            match part {
                Part::Hospital => record.hospital_code = Some(cells.code("hospital_code")),
                Part::Employer => record.employer_code = Some(cells.code("employer_code")),
                Part::Doctor => record.doctor = Some(DoctorRecord::parse(cells)),
                Part::Pharmacist => record.pharmacist = Some(PharmacistRecord::parse(cells)),
            }
        }
        record.password = cells.optional_text(PASSWORD).map(Secret::new);
        record
    }

    /// Number and last day of the licence, where the role has one.
    pub fn licence(&self) -> Option<(&str, NaiveDate)> {
        let doctor = self.doctor.as_ref().map(|one| (one.licence_no.as_str(), one.licence_valid_until));
        let pharmacist = self.pharmacist.as_ref();
        doctor.or(pharmacist.map(|one| (one.licence_no.as_str(), one.licence_valid_until)))
    }
}

fn parts(role: Role) -> &'static [Part] {
    role.staff().map_or(&[], |staff| staff.record)
}

impl Record for StaffRecord {
    fn validate(&self, today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.email("email", &self.email);
        found.text("name_zh", &self.name_zh, NAME_CHARS);
        found.text("name_en", &self.name_en, NAME_CHARS);
        if let Some(code) = &self.hospital_code {
            found.code("hospital_code", code);
        }
        if let Some(code) = &self.employer_code {
            found.code("employer_code", code);
        }
        if let Some(doctor) = &self.doctor {
            doctor.validate(today, &mut found);
        }
        if let Some(pharmacist) = &self.pharmacist {
            found.label("licence_no", &pharmacist.licence_no);
        }
        found.password(PASSWORD, self.password.as_ref());
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        let licence = self.licence().into_iter().map(|(number, _)| ("licence_no", number.to_owned()));
        std::iter::once(("email", self.email.clone())).chain(licence).collect()
    }

    fn to_row(&self) -> Vec<String> {
        let mut row = vec![self.email.clone(), self.name_zh.clone(), self.name_en.clone()];
        row.extend(self.hospital_code.clone());
        row.extend(self.employer_code.clone());
        row.extend(self.doctor.iter().flat_map(DoctorRecord::to_row));
        row.extend(self.pharmacist.iter().flat_map(PharmacistRecord::to_row));
        row.push(self.password.as_ref().map(|secret| secret.expose().to_owned()).unwrap_or_default());
        row
    }
}

impl PharmacistRecord {
    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self { licence_no: cells.code("licence_no"), licence_valid_until: cells.date("licence_valid_until") }
    }

    fn to_row(&self) -> [String; 2] {
        [self.licence_no.clone(), self.licence_valid_until.to_string()]
    }
}

impl DoctorRecord {
    /// Our default.
    pub const DEFAULT_VIDEO_CAPACITY: i32 = 1;

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self {
            licence_no: cells.code("licence_no"),
            licence_valid_until: cells.date("licence_valid_until"),
            practising_since: cells.date("practising_since"),
            departments: cells.codes(
                "departments",
                Bilingual::fixed("须为科室编码。", "Must be codes of departments."),
                Department::parse,
            ),
            languages: cells.list("languages", LANGUAGES, language_code),
            capacity: cells.number("capacity"),
            video_capacity: cells.optional_number(VIDEO_CAPACITY),
        }
    }

    fn validate(&self, today: NaiveDate, found: &mut Findings) {
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
        if let Some(video) = self.video_capacity {
            found.range(VIDEO_CAPACITY, video, 0..=MAX_VIDEO_CAPACITY);
        }
    }

    fn to_row(&self) -> [String; 7] {
        [
            self.licence_no.clone(),
            self.licence_valid_until.to_string(),
            self.practising_since.to_string(),
            join(self.departments.iter().map(|department| department.as_str())),
            join(self.languages.iter().map(|language| language_code(*language))),
            self.capacity.to_string(),
            self.video_capacity.map(|video| video.to_string()).unwrap_or_default(),
        ]
    }
}

/// The problems of a mail address, by the rules of a staff record.
pub fn check_email(field: &str, email: &str) -> Vec<FieldProblem> {
    let mut found = Findings::default();
    found.email(field, email);
    found.done()
}
