//! Accounts in CSV (RFC 4180), with a header row.

use std::io;

use csv_core::{ReadRecordResult, Reader};

use super::import::{Entry, Input, LINE_MAX, known_fields, quoted};
use crate::accounts::{FOREIGN_FIELDS, ForeignAccount};

/// More columns than there are fields, so that a header can be told what is wrong with it.
const COLUMNS_MAX: usize = 64;

pub(super) struct Csv {
    input: Input,
    parser: Reader,
    /// Where the next row begins.
    line: u64,
    /// Which field of an account each column holds.
    columns: Vec<usize>,
    text: Box<[u8]>,
    ends: [usize; COLUMNS_MAX],
}

/// A row: the line that it begins in, and how many columns it has, or why it is none.
struct Row {
    line: u64,
    columns: Result<usize, String>,
}

impl Csv {
    /// Reads the header.
    pub fn open(input: Input, line: u64) -> Result<Self, String> {
        let text = vec![0; LINE_MAX].into_boxed_slice();
        let ends = [0; COLUMNS_MAX];
        let mut csv = Self { input, parser: Reader::new(), line, columns: Vec::new(), text, ends };
        let row = csv.row().map_err(|error| format!("cannot read the header: {error}"))?;
        let count = row.map_or(Ok(0), |row| row.columns).map_err(|fault| format!("the header: {fault}"))?;
        csv.columns = csv.fields_of_header(count)?;
        Ok(csv)
    }

    fn fields_of_header(&self, count: usize) -> Result<Vec<usize>, String> {
        let names: Vec<_> = (0..count).map(|column| String::from_utf8_lossy(self.column(column))).collect();
        let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
        let place = |name: &&str| FOREIGN_FIELDS.iter().position(|field| field == name);
        let known = known_fields();
        // Where there is no header, the first row is somebody's: none of it is told.
        if !names.iter().any(|name| place(name).is_some()) {
            return Err(format!("there is no header. CSV begins with a row of names, with commas between, of {known}"));
        }
        let unknown = |(column, name): (usize, &&str)| match place(name) {
            Some(_) => None,
            None => Some(quoted(name).unwrap_or_else(|| format!("column {}", column + 1))),
        };
        let unknown: Vec<_> = names.iter().enumerate().filter_map(unknown).collect();
        if !unknown.is_empty() {
            return Err(format!("unknown in the header: {}. There are {known}", unknown.join(", ")));
        }
        let twice = |field: &&str| names.iter().filter(|name| *name == field).count() > 1;
        if let Some(field) = FOREIGN_FIELDS.into_iter().find(twice) {
            return Err(format!("{field} is more than once in the header"));
        }
        if let Some(field) = ["email", "password_hash"].iter().find(|field| !names.contains(field)) {
            return Err(format!("{field} is missing in the header, which may have {known}"));
        }
        Ok(names.iter().filter_map(place).collect())
    }

    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        let Some(Row { line, columns }) = self.row()? else { return Ok(None) };
        Ok(Some(match columns.and_then(|count| self.account(count)) {
            Ok(account) => Entry { line, account: Some(account), faults: Vec::new() },
            Err(fault) => Entry::unreadable(line, fault),
        }))
    }

    fn account(&self, count: usize) -> Result<ForeignAccount, String> {
        if count != self.columns.len() {
            return Err(format!(
                "This row has {count} columns, the header {}. Put quotes around what has a comma in it.",
                self.columns.len()
            ));
        }
        let mut account = ForeignAccount::default();
        for (column, field) in self.columns.iter().enumerate() {
            let text = str::from_utf8(self.column(column)).map_err(|_| "This row is not UTF-8.".to_owned())?;
            text.clone_into(&mut account.0[*field]);
        }
        Ok(account)
    }

    fn column(&self, column: usize) -> &[u8] {
        let begin = if column == 0 { 0 } else { self.ends[column - 1] };
        &self.text[begin..self.ends[column]]
    }

    /// None at the end. What is too long is read to its end all the same: the next row begins there.
    fn row(&mut self) -> io::Result<Option<Row>> {
        self.skip_line_breaks()?;
        let line = self.line;
        let (mut written, mut columns, mut is_too_long, mut is_too_wide) = (0, 0, false, false);
        loop {
            let input = self.input.fill_buf()?;
            let (result, read, wrote, ended) =
                self.parser.read_record(input, &mut self.text[written..], &mut self.ends[columns..]);
            self.line += input[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.input.consume(read);
            written += wrote;
            columns += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => (written, is_too_long) = (0, true),
                ReadRecordResult::OutputEndsFull => (columns, is_too_wide) = (0, true),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let columns = match () {
            () if is_too_long => {
                Err(format!("This row is longer than {} KiB. Perhaps a quote is not closed.", LINE_MAX / 1024))
            }
            () if is_too_wide => Err(format!("This row has more than {COLUMNS_MAX} columns.")),
            () => Ok(columns),
        };
        Ok(Some(Row { line, columns }))
    }

    /// The parser skips empty lines, too, but then it is not known where a row begins.
    fn skip_line_breaks(&mut self) -> io::Result<()> {
        while let Some(byte @ (b'\n' | b'\r')) = self.input.fill_buf()?.first().copied() {
            self.line += u64::from(byte == b'\n');
            self.input.consume(1);
        }
        Ok(())
    }
}
