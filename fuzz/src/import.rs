//! A file of accounts: CSV, unless it begins as JSON lines do.

use hallpass::fuzzing::{self, Entry};

/// Stands for a password or its hash, put into the wrong place.
const MARKER: &str = "hunter2$";

pub fn run(data: &[u8]) {
    match fuzzing::import(data) {
        Ok(entries) => entries_are_of_the_file(data, &entries),
        // What should be the header may be somebody's row.
        Err(told) => assert!(!told.contains(MARKER), "{told}"),
    }
}

fn entries_are_of_the_file(data: &[u8], entries: &[Entry]) {
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    // A lone carriage return ends a row and no line.
    assert!(entries.is_sorted_by_key(|entry| entry.line));
    for entry in entries {
        assert!((1..=lines).contains(&entry.line), "line {} of {lines}", entry.line);
        assert!(entry.account.is_some() || !entry.faults.is_empty(), "line {} is left out without a word", entry.line);
        for fault in &entry.faults {
            assert!(!fault.contains(MARKER) && !fault.contains(char::is_control), "{fault}");
        }
        // Nothing is made up.
        for text in entry.account.iter().flat_map(|account| &account.0) {
            assert!(text.len() <= data.len(), "{text:?}");
        }
    }
}
