//! Accounts as JSON lines: an object a line.

use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::import::{Entry, Input, LINE_MAX, known_fields, quoted};
use crate::accounts::{FOREIGN_FIELDS, ForeignAccount};

pub(super) struct JsonLines {
    input: Input,
    /// That was read last.
    line: u64,
    text: Vec<u8>,
    is_too_long: bool,
}

impl JsonLines {
    pub fn open(input: Input, line: u64) -> Self {
        Self { input, line: line - 1, text: Vec::new(), is_too_long: false }
    }

    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        while self.read_line()? {
            if self.is_too_long {
                let fault = format!("This line is longer than {} KiB.", LINE_MAX / 1024);
                return Ok(Some(Entry::unreadable(self.line, fault)));
            }
            if !self.text.trim_ascii().is_empty() {
                return Ok(Some(entry(self.line, &self.text)));
            }
        }
        Ok(None)
    }

    /// False at the end. Of a line that is too long no more is kept.
    fn read_line(&mut self) -> io::Result<bool> {
        self.text.clear();
        self.is_too_long = false;
        self.line += 1;
        loop {
            let input = self.input.fill_buf()?;
            if input.is_empty() {
                return Ok(self.is_too_long || !self.text.is_empty());
            }
            let end = input.iter().position(|byte| *byte == b'\n');
            let part = &input[..end.unwrap_or(input.len())];
            self.is_too_long |= self.text.len() + part.len() > LINE_MAX;
            match self.is_too_long {
                true => self.text.clear(),
                false => self.text.extend_from_slice(part),
            }
            let read = part.len() + usize::from(end.is_some());
            self.input.consume(read);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

/// As they stand in the line: a map would drop a field that is there twice.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Of one line: more say nothing new, and a long line could have thousands.
const FAULTS_TOLD: usize = 10;

fn entry(number: u64, line: &[u8]) -> Entry {
    let Ok(line) = str::from_utf8(line) else {
        return Entry::unreadable(number, "This line is not UTF-8.".to_owned());
    };
    let fields = match serde_json::from_str(line) {
        Ok(Fields(fields)) => fields,
        // The library's own words may quote what stands there.
        Err(error) => {
            let fault = format!("This is no JSON object on one line (column {}).", error.column());
            return Entry::unreadable(number, fault);
        }
    };
    let mut account = ForeignAccount::default();
    let mut seen = [false; FOREIGN_FIELDS.len()];
    let mut faults = Vec::new();
    for (name, value) in fields {
        if faults.len() == FAULTS_TOLD {
            break;
        }
        let Some(place) = FOREIGN_FIELDS.iter().position(|field| *field == name) else {
            let name = quoted(&name).unwrap_or_else(|| "a field".to_owned());
            faults.push(format!("{name}: There is no such field. There are {}.", known_fields()));
            continue;
        };
        if std::mem::replace(&mut seen[place], true) {
            faults.push(format!("{name}: This is there more than once."));
            continue;
        }
        match text(&name, value) {
            Ok(text) => account.0[place] = text,
            Err(wanted) => faults.push(format!("{name}: Write {wanted}.")),
        }
    }
    Entry { line: number, account: Some(account), faults }
}

/// As it would stand in CSV.
fn text(name: &str, value: Value) -> Result<String, &'static str> {
    match (name, value) {
        (_, Value::Null) => Ok(String::new()),
        (_, Value::String(text)) => Ok(text),
        ("admin" | "locked", Value::Bool(is_so)) => Ok(is_so.to_string()),
        ("created_at", Value::Number(seconds)) => Ok(seconds.to_string()),
        ("admin" | "locked", _) => Err("true or false"),
        ("created_at", _) => Err("a number or a text"),
        _ => Err("a text"),
    }
}
