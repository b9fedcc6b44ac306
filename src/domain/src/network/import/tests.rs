//! Invalid files: single faults, and many at once.

use super::{
    super::{CabinetRecord, FileRecord, HospitalRecord, StationRecord, WorkerRecord},
    *,
};
use crate::{
    staff::{ShiftRecord, StaffRecord, role::Role},
    stock::record::StockRecord,
};

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).expect("a date")
}

fn header_of<'a, R: FileRecord>(cells: impl IntoIterator<Item = &'a str>) -> Result<Header, Vec<RowProblem>> {
    Header::read(cells, R::COLUMNS, R::OPTIONAL)
}

fn named<R>(parsed: Result<R, Vec<RowProblem>>) -> Vec<(u64, String, String)> {
    parsed.err().into_iter().flatten().map(|bad| (bad.line, bad.field, bad.code)).collect()
}

/// Parses one row of kind `R`; returns its faults as line, field and code.
fn faults<R: FileRecord>(line: u64, columns: &[&str], cells: &[&str]) -> Vec<(u64, String, String)> {
    let header = header_of::<R>(columns.iter().copied()).expect("a fine header");
    named(Row::new(&header, line, cells.iter().copied()).record(today(), R::parse))
}

/// Sets one column of a valid row to each bad value, and expects only that column's code.
fn table<R: FileRecord>(good: &[&str], cases: &[(&str, &str, &str)]) {
    table_of(R::KIND, &Columns::of::<R>(), R::parse, good, cases);
}

fn table_of<R: Record>(
    kind: &str,
    columns: &Columns,
    parse: impl Fn(&mut Cells<'_, '_>) -> R,
    good: &[&str],
    cases: &[(&str, &str, &str)],
) {
    let header = Header::read(columns.all.iter().copied(), &columns.all, columns.optional).expect("fine");
    let faults =
        |line, cells: &[&str]| named(Row::new(&header, line, cells.iter().copied()).record(today(), &parse));
    assert_eq!(faults(2, good), vec![], "the good row of {kind}");
    for (place, (column, bad, code)) in cases.iter().enumerate() {
        let line = place as u64 + 3;
        let cells: Vec<&str> = columns
            .all
            .iter()
            .zip(good)
            .map(|(name, cell)| if name == column { *bad } else { *cell })
            .collect();
        let expected = vec![(line, (*column).to_owned(), (*code).to_owned())];
        assert_eq!(faults(line, &cells), expected, "{kind} {column}={bad:?}");
    }
}

#[test]
fn bad_workers_are_named_by_line_and_field() {
    let good =
        ["990000000010", "483920", "样例·王海生", "15400000001", "1990-01-02", "male", "driver", "", "zh"];
    let long = "长".repeat(81);
    table::<WorkerRecord>(
        &good,
        &[
            ("card_number", "", "empty"),
            ("card_number", "99000000001", "bad_format"),
            ("card_number", "99000000001x", "bad_format"),
            ("card_number", "990000000014", "bad_check_digit"),
            ("pin", "", "empty"),
            ("pin", "48392", "bad_format"),
            ("pin", "123456", "too_easy"),
            ("name", "", "empty"),
            ("name", "   ", "empty"),
            ("name", &long, "too_long"),
            ("name", "王\u{7}海", "control_character"),
            ("name", "王\u{202E}海", "control_character"),
            ("phone", "12012345678", "bad_format"),
            ("phone", "1234567", "bad_format"),
            ("phone", "+86 12345", "bad_format"),
            ("birth_date", "", "empty"),
            ("birth_date", "2/1/1990", "bad_date"),
            ("birth_date", "32874", "bad_date"),
            ("birth_date", "1990-02-30", "bad_date"),
            ("birth_date", "2010-11-24", "out_of_range"),
            ("birth_date", "1900-01-01", "out_of_range"),
            ("birth_date", "2030-01-01", "out_of_range"),
            ("sex", "x", "unknown_value"),
            ("sex", "", "empty"),
            ("job", "pilot", "unknown_value"),
            ("employer_code", "Employer 1", "bad_format"),
            ("language", "fr", "unknown_value"),
        ],
    );
}

#[test]
fn bad_places_and_stock_are_named_by_line_and_field() {
    table::<StationRecord>(
        &["zhifu-01", "驿站", "Station", "zhifu", "37500000", "121400000", "consultation_only"],
        &[
            ("code", "Zhifu-01", "bad_format"),
            ("code", "-zhifu", "bad_format"),
            ("code", "a-code-that-is-longer-than-thirty-two-characters", "too_long"),
            ("name_en", "", "empty"),
            ("latitude_e6", "37,5", "bad_number"),
            ("latitude_e6", "37.5N", "bad_number"),
            ("latitude_e6", "121.4", "out_of_range"),
            ("latitude_e6", "37", "out_of_range"),
            ("latitude_e6", "99999999999", "bad_number"),
            ("latitude_e6", "", "empty"),
            ("latitude_e6", "121400000", "out_of_range"),
            ("longitude_e6", "37500000", "out_of_range"),
            ("encounter_lanes", "somewhere", "unknown_value"),
            ("encounter_lanes", "consultation_only;consultation_only", "duplicate"),
        ],
    );
    table::<CabinetRecord>(
        &["zhifu-01", ""],
        &[("lane", "anything", "unknown_value"), ("station_code", "", "empty")],
    );
    table::<HospitalRecord>(
        &["hospital-1", "医院", "Hospital", "zhifu", "4"],
        &[
            ("weight", "0", "out_of_range"),
            ("weight", "1001", "out_of_range"),
            ("weight", "four", "bad_number"),
        ],
    );
    table::<StockRecord>(
        &["zhifu-01", "1", "amoxicillin-250", "L1", "2027-01-01", "8", "20"],
        &[
            ("slot_no", "0", "out_of_range"),
            ("product_code", "阿莫西林", "bad_format"),
            ("lot_no", "", "empty"),
            ("expires_on", "2026-11-22", "out_of_range"),
            ("quantity", "21", "out_of_range"),
            ("quantity", "-1", "out_of_range"),
            ("product_code", "A", "bad_format"),
            ("capacity", "many", "bad_number"),
            ("slot_no", "", "empty"),
            ("capacity", "101", "out_of_range"),
        ],
    );
}

#[test]
fn bad_staff_and_shifts_are_named_by_line_and_field() {
    table_of(
        "doctors",
        &StaffRecord::columns(Role::Doctor),
        |cells| StaffRecord::parse(Role::Doctor, cells),
        &[
            "a@b.example",
            "甲",
            "A",
            "hospital-1",
            "L-1",
            "2030-01-01",
            "2015-01-01",
            "general_practice;ent",
            "zh;en",
            "2",
            "1",
            "",
        ],
        &[
            ("email", "no-at.example", "bad_format"),
            ("email", "a@b", "bad_format"),
            ("email", "a@b@c.example", "bad_format"),
            ("email", "a..b@c.example", "bad_format"),
            ("email", "a@b.example\r\nBcc: x", "control_character"),
            ("licence_valid_until", "2014-01-01", "wrong_order"),
            ("practising_since", "2026-11-24", "out_of_range"),
            ("departments", "", "empty"),
            ("departments", "ear-nose", "unknown_value"),
            ("departments", "ent;ent", "duplicate"),
            ("languages", "zh;fr", "unknown_value"),
            ("capacity", "0", "out_of_range"),
            ("video_capacity", "2", "out_of_range"),
            ("video_capacity", "many", "bad_number"),
            ("password", "short", "bad_length"),
        ],
    );
    table::<ShiftRecord>(
        &["a@b.example", "2026-11-23T08:00:00+08:00", "2026-11-23T16:00:00+08:00", ""],
        &[
            ("starts_at", "2026-11-23 08:00", "bad_time"),
            ("ends_at", "", "empty"),
            ("ends_at", "2026-11-23T00:00:00Z", "wrong_order"),
            ("ends_at", "2026-11-24T08:00:01+08:00", "out_of_range"),
            ("department", "Skin", "unknown_code"),
        ],
    );
}

#[test]
fn all_faults_of_a_row_are_reported_at_once_and_only_once_each() {
    let cells = ["", "1", "", "zz", "soon", "x", "driver", "", ""];
    let named: Vec<String> = faults::<WorkerRecord>(9, WorkerRecord::COLUMNS, &cells)
        .into_iter()
        .map(|(_, field, _)| field)
        .collect();
    assert_eq!(named, ["birth_date", "sex", "card_number", "pin", "name", "phone"]);
}

#[test]
fn a_header_must_have_known_columns() {
    let named = |cells: &[&str]| -> Vec<(u64, String, String)> {
        header_of::<HospitalRecord>(cells.iter().copied())
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|bad| (bad.line, bad.field, bad.code))
            .collect()
    };
    let bad = |field: &str, code: &str| (1, field.to_owned(), code.to_owned());
    assert_eq!(named(&["\u{FEFF}code", "name_zh", "name_en", " district ", "weight"]), vec![]);
    assert_eq!(named(&["code", "name_zh", "name_en", "district"]), vec![bad("weight", "missing_column")]);
    assert_eq!(
        named(&["code", "name_zh", "name_en", "district", "weight", "colour", "code"]),
        vec![bad("colour", "unknown_column"), bad("code", "duplicate_column")]
    );
    // A file without a header: the data of its first row is not repeated.
    let first = named(&["990000000010", "王海生"]);
    assert_eq!(first[0], bad("column[1]", "unknown_column"));
    assert_eq!(first[1], bad("column[2]", "unknown_column"));
    // An optional column may be left out.
    assert!(header_of::<CabinetRecord>(["station_code"]).is_ok());
}

#[test]
fn a_short_row_and_a_row_of_another_file_are_refused() {
    let named = faults::<HospitalRecord>(5, HospitalRecord::COLUMNS, &["h-1", "医院", "Hospital", "zhifu"]);
    assert_eq!(named[0], (5, "row".into(), "bad_row".into()));
    let cabinets = header_of::<CabinetRecord>(["station_code", "lane"]).expect("a fine header");
    let row = Row::new(&cabinets, 3, ["zhifu-01", "retail_b_only"]);
    let problems = row.record(today(), HospitalRecord::parse).expect_err("another kind of file");
    assert!(
        problems.iter().any(|bad| bad.field == "weight" && bad.code == "missing_column" && bad.line == 3)
    );
}

#[test]
fn a_key_is_unique_within_a_file() {
    let columns = StaffRecord::columns(Role::Doctor);
    let parse = |cells: &mut Cells<'_, '_>| StaffRecord::parse(Role::Doctor, cells);
    let mut intake = Intake::open(columns.all.iter().copied(), &columns, today(), parse).expect("opens");
    let mut take = |line: u64, email: &str, licence: &str| {
        let cells =
            [email, "甲", "A", "hospital-1", licence, "2030-01-01", "2015-01-01", "ent", "zh", "1", "", ""];
        let taken = intake.take(line, cells);
        taken
            .map(|doctor| doctor.email)
            .map_err(|bad| (bad[0].line, bad[0].field.clone(), bad[0].message.en.clone()))
    };
    assert_eq!(take(2, "a@b.example", "L-1"), Ok("a@b.example".into()));
    assert_eq!(take(3, "c@b.example", "L-2"), Ok("c@b.example".into()));
    // Addresses that differ only in case are the same.
    let again = take(7, "A@b.example", "L-3").expect_err("a duplicate");
    assert_eq!((again.0, again.1.as_str()), (7, "email"));
    assert!(again.2.contains("Line 2"), "{}", again.2);
    assert_eq!(take(8, "d@b.example", "L-2").expect_err("a duplicate").1, "licence_no");
}

#[test]
fn a_missing_column_gets_the_narrow_default() {
    let header = header_of::<CabinetRecord>(["station_code"]).expect("a fine header");
    let record = Row::new(&header, 2, [" zhifu-01 "]).record(today(), CabinetRecord::parse).expect("fine");
    assert_eq!(record.lane, crate::prescription::CabinetLane::RetailBOnly);
    assert_eq!(record.station_code, "zhifu-01");
    let columns = ["code", "name_zh", "name_en", "district", "latitude_e6", "longitude_e6"];
    let header = header_of::<StationRecord>(columns).expect("a fine header");
    let cells = ["s-1", "驿站", "Station", "zhifu", "37500000", "121400000"];
    let station = Row::new(&header, 2, cells).record(today(), StationRecord::parse).expect("fine");
    assert!(!station.encounter_lanes.contains(&crate::prescription::EncounterLane::MinorAilmentPilot));
}

#[test]
fn messages_never_repeat_the_content_of_a_cell() {
    let cells =
        ["990000000014", "123456", "王\u{7}海", "12012345678", "1899-01-01", "x", "driver", "Nope No", "qq"];
    let header = header_of::<WorkerRecord>(WorkerRecord::COLUMNS.iter().copied()).expect("a fine header");
    let problems =
        Row::new(&header, 2, cells).record(today(), WorkerRecord::parse).expect_err("everything is wrong");
    let messages = serde_json::to_string(&problems).expect("serializes");
    for cell in cells.iter().filter(|cell| cell.len() > 4) {
        assert!(!messages.contains(cell), "{cell} in {messages}");
    }
}

/// Parses a record of kind `R` from cells in the order of its columns.
fn read<R: FileRecord>(cells: &[&str]) -> R {
    let header = header_of::<R>(R::COLUMNS.iter().copied()).expect("a fine header");
    Row::new(&header, 2, cells.iter().copied())
        .record(today(), R::parse)
        .map_err(|bad| format!("{bad:?}"))
        .expect("fine")
}

#[test]
fn formats_of_spreadsheets_and_input_methods_are_parsed() {
    let columns = WorkerRecord::COLUMNS.len();
    let row = |card: &str, pin: &str, born: &str| -> WorkerRecord {
        let cells = [card, pin, "样例·王海生", "１５４００００００01", born, "male", "driver", "", "zh"];
        assert_eq!(cells.len(), columns);
        read(&cells)
    };
    let born = NaiveDate::from_ymd_opt(1990, 1, 2).expect("a date");
    for written in ["1990-01-02", "1990/1/2", "1990.1.2", "1990年1月2日", "19900102", "１９９０－０１－０２"]
    {
        assert_eq!(row("９９００００００００１０", "４８３９２０", written).birth_date, born, "{written}");
    }
    let worker = row("９９００００００００１０", "４８３９２０", "1990-01-02");
    assert_eq!((worker.card_number.as_str(), worker.phone.as_str()), ("990000000010", "15400000001"));
    assert_eq!(worker.pin.expose(), "483920");
    let station: StationRecord = read(&[
        "ｚhifu-01",
        "驿站",
        "Station",
        "zhifu",
        "37.54",
        "121.3912345",
        "consultation_only；minor_ailment_pilot",
    ]);
    assert_eq!((station.latitude_e6, station.longitude_e6), (37_540_000, 121_391_234));
    assert_eq!((station.code.as_str(), station.encounter_lanes.len()), ("zhifu-01", 2));
}

#[test]
fn an_unknown_value_is_answered_with_the_allowed_ones() {
    let header = header_of::<CabinetRecord>(["station_code", "lane"]).expect("a fine header");
    let problems = Row::new(&header, 2, ["zhifu-01", "retail"])
        .record(today(), CabinetRecord::parse)
        .expect_err("refused");
    for language in [&problems[0].message.zh, &problems[0].message.en] {
        assert!(language.contains("retail_b_only, institution_dispense"), "{language}");
    }
}
