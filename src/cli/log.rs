//! Where the log goes and what it looks like.

use std::any::Any;
use std::fmt::{self, Debug};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use super::stderr::{Stderr, UntilTheEnd};
use crate::config::LogFormat;

/// Sends the log to standard error from now on, panics too. The last lines are written when what is returned is dropped.
pub fn start(format: LogFormat) -> io::Result<UntilTheEnd> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,hallpass=info"));
    let stderr = Stderr::default();
    let until_the_end = stderr.start()?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text if io::stderr().is_terminal() => builder.init(),
        // Otherwise each field would be written in a style, of which nothing is seen.
        LogFormat::Text => builder.with_ansi(false).fmt_fields(debug_fn(write_field).delimited(" ")).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(note_panic));
    Ok(until_the_end)
}

fn write_field(to: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        // A message may quote what others sent: what would steer a terminal does not get there.
        "message" => to.write_str(&format!("{value:?}").replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")),
        name => write!(to, "{name}={value:?}"),
    }
}

fn note_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let reason = constant(panic.payload());
    tracing::error!(place, reason, "a request failed by a fault in the program");
}

/// A message that was composed when it happened may quote what was being worked on: a token, a password.
fn constant(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(not shown: it may hold secrets)")
}

#[cfg(test)]
mod tests {
    use std::panic::{catch_unwind, set_hook, take_hook};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_place_but_not_with_what_was_being_worked_on() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            set_hook(Box::new(note_panic));
            let secret = format!("é{}", "hunter2");
            let _ = catch_unwind(|| secret[1..].len());
            let _ = catch_unwind(|| panic!("{secret}"));
            let _ = catch_unwind(|| panic!("a constant reason"));
            let _ = take_hook();
        });
        let bytes = written.0.lock().expect("unpoisoned").clone();
        let log = String::from_utf8_lossy(&bytes);
        assert_eq!(log.matches("src/cli/log.rs:").count(), 3, "{log}");
        assert!(log.contains("a constant reason") && !log.contains("hunter2"), "{log}");
    }
}
