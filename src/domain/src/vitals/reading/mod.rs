//! The kinds of reading, and the validation of one that a station sent.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::shown::Beyond;
use crate::{
    refusal::FieldProblem,
    time::{Timestamp, to_micros},
    words::Bilingual,
};

/// A reading older than this was not measured at this check-in. Our default.
pub(crate) const MEASURED_AT_MAX_AGE_S: i64 = 15 * 60;

/// How far a device's clock may run ahead before its time counts as the future. Our default.
pub(crate) const MEASURED_AT_TOLERANCE_S: i64 = 5;

/// Maximum length of a measuring device's name, in characters.
const DEVICE_MAX_CHARS: usize = crate::spelling::DeviceName::MOST;

crate::text_enum! {
    /// What a station can measure.
    pub enum ReadingKind {
        /// Systolic, with the diastolic as the second value.
        BloodPressure = "blood_pressure",
        /// Heart beats a minute.
        HeartRate = "heart_rate",
        /// Oxygen saturation by pulse oximetry.
        Spo2 = "spo2",
        /// Body temperature.
        Temperature = "temperature",
        /// Breaths a minute.
        RespiratoryRate = "respiratory_rate",
        /// Capillary blood glucose.
        Glucose = "glucose",
        /// Body weight.
        Weight = "weight",
        /// Ethanol in exhaled air.
        BreathAlcohol = "breath_alcohol",
    }
}

crate::text_enum! {
    /// Level of consciousness (NEWS2). Asked by a person, not measured by a device.
    pub enum Acvpu {
        /// Alert.
        Alert = "A",
        /// Newly confused.
        Confused = "C",
        /// Answers to a voice.
        Voice = "V",
        /// Answers to pain only.
        Pain = "P",
        /// Unresponsive.
        Unresponsive = "U",
    }
}

/// What an assessment needs in addition to the readings. `None` is "nobody checked", never
/// "normal".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AssessmentContext {
    /// How awake the worker is.
    pub consciousness: Option<Acvpu>,
    /// Whether the worker breathes extra oxygen.
    pub supplemental_oxygen: Option<bool>,
    /// 2 only where a clinician set a target of 88-92 %; 1 where absent.
    #[schema(minimum = 1, maximum = 2)]
    pub spo2_scale: Option<i64>,
}

/// The wire unit of one kind, and the values that a station's device can actually give.
///
/// Values are whole numbers, so the unit determines the scale: a device that sends 37 as `Cel` is
/// refused instead of being read as 3.7 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReadingRange {
    /// UCUM code of one whole step on the wire, e.g. `dCel` (a tenth of a degree).
    pub unit: &'static str,
    /// UCUM code for people and for FHIR, e.g. `Cel`.
    pub display_unit: &'static str,
    /// Decimal places between `unit` and `display_unit`: 1 means tenths.
    pub decimals: u32,
    /// Lowest allowed value, in `unit`.
    pub min: i64,
    /// Highest allowed value, in `unit`.
    pub max: i64,
    /// Allowed second value (the diastolic), where there is one.
    pub second: Option<(i64, i64)>,
    /// LOINC code of the observation; `None` where LOINC has no quantitative one.
    pub loinc: Option<&'static str>,
}

impl ReadingRange {
    const fn of(unit: &'static str, min: i64, max: i64, loinc: &'static str) -> Self {
        Self { unit, display_unit: unit, decimals: 0, min, max, second: None, loinc: Some(loinc) }
    }

    const fn shown(self, display_unit: &'static str, decimals: u32) -> Self {
        Self { display_unit, decimals, ..self }
    }

    /// `value` in the display unit, exactly: 365 tenths are `36.5`.
    pub fn show(&self, value: i64) -> String {
        let scale = 10_u64.pow(self.decimals);
        let sign = if value < 0 { "-" } else { "" };
        let (whole, rest) = (value.unsigned_abs() / scale, value.unsigned_abs() % scale);
        match self.decimals {
            0 => format!("{sign}{whole}"),
            places => format!("{sign}{whole}.{rest:0width$}", width = places as usize),
        }
    }

    /// Whether `value` (in `unit`) may be stored.
    pub const fn allows(&self, value: i64) -> bool {
        self.min <= value && value <= self.max
    }
}

impl ReadingKind {
    /// Unit, measuring range and LOINC code of this kind. The ranges are those of common
    /// point-of-care devices (our default): they catch errors, they do not assess health.
    pub const fn range(self) -> ReadingRange {
        match self {
            Self::BloodPressure => {
                ReadingRange { second: Some((20, 200)), ..ReadingRange::of("mm[Hg]", 40, 300, "85354-9") }
            }
            Self::HeartRate => ReadingRange::of("/min", 20, 300, "8867-4"),
            Self::Spo2 => ReadingRange::of("%", 35, 100, "59408-5"),
            Self::Temperature => ReadingRange::of("dCel", 250, 450, "8310-5").shown("Cel", 1),
            Self::RespiratoryRate => ReadingRange::of("/min", 2, 80, "9279-1"),
            Self::Glucose => ReadingRange::of("10*-1.mmol/L", 6, 333, "14743-9").shown("mmol/L", 1),
            Self::Weight => ReadingRange::of("hg", 20, 3_000, "29463-7").shown("kg", 1),
            Self::BreathAlcohol => {
                ReadingRange { loinc: None, ..ReadingRange::of("ug/L", 0, 4_000, "") }.shown("mg/L", 3)
            }
        }
    }

    /// The name for people.
    pub const fn label(self) -> Bilingual {
        match self {
            Self::BloodPressure => Bilingual::fixed("血压", "blood pressure"),
            Self::HeartRate => Bilingual::fixed("心率", "heart rate"),
            Self::Spo2 => Bilingual::fixed("血氧饱和度", "oxygen saturation"),
            Self::Temperature => Bilingual::fixed("体温", "temperature"),
            Self::RespiratoryRate => Bilingual::fixed("呼吸频率", "respiratory rate"),
            Self::Glucose => Bilingual::fixed("血糖", "glucose"),
            Self::Weight => Bilingual::fixed("体重", "weight"),
            Self::BreathAlcohol => Bilingual::fixed("呼气酒精", "breath alcohol"),
        }
    }
}

/// One reading as a station sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingInput {
    pub kind: ReadingKind,
    /// The value, in whole steps of `unit`; absent where `beyond` is given.
    #[serde(default)]
    pub value: Option<i64>,
    /// What the device shows instead of a number.
    #[serde(default)]
    pub beyond: Option<Beyond>,
    /// The diastolic pressure; for blood pressure only.
    #[serde(default)]
    pub second: Option<i64>,
    /// UCUM code; must be the one of the kind.
    pub unit: String,
    /// The station's measuring device.
    pub device: String,
    /// The time of measurement; now where absent.
    #[serde(default)]
    pub measured_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Whether the worker had fasted; for glucose only.
    #[serde(default)]
    pub fasting: Option<bool>,
}

/// A reading that passed validation; made by [`validate`] or from storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValidReading {
    pub kind: ReadingKind,
    /// The value, in whole steps of the kind's unit; `None` where `beyond` is given.
    pub value: Option<i64>,
    /// What the device showed instead of a number.
    pub beyond: Option<Beyond>,
    /// The diastolic pressure, mmHg.
    pub second: Option<i64>,
    /// The measuring device.
    pub device: String,
    /// Never later than the time at which it was received.
    pub measured_at: Timestamp,
    /// Whether the worker had fasted; `None` means unknown.
    pub fasting: Option<bool>,
}

/// Validates one reading. `index` is its place in the request, for the field paths.
///
/// # Errors
/// One problem per bad field: `wrong_unit`, `missing`, `not_applicable`,
/// `out_of_range`, `not_below_systolic`, `in_the_future`, `too_old`, `invalid_text`.
pub fn validate(
    input: &ReadingInput,
    index: usize,
    now: Timestamp,
) -> Result<ValidReading, Vec<FieldProblem>> {
    let mut problems = Problems { prefix: format!("readings[{index}]"), found: Vec::new() };
    check_value(input, &mut problems);
    check_second(input, &mut problems);
    check_device_and_fasting(input, &mut problems);
    let measured_at = check_time(input.measured_at, now, &mut problems);
    if !problems.found.is_empty() {
        return Err(problems.found);
    }
    Ok(ValidReading {
        kind: input.kind,
        value: input.value,
        beyond: input.beyond,
        second: input.second,
        device: input.device.trim().to_owned(),
        measured_at,
        fasting: input.fasting,
    })
}

/// Validates all readings of a request and collects every problem.
///
/// # Errors
/// As [`validate`].
pub fn validate_all(inputs: &[ReadingInput], now: Timestamp) -> Result<Vec<ValidReading>, Vec<FieldProblem>> {
    let mut valid = Vec::with_capacity(inputs.len());
    let mut problems = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        match validate(input, index, now) {
            Ok(reading) => valid.push(reading),
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() { Ok(valid) } else { Err(problems) }
}

struct Problems {
    prefix: String,
    found: Vec<FieldProblem>,
}

impl Problems {
    fn add(&mut self, field: &str, code: &str, message: Bilingual) {
        self.found.push(FieldProblem {
            field: format!("{}.{field}", self.prefix),
            code: code.into(),
            message,
        });
    }
}

/// The refusal's message for a value outside `min..=max`, with the allowed range.
pub fn range_message(range: &ReadingRange, min: i64, max: i64) -> Bilingual {
    let unit = range.unit;
    let shown = if range.decimals == 0 {
        String::new()
    } else {
        format!(" = {} - {} {}", range.show(min), range.show(max), range.display_unit)
    };
    Bilingual::made(
        format!("允许范围为 {min} 至 {max} {unit}{shown}。"),
        format!("The allowed range is {min} to {max} {unit}{shown}."),
    )
}

fn check_value(input: &ReadingInput, problems: &mut Problems) {
    let range = input.kind.range();
    if input.unit != range.unit {
        let (zh, en) = (input.kind.label().zh, input.kind.label().en);
        let note = if range.decimals == 0 {
            String::new()
        } else {
            format!(" (1 {} = {} {})", range.unit, range.show(1), range.display_unit)
        };
        problems.add(
            "unit",
            "wrong_unit",
            Bilingual::made(
                format!("{zh}的单位须为 {}{note}。", range.unit),
                format!("The unit of {en} must be {}{note}.", range.unit),
            ),
        );
    }
    match (input.value, input.beyond) {
        (Some(value), None) if range.allows(value) => {}
        (Some(_), None) => {
            problems.add("value", "out_of_range", range_message(&range, range.min, range.max));
        }
        (None, None) => problems.add(
            "value",
            "missing_field",
            Bilingual::fixed(
                "须给出数值；仪器显示 HI 或 LO 时给出 beyond。",
                "Give the value, or `beyond` where the device shows HI or LO.",
            ),
        ),
        (Some(_), Some(_)) => problems.add(
            "beyond",
            "not_applicable",
            Bilingual::fixed(
                "仪器显示 HI 或 LO 时没有数值，请勿填写数值。",
                "A device that shows HI or LO gives no number: leave the value out.",
            ),
        ),
        (None, Some(beyond)) if input.kind.beyond().contains(&beyond) => {}
        (None, Some(_)) => problems.add(
            "beyond",
            "not_applicable",
            Bilingual::fixed(
                "这种仪器不会这样显示。",
                "A device for this kind of reading does not show that.",
            ),
        ),
    }
}

fn check_second(input: &ReadingInput, problems: &mut Problems) {
    let range = input.kind.range();
    match (range.second, input.second) {
        (None, None) => {}
        (None, Some(_)) => problems.add(
            "second",
            "not_applicable",
            Bilingual::fixed("只有血压有第二个值。", "Only blood pressure has a second value."),
        ),
        (Some(_), Some(_)) if input.beyond.is_some() => problems.add(
            "second",
            "not_applicable",
            Bilingual::fixed(
                "仪器显示 HI 或 LO 时没有舒张压。",
                "A cuff that shows HI or LO gives no diastolic.",
            ),
        ),
        (Some(_), None) if input.beyond.is_some() => {}
        (Some(_), None) => problems.add(
            "second",
            "missing",
            Bilingual::fixed(
                "血压须同时给出舒张压。",
                "Blood pressure needs the diastolic as its second value.",
            ),
        ),
        (Some((min, max)), Some(diastolic)) => {
            if diastolic < min || diastolic > max {
                problems.add("second", "out_of_range", range_message(&range, min, max));
            } else if input.value.is_some_and(|systolic| diastolic >= systolic) {
                problems.add(
                    "second",
                    "not_below_systolic",
                    Bilingual::fixed("舒张压须低于收缩压。", "The diastolic must be below the systolic."),
                );
            }
        }
    }
}

fn check_device_and_fasting(input: &ReadingInput, problems: &mut Problems) {
    let device = input.device.trim();
    if device.is_empty() || device.chars().count() > DEVICE_MAX_CHARS || device.chars().any(char::is_control)
    {
        problems.add(
            "device",
            "invalid_text",
            Bilingual::made(
                format!("设备名须为 1 到 {DEVICE_MAX_CHARS} 个可见字符。"),
                format!("The device must be 1 to {DEVICE_MAX_CHARS} visible characters."),
            ),
        );
    }
    if input.fasting.is_some() && input.kind != ReadingKind::Glucose {
        problems.add(
            "fasting",
            "not_applicable",
            Bilingual::fixed("只有血糖需要说明是否空腹。", "Only glucose says whether the worker fasted."),
        );
    }
}

fn check_time(measured_at: Option<Timestamp>, now: Timestamp, problems: &mut Problems) -> Timestamp {
    let Some(at) = measured_at else { return to_micros(now) };
    let age = now.signed_duration_since(at);
    if age < TimeDelta::seconds(-MEASURED_AT_TOLERANCE_S) {
        problems.add(
            "measured_at",
            "in_the_future",
            Bilingual::fixed(
                "测量时间在将来，请检查设备时钟。",
                "Measured in the future; check the device's clock.",
            ),
        );
    } else if age > TimeDelta::seconds(MEASURED_AT_MAX_AGE_S) {
        problems.add(
            "measured_at",
            "too_old",
            Bilingual::fixed(
                "测量已超过 15 分钟，请重新测量。",
                "Measured over 15 minutes ago; measure again.",
            ),
        );
    }
    to_micros(at.min(now))
}

mod schema;
#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
