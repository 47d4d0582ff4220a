//! `hallpass user import`: reads a file line by line, tells what is wrong with which, and imports the rest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ::rocket::tokio::time::sleep;
use clap::{Args, ValueEnum};

use super::csv::Csv;
use super::json_lines::JsonLines;
use super::{Done, say};
use crate::accounts::{FOREIGN_FIELDS, Fault, ForeignAccount, Importable, Rehearsal};
use crate::auth::Site;

/// Lines at the most; as many accounts share a transaction.
const BATCH_MAX: usize = 1000;
/// SQLite lets one process write at a time: where a batch keeps a server from it for longer, the next one is smaller.
const HELD: Duration = Duration::from_millis(200);
/// Who waits for SQLite looks every 100 ms whether it may write: a server gets its turn after each batch.
const PAUSE: Duration = Duration::from_millis(110);
/// In bytes, of one account; more is not kept in memory.
pub(super) const LINE_MAX: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Args)]
pub(super) struct Import {
    /// CSV with a header row, or JSON lines; - for standard input. Fields: email, password_hash; and if need be name,
    /// admin, locked (true or false), created_at (seconds since 1970, or RFC 3339)
    file: String,
    /// What the file is; by its ending (.csv, .jsonl, .ndjson) or its first character if left out
    #[arg(long)]
    format: Option<Format>,
    /// Check everything, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

pub(super) type Input = Box<dyn BufRead + Send>;

/// What stands in one place of the file.
pub struct Entry {
    /// Where it begins, from 1.
    pub line: u64,
    /// None if it cannot be read at all.
    pub account: Option<ForeignAccount>,
    /// A field's name with what is wrong with it; or what is wrong with the whole.
    pub faults: Vec<String>,
}

impl Entry {
    pub(super) fn unreadable(line: u64, fault: String) -> Self {
        Self { line, account: None, faults: vec![fault] }
    }
}

/// An account, or its faults, with its place in the file.
type Checked = (u64, Result<Importable, Vec<String>>);

enum Entries {
    Csv(Box<Csv>),
    JsonLines(JsonLines),
}

#[derive(Default)]
struct Count {
    imported: u64,
    refused: u64,
}

pub(super) async fn run(site: &Site, import: Import) -> Done {
    let mut entries = open(&import)?;
    let mut rehearsal = import.dry_run.then(Rehearsal::default);
    let (mut count, mut size) = (Count::default(), BATCH_MAX / 10);
    loop {
        let mut batch = Vec::new();
        let mut end = Ok(false);
        while batch.len() < size {
            match entries.next() {
                Ok(Some(entry)) => batch.push(checked(site, entry)),
                Ok(None) => end = Ok(true),
                Err(error) => end = Err(format!("cannot read on: {error}")),
            }
            if !matches!(end, Ok(false)) {
                break;
            }
        }
        let began = Instant::now();
        // What could be read is imported, whatever becomes of the rest.
        let end = take(site, rehearsal.as_mut(), batch, &mut count).await.map_err(|error| error.to_string()).and(end);
        size = if began.elapsed() > HELD { (size / 2).max(BATCH_MAX / 100) } else { (size * 2).min(BATCH_MAX) };
        match end {
            Ok(true) => return tell(&count, import.dry_run),
            Ok(false) if rehearsal.is_none() => sleep(PAUSE).await,
            Ok(false) => {}
            Err(error) => {
                tell_numbers(&count, import.dry_run);
                return Err(format!(
                    "{error}\nThe import is not complete. Run it again: accounts that exist are left as they are"
                )
                .into());
            }
        }
    }
}

fn open(import: &Import) -> Result<Entries, String> {
    let (file, name): (Box<dyn Read + Send>, _) = match import.file.as_str() {
        "-" => (Box::new(io::stdin()), "standard input"),
        path => (Box::new(File::open(path).map_err(|error| format!("cannot open {path}: {error}"))?), path),
    };
    entries(file, name, import.format)
}

fn entries(file: Box<dyn Read + Send>, name: &str, format: Option<Format>) -> Result<Entries, String> {
    let cannot_read = |error: io::Error| format!("cannot read {name}: {error}");
    let (mut input, mut line) = (without_mark(file).map_err(cannot_read)?, 1);
    let Some(first) = first_byte(&mut input, &mut line).map_err(cannot_read)? else {
        return Err(format!("there is nothing in {name}"));
    };
    let by_ending = match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("jsonl" | "ndjson") => Some(Format::Jsonl),
        _ => None,
    };
    let by_content = if first == b'{' { Format::Jsonl } else { Format::Csv };
    match format.or(by_ending).unwrap_or(by_content) {
        Format::Csv => Csv::open(input, line).map(|csv| Entries::Csv(Box::new(csv))),
        Format::Jsonl => Ok(Entries::JsonLines(JsonLines::open(input, line))),
    }
}

/// All of a file.
#[cfg(fuzzing)]
pub(crate) fn all(file: Vec<u8>) -> Result<Vec<Entry>, String> {
    let mut entries = entries(Box::new(Cursor::new(file)), "-", None)?;
    Ok(std::iter::from_fn(|| entries.next().expect("memory can be read")).collect())
}

/// Spreadsheets put a byte order mark before what they save.
fn without_mark(mut file: Box<dyn Read + Send>) -> io::Result<Input> {
    let mut beginning = Vec::new();
    file.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut beginning)?;
    let rest = BufReader::with_capacity(LINE_MAX, file);
    Ok(if beginning == BYTE_ORDER_MARK { Box::new(rest) } else { Box::new(Cursor::new(beginning).chain(rest)) })
}

/// The first that is not blank, which stays to be read; counts lines on the way to it.
fn first_byte(input: &mut dyn BufRead, line: &mut u64) -> io::Result<Option<u8>> {
    loop {
        let Some(byte) = input.fill_buf()?.first().copied() else { return Ok(None) };
        if !byte.is_ascii_whitespace() {
            return Ok(Some(byte));
        }
        *line += u64::from(byte == b'\n');
        input.consume(1);
    }
}

impl Entries {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::Csv(csv) => csv.next(),
            Self::JsonLines(lines) => lines.next(),
        }
    }
}

fn checked(site: &Site, Entry { line, account, mut faults }: Entry) -> Checked {
    let Some(account) = account else { return (line, Err(faults)) };
    match site.accounts.check_foreign(account) {
        Ok(account) if faults.is_empty() => (line, Ok(account)),
        Ok(_) => (line, Err(faults)),
        Err(more) => {
            // What could not be read is not missing besides.
            let told = |fault: &Fault| faults.iter().any(|told| told.starts_with(&format!("{}:", fault.field)));
            let more: Vec<_> = more.iter().filter(|fault| !told(fault)).map(in_words).collect();
            faults.extend(more);
            (line, Err(faults))
        }
    }
}

fn in_words(fault: &Fault) -> String {
    format!("{}: {}", fault.field, fault.message)
}

async fn take(
    site: &Site,
    rehearsal: Option<&mut Rehearsal>,
    batch: Vec<Checked>,
    count: &mut Count,
) -> Result<(), crate::db::DbError> {
    let (mut accounts, mut lines) = (Vec::new(), Vec::new());
    for (line, checked) in batch {
        match checked {
            Ok(account) => {
                accounts.push(account);
                lines.push((line, Vec::new()));
            }
            Err(faults) => lines.push((line, faults)),
        }
    }
    let outcome = match rehearsal {
        Some(rehearsal) => site.accounts.rehearse(rehearsal, &accounts).await,
        None => site.accounts.import(&accounts).await,
    };
    // Told in the order of the file, and only when it is so.
    let mut outcomes = outcome?.into_iter();
    for (line, mut faults) in lines {
        if faults.is_empty() {
            faults.extend(outcomes.next().flatten().as_ref().map(in_words));
        }
        for fault in &faults {
            let _ = writeln!(io::stderr(), "line {line}: {fault}");
        }
        match faults.is_empty() {
            true => count.imported += 1,
            false => count.refused += 1,
        }
    }
    Ok(())
}

fn tell(count: &Count, dry_run: bool) -> Done {
    tell_numbers(count, dry_run);
    match count.refused {
        0 => Ok(()),
        _ if dry_run => Err("correct those lines, or import the others without --dry-run".into()),
        _ => Err("correct those lines and run the import again: accounts that exist are left as they are".into()),
    }
}

fn tell_numbers(Count { imported, refused }: &Count, dry_run: bool) {
    let accounts = if *imported == 1 { "account" } else { "accounts" };
    let lines = if *refused == 1 { "line" } else { "lines" };
    let were = if *refused == 1 { "was" } else { "were" };
    match dry_run {
        true => say(&format!("Would import {imported} {accounts}; {refused} {lines} would not be imported.")),
        false => say(&format!("Imported {imported} {accounts}; {refused} {lines} {were} not imported.")),
    }
}

/// What a file calls a field, if that is fit for a message. What stands in the wrong place may be a hash or a password.
pub(super) fn quoted(name: &str) -> Option<String> {
    const SHOWN: usize = 40;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    (!name.is_empty() && name.chars().count() <= SHOWN && name.chars().all(is_name)).then(|| format!("\"{name}\""))
}

pub(super) fn known_fields() -> String {
    FOREIGN_FIELDS.join(", ")
}
