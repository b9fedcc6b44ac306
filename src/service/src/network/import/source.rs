//! Reads CSV as text editors and spreadsheets write it: comments above the header; commas,
//! semicolons or tabs between the cells; rows of separators only. No row is lost: everything that
//! is not a comment above the header is a row.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use super::{Existing, Found, ImportError, Lined, MOST_PROBLEMS, unix_lines::UnixLines};
use crate::AppState;
use domain::{
    formulary::{COLUMNS, LABEL_COLUMNS, LABEL_TEXTS, OPTIONAL, Product, TEXTS},
    hidden::has_hidden_characters,
    network::{
        FileRecord, Record,
        import::{Cells, Columns, Header, Intake, Row, RowProblem, Seen},
    },
    refusal::FieldProblem,
    staff::{StaffRecord, role::Role},
    time::civil_day,
    words::Bilingual,
};

/// Accepted separators.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// A file to read. `progress` is called with the bytes read and the bytes in all.
pub(super) struct Source<'a> {
    pub app: &'a AppState,
    pub path: &'a Path,
    pub progress: &'a dyn Fn(u64, u64),
    pub existing: Existing,
}

/// An open catalogue.
pub(super) struct Products {
    opened: Opened,
    pub header: Header,
}

/// An open file, positioned after its comments.
struct Opened {
    reader: csv::Reader<UnixLines<BufReader<File>>>,
    size: u64,
    /// Number of comment lines above the header.
    comment_lines: u64,
    /// Number of comment bytes above the header.
    comment_bytes: u64,
}

impl Source<'_> {
    /// Every row as a record of kind `R`.
    pub fn records<R: FileRecord>(&self) -> Result<Vec<Lined<R>>, ImportError> {
        self.read(&Columns::of::<R>(), R::parse)
    }

    /// Every row as a member of staff of this role.
    pub fn staff(&self, role: Role) -> Result<Vec<Lined<StaffRecord>>, ImportError> {
        self.read(&StaffRecord::columns(role), |cells| StaffRecord::parse(role, cells))
    }

    fn read<R: Record>(
        &self,
        columns: &Columns,
        parse: impl Fn(&mut Cells<'_, '_>) -> R,
    ) -> Result<Vec<Lined<R>>, ImportError> {
        let today = civil_day(self.app.now());
        let mut opened = self.open(&columns.all)?;
        let header = header_of(&mut opened)?;
        let intake = match self.existing {
            Existing::Update => Intake::open_for_update(header.iter(), columns, today, parse),
            Existing::Refuse | Existing::Skip => Intake::open(header.iter(), columns, today, parse),
        };
        let mut intake = intake.map_err(|problems| shift_lines(problems, opened.comment_lines))?;
        let mut rows = Vec::new();
        self.rows(opened, |line, cells| {
            rows.push((line, intake.take(line, cells.iter())?));
            Ok(())
        })?;
        Ok(rows)
    }

    /// Opens a catalogue and checks its header.
    pub fn open_products(&self) -> Result<Products, ImportError> {
        let columns = [COLUMNS, LABEL_COLUMNS].concat();
        let mut opened = self.open(&columns)?;
        let header = header_of(&mut opened)?;
        let mut optional = [LABEL_COLUMNS, &["in_formulary"]].concat();
        // A row that replaces a known product must have every other column.
        if self.existing != Existing::Update {
            optional.extend(OPTIONAL);
        }
        let header = Header::read(header.iter(), &columns, &optional)
            .map_err(|problems| shift_lines(problems, opened.comment_lines))?;
        Ok(Products { opened, header })
    }

    /// Passes every row to `take` as a product.
    pub fn each_product(
        &self,
        products: Products,
        mut take: impl FnMut(u64, Product) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let Products { opened, header } = products;
        let texts = [TEXTS, LABEL_TEXTS].concat();
        let mut seen = Seen::default();
        self.rows(opened, |line, cells| {
            let named =
                Row::new(&header, line, cells.iter()).named(&texts).map_err(|problem| vec![problem])?;
            let mut cells: HashMap<&str, &str> = named.iter().map(|(name, cell)| (*name, &**cell)).collect();
            // A new product is taken into the formulary only by a file that says so.
            cells.entry("in_formulary").or_insert("no");
            let product = Product::from_fields(&cells).map_err(|issues| {
                let mut found = Found::default();
                for issue in issues {
                    found.note(line, issue.field, issue.code, issue.message);
                }
                found.0
            })?;
            if let Some(duplicate) = seen.note(line, "code", product.code.as_str()) {
                return Err(vec![duplicate].into());
            }
            take(line, product)
        })
    }

    /// Opens the file after its comments, with the separator by which its header contains most of
    /// `columns`.
    fn open(&self, columns: &[&str]) -> Result<Opened, ImportError> {
        let mut file = BufReader::new(File::open(self.path)?);
        let size = file.get_ref().metadata()?.len();
        let (mut comment_lines, mut comment_bytes, mut line) = (0, 0, Vec::new());
        loop {
            line.clear();
            let read = file.by_ref().take(MAX_HEADER_LINE_BYTES).read_until(b'\n', &mut line)? as u64;
            if line.starts_with(&[0xFF, 0xFE]) || line.starts_with(&[0xFE, 0xFF]) {
                return Err(ImportError::Rows(vec![unreadable(1)]));
            }
            let text = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line);
            if read == 0 || !text.starts_with(b"#") {
                break;
            }
            comment_lines += 1;
            comment_bytes += read;
        }
        let separator = separator_of(&String::from_utf8_lossy(&line), columns);
        file.seek(SeekFrom::Start(comment_bytes))?;
        // Flexible: a row of the wrong length is reported as a problem of its line.
        let reader =
            csv::ReaderBuilder::new().flexible(true).delimiter(separator).from_reader(UnixLines::new(file));
        Ok(Opened { reader, size, comment_lines, comment_bytes })
    }

    /// Whether the file is written in GB18030, its subset GBK or a like encoding, as spreadsheets in
    /// Chinese do by default. Its characters are not guessed: a wrong guess gives a wrong drug.
    fn is_of_another_encoding(&self) -> Result<bool, ImportError> {
        let mut start = Vec::new();
        File::open(self.path)?.take(ENCODING_SAMPLE_BYTES).read_to_end(&mut start)?;
        Ok(is_double_byte(&start))
    }

    /// Passes every row to `take` and collects the problems.
    fn rows(
        &self,
        opened: Opened,
        mut take: impl FnMut(u64, &csv::StringRecord) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let Opened { mut reader, size, comment_lines, comment_bytes } = opened;
        let header = reader.headers().cloned().unwrap_or_default();
        let mut problems = Vec::new();
        let mut empty = Empty::default();
        let mut cells = csv::StringRecord::new();
        let mut count = 0_u64;
        loop {
            let read = reader.read_record(&mut cells);
            let line = comment_lines + line_of(&reader, &cells);
            match read {
                Ok(false) => break,
                Ok(true) => {
                    if cells.iter().all(|cell| cell.trim().is_empty()) {
                        empty.note(line);
                    } else if cells.iter().any(|cell| cell.contains('\n')) {
                        // Otherwise the following rows would silently become part of this one.
                        problems.push(of_row(line, "open_quote", open_quote()));
                    } else {
                        let hidden = hidden_cells(&header, line, &cells);
                        let taken = if hidden.is_empty() { take(line, &cells) } else { Err(hidden.into()) };
                        match taken {
                            Ok(()) => {}
                            Err(ImportError::Rows(bad)) => problems.extend(bad),
                            Err(fault) => return Err(fault),
                        }
                    }
                }
                Err(error) if error.is_io_error() => {
                    return Err(ImportError::File(std::io::Error::other(error)));
                }
                // One problem: every line with Chinese text would be another one.
                Err(_) if self.is_of_another_encoding()? => {
                    return Err(vec![of_row(line, "encoding", other_encoding())].into());
                }
                Err(_) => problems.push(unreadable(line)),
            }
            count += 1;
            if count.is_multiple_of(500) {
                (self.progress)(reader.position().byte() + comment_bytes, size);
            }
            if problems.len() >= MOST_PROBLEMS {
                break;
            }
        }
        (self.progress)(size, size);
        problems.extend(empty.problem());
        if count == 0 && problems.is_empty() {
            problems.push(of_row(comment_lines + 1, "no_rows", no_rows()));
        }
        if problems.is_empty() { Ok(()) } else { Err(ImportError::Rows(problems)) }
    }
}

/// So much of a file is looked at to tell its encoding. Our default.
const ENCODING_SAMPLE_BYTES: u64 = 256 * 1024;

/// Whether all bytes beyond ASCII are characters of two or four bytes, and few of them are UTF-8.
/// Source: GB 18030-2022, the ranges of its code points.
fn is_double_byte(text: &[u8]) -> bool {
    let (mut rest, mut pairs) = (text, 0);
    loop {
        rest = match rest {
            [0..=0x7F, rest @ ..] => rest,
            [0x81..=0xFE, 0x40..=0x7E | 0x80..=0xFE, rest @ ..]
            | [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE, 0x30..=0x39, rest @ ..] => {
                pairs += 1;
                rest
            }
            // The sample may end within a character.
            [] | [_] | [_, _, _] => return pairs > 0,
            _ => return false,
        }
    }
}

fn other_encoding() -> Bilingual {
    Bilingual::fixed(
        "文件不是 UTF-8 编码，看来是 GBK 或 GB18030（表格软件“CSV”的默认编码）；请另存为“CSV UTF-8”。未猜测任何文字。",
        "The file is not UTF-8 but looks like GBK or GB18030, which spreadsheets write as plain \"CSV\": save it as \
         \"CSV UTF-8\". No character was guessed.",
    )
}

/// Problems of cells with invisible or control characters; applies to every kind of file.
fn hidden_cells(header: &csv::StringRecord, line: u64, cells: &csv::StringRecord) -> Vec<RowProblem> {
    let problem = |(at, _): (usize, &str)| {
        let field = header.get(at).unwrap_or("row").to_owned();
        let message = Bilingual::fixed(
            "含有不可见字符或改变文字方向的字符。",
            "Holds characters that are invisible or turn the text around.",
        );
        RowProblem::from_field(line, FieldProblem { field, code: "control_character".to_owned(), message })
    };
    let hides = |cell: &str| has_hidden_characters(cell) || cell.trim().contains(char::is_control);
    cells.iter().enumerate().filter(|(_, cell)| hides(cell)).map(problem).collect()
}

/// The line on which the record just read begins. It is counted back from its end, since the
/// reader skips empty lines before it.
fn line_of<R: Read>(reader: &csv::Reader<R>, cells: &csv::StringRecord) -> u64 {
    let inside: usize = cells.iter().map(|cell| cell.matches('\n').count()).sum();
    // An open quote swallows the last line's end.
    let ended = cells.iter().next_back().is_none_or(|cell| !cell.ends_with('\n'));
    reader.position().line().saturating_sub(inside as u64 + u64::from(ended))
}

/// Shifts the line numbers of header problems by the comment lines above the header.
fn shift_lines(mut problems: Vec<RowProblem>, comment_lines: u64) -> Vec<RowProblem> {
    problems.iter_mut().for_each(|problem| problem.line += comment_lines);
    problems
}

/// At most this many bytes are read of a line up to the header.
const MAX_HEADER_LINE_BYTES: u64 = 64 * 1024;

fn header_of(opened: &mut Opened) -> Result<csv::StringRecord, ImportError> {
    let line = opened.comment_lines + 1;
    let header = opened.reader.headers().map_err(|_| vec![unreadable(line)])?.clone();
    if header.len() <= 1 && header.iter().any(|cell| cell.contains(['，', '；'])) {
        let message = Bilingual::fixed(
            "列之间是全角逗号或分号；请用半角逗号、分号或制表符。",
            "Full-width commas or semicolons stand between the columns: use plain ones, or tabs.",
        );
        return Err(ImportError::Rows(vec![of_row(line, "bad_separator", message)]));
    }
    Ok(header)
}

/// The separator by which `header` contains most of `columns`; a comma if there is none.
fn separator_of(header: &str, columns: &[&str]) -> u8 {
    let named = |separator: u8| {
        let cells = header.trim_start_matches('\u{FEFF}').split(char::from(separator));
        cells.filter(|cell| columns.contains(&cell.trim().trim_matches('"').trim())).count()
    };
    let most = SEPARATORS.into_iter().rev().max_by_key(|separator| named(*separator));
    most.filter(|separator| named(*separator) > 0).unwrap_or(b',')
}

/// Rows of separators only, as spreadsheets write empty rows. They are reported as one problem.
#[derive(Default)]
struct Empty {
    first: Option<u64>,
    last: u64,
    count: u64,
}

impl Empty {
    fn note(&mut self, line: u64) {
        self.first.get_or_insert(line);
        self.last = line;
        self.count += 1;
    }

    fn problem(self) -> Option<RowProblem> {
        let first = self.first?;
        let (last, count) = (self.last, self.count);
        let message = Bilingual::made(
            format!("第 {first} 到 {last} 行中有 {count} 行没有内容，请删除。"),
            format!("{count} rows from line {first} to {last} hold nothing; delete them."),
        );
        Some(of_row(first, "empty_row", message))
    }
}

fn of_row(line: u64, code: &str, message: Bilingual) -> RowProblem {
    RowProblem::from_field(line, FieldProblem { field: "row".into(), code: code.into(), message })
}

fn no_rows() -> Bilingual {
    Bilingual::fixed("文件在标题行之下没有内容。", "The file holds nothing below its header.")
}

fn open_quote() -> Bilingual {
    Bilingual::fixed(
        "有一个引号没有结束，单元格跨了行；请补上引号，单元格内不要换行。",
        "A quote is not closed, so a cell goes on in the next line: close it; a cell has no line breaks.",
    )
}

fn unreadable(line: u64) -> RowProblem {
    let message = Bilingual::fixed(
        "无法读取该行：须为 UTF-8 编码。在表格软件中请另存为“CSV UTF-8”。",
        "The row cannot be read: it must be UTF-8. In a spreadsheet, save the file as \"CSV UTF-8\".",
    );
    of_row(line, "bad_row", message)
}
