//! The complaints of simulated workers, with plausible readings, and what a
//! simulated doctor prescribes for them. Every drug is in the shipped formulary.
//! For demonstrations only: this is not clinical advice.

use serde_json::{Value, json};

use super::api::LineInput;

#[derive(Debug)]
pub struct Complaint {
    /// A stable code for reports.
    pub slug: &'static str,
    /// The worker's text.
    pub text: &'static str,
    /// Tenths of a degree.
    temperature: i64,
    heart_rate: i64,
    /// Systolic and diastolic.
    pressure: (i64, i64),
    /// The doctor's diagnosis: ICD-10 code and name.
    pub diagnosis: (&'static str, &'static str),
    /// The doctor's question.
    pub question: &'static str,
    /// The worker's answer.
    pub answer: &'static str,
    /// Treatments, in order of preference.
    pub treatments: &'static [&'static [LineInput]],
}

const fn line(product_code: &'static str, thousandths: u32, times_per_day: u32, days: u32) -> LineInput {
    LineInput { product_code, dose_units_thousandths: thousandths, times_per_day, days }
}

pub(crate) const COMPLAINTS: &[Complaint] = &[
    Complaint {
        slug: "fever",
        text: "昨晚开始发热、头痛、流清涕 / fever, headache and a runny nose since last night",
        temperature: 379,
        heart_rate: 86,
        pressure: (124, 78),
        diagnosis: ("J00", "急性上呼吸道感染（普通感冒） / common cold"),
        question: "您好，发热多久了？有没有吃过退烧药？",
        answer: "从昨晚开始，还没吃药。",
        treatments: &[&[line("PCM-T500", 1_000, 3, 3)], &[line("IBU-SR300", 1_000, 2, 3)]],
    },
    Complaint {
        slug: "rhinitis",
        text: "一刮风就打喷嚏、鼻痒 / sneezing and an itchy nose in the wind",
        temperature: 365,
        heart_rate: 74,
        pressure: (118, 76),
        diagnosis: ("J30.4", "过敏性鼻炎 / allergic rhinitis"),
        question: "您好，以前有过敏史吗？用过什么药？",
        answer: "每年这个季节都这样，没有对药过敏过。",
        treatments: &[&[line("LOR-T10", 1_000, 1, 7)], &[line("CET-T10", 1_000, 1, 5)]],
    },
    Complaint {
        slug: "heartburn",
        text: "饭后反酸、烧心一周 / acid and heartburn after meals for a week",
        temperature: 364,
        heart_rate: 72,
        pressure: (126, 82),
        diagnosis: ("R12", "烧心 / heartburn"),
        question: "您好，有没有黑便、消瘦或吞咽困难？",
        answer: "没有，就是吃完饭烧心。",
        treatments: &[&[line("OME-C20", 1_000, 1, 7)], &[line("FAM-T20", 1_000, 2, 5)]],
    },
    Complaint {
        slug: "diarrhoea",
        text: "今天水样腹泻三次，没有发热 / watery stools three times today, no fever",
        temperature: 368,
        heart_rate: 84,
        pressure: (116, 74),
        diagnosis: ("K52.9", "急性腹泻 / acute diarrhoea"),
        question: "您好，大便里有没有血？能喝水吗？",
        answer: "没有血，能喝水。",
        treatments: &[
            &[line("SME-P3", 1_000, 3, 3), line("ORS-P", 1_000, 2, 3)],
            &[line("SME-P3", 1_000, 3, 3)],
        ],
    },
    Complaint {
        slug: "muscle_pain",
        text: "搬货后腰背肌肉酸痛 / sore back muscles after lifting",
        temperature: 366,
        heart_rate: 76,
        pressure: (122, 80),
        diagnosis: ("M79.1", "肌痛 / muscle pain"),
        question: "您好，疼痛有没有放射到腿上？有胃溃疡吗？",
        answer: "没有，就是腰酸，胃没问题。",
        treatments: &[&[line("IBU-SR300", 1_000, 2, 3)], &[line("DIC-G1", 1_000, 3, 5)]],
    },
    Complaint {
        slug: "foot_fungus",
        text: "脚趾缝发痒脱皮 / itchy, peeling skin between the toes",
        temperature: 365,
        heart_rate: 70,
        pressure: (120, 78),
        diagnosis: ("B35.3", "足癣 / athlete's foot"),
        question: "您好，有没有破溃流水？",
        answer: "没有，就是痒和脱皮。",
        treatments: &[&[line("CLO-CR1", 500, 2, 7)]],
    },
    Complaint {
        slug: "cough",
        text: "咳嗽有痰三天，痰不易咳出 / cough with sticky phlegm for three days",
        temperature: 367,
        heart_rate: 78,
        pressure: (118, 76),
        diagnosis: ("R05", "咳嗽 / cough"),
        question: "您好，有没有胸闷气短？痰是什么颜色？",
        answer: "没有胸闷，白痰。",
        treatments: &[&[line("AMB-T30", 1_000, 3, 5)]],
    },
];

impl Complaint {
    /// The complaint of the journey at `index`.
    pub fn of(index: usize) -> &'static Complaint {
        &COMPLAINTS[index % COMPLAINTS.len()]
    }

    /// The complaint whose text is contained in `text`.
    pub(crate) fn in_text(text: &str) -> Option<&'static Complaint> {
        COMPLAINTS.iter().find(|complaint| text.contains(complaint.text))
    }

    /// The readings that the station sends for such a worker.
    pub fn readings(&self) -> Value {
        let reading = |kind: &str, value: i64, unit: &str, device: &str| json!({"kind": kind, "value": value, "unit": unit, "device": device});
        let mut pressure = reading("blood_pressure", self.pressure.0, "mm[Hg]", "cuff-1");
        pressure["second"] = self.pressure.1.into();
        json!({
            "readings": [
                pressure,
                reading("heart_rate", self.heart_rate, "/min", "cuff-1"),
                reading("spo2", 98, "%", "oximeter-1"),
                reading("temperature", self.temperature, "dCel", "thermometer-1"),
                reading("respiratory_rate", 16, "/min", "observed"),
            ],
            "context": {"consciousness": "A", "supplemental_oxygen": false},
        })
    }
}

/// The codes of every treatment, the most common first: a sample cabinet
/// that stocks them first can serve every simulated prescription.
pub fn product_codes() -> Vec<&'static str> {
    let mut codes: Vec<&'static str> = Vec::new();
    let most = COMPLAINTS.iter().map(|complaint| complaint.treatments.len()).max().unwrap_or(0);
    for choice in 0..most {
        for line in COMPLAINTS.iter().filter_map(|c| c.treatments.get(choice)).flat_map(|lines| lines.iter())
        {
            if !codes.contains(&line.product_code) {
                codes.push(line.product_code);
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::vitals::{ReadingInput, validate_all};

    #[test]
    fn every_reading_is_valid_and_every_text_identifies_its_complaint() {
        let now = chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        for complaint in COMPLAINTS {
            let readings: Vec<ReadingInput> =
                serde_json::from_value(complaint.readings()["readings"].clone()).unwrap();
            assert!(validate_all(&readings, now).is_ok(), "{}", complaint.slug);
            let found = Complaint::in_text(complaint.text).map(|c| c.slug);
            assert_eq!(found, Some(complaint.slug));
        }
        assert!(Complaint::in_text("牙疼").is_none());
    }

    #[test]
    fn first_choices_are_stocked_first() {
        let codes = product_codes();
        assert_eq!(codes.first(), Some(&"PCM-T500"));
        let second = codes.iter().position(|code| *code == "CET-T10").unwrap();
        let first = codes.iter().position(|code| *code == "AMB-T30").unwrap();
        assert!(first < second);
    }
}
