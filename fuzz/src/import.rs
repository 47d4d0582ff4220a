//! A file of accounts: CSV, unless it begins as JSON lines do.

use hallpass::fuzzing::{self, Row};

/// Stands for a password or its hash, put into the wrong place.
const MARKER: &str = "hunter2$";

pub fn run(data: &[u8]) {
    match fuzzing::import(data) {
        Ok(rows) => rows_are_of_the_file(data, &rows),
        // The header may be somebody's row.
        Err(told) => assert!(!told.contains(MARKER), "{told}"),
    }
}

fn rows_are_of_the_file(data: &[u8], rows: &[Row]) {
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    // A lone carriage return ends a row and no line.
    assert!(rows.is_sorted_by_key(|row| row.line));
    for row in rows {
        assert!((1..=lines).contains(&row.line), "line {} of {lines}", row.line);
        assert!(row.account.is_some() || !row.faults.is_empty(), "line {} is left out without a word", row.line);
        for fault in &row.faults {
            assert!(!fault.contains(MARKER) && !fault.contains(char::is_control), "{fault}");
        }
        // Nothing is made up.
        for text in row.account.iter().flat_map(|account| &account.0) {
            assert!(text.len() <= data.len(), "{text:?}");
        }
    }
}
