//! Standard error, with the lines of requests gathered for some milliseconds: on a busy site, to write each by itself
//! would cost more than to make it. Everything else is written at once, after what was said before it.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// What is gathered is written after this long at the latest: so much of the log is lost with a process that is killed.
const GATHERED_FOR: Duration = Duration::from_millis(20);

/// Bytes: beyond it, whoever says more waits until it is written.
const GATHERED_MAX: usize = 1 << 20;

/// See the module's text. Clones share it.
#[derive(Clone, Default)]
pub struct Stderr(Arc<Gathered>);

#[derive(Default)]
struct Gathered {
    lines: Mutex<Lines>,
    filled: Condvar,
    /// Held by whoever writes, so that what was said first stands first; the room for what is said meanwhile.
    writing: Mutex<Vec<u8>>,
}

#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    ended: bool,
}

/// Writes the rest when it is dropped.
pub struct UntilTheEnd(Stderr);

/// One event, which is written as a whole.
pub struct Event<'a> {
    to: &'a Stderr,
    may_wait: bool,
}

impl Stderr {
    /// Starts the thread that writes what was gathered; it ends with what is returned.
    pub fn start(&self) -> io::Result<UntilTheEnd> {
        let stderr = self.clone();
        thread::Builder::new().name("hallpass-log".to_owned()).spawn(move || stderr.write_in_the_background())?;
        Ok(UntilTheEnd(self.clone()))
    }

    fn write_in_the_background(&self) {
        loop {
            let lines = self.0.filled.wait_while(self.lines(), |lines| lines.text.is_empty() && !lines.ended);
            if lines.unwrap_or_else(PoisonError::into_inner).ended {
                return;
            }
            thread::sleep(GATHERED_FOR);
            self.write();
        }
    }

    /// All that has been said until now. Nobody is left to be told if that fails.
    fn write(&self) {
        let mut text = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut *text, &mut self.lines().text);
        let _ = io::stderr().write_all(&text);
        text.clear();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UntilTheEnd {
    fn drop(&mut self) {
        self.0.lines().ended = true;
        self.0.write();
        self.0.0.filled.notify_all();
    }
}

impl Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.to.lines();
        if lines.text.is_empty() && self.may_wait {
            self.to.0.filled.notify_one();
        }
        lines.text.extend_from_slice(bytes);
        let may_wait = self.may_wait && !lines.ended && lines.text.len() < GATHERED_MAX;
        drop(lines);
        if !may_wait {
            self.to.write();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Event<'a> {
        Event { to: self, may_wait: false }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Event<'a> {
        Event { to: self, may_wait: meta.target() == crate::http::log::TARGET }
    }
}
