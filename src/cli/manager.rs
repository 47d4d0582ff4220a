//! What systemd is told, where a server has been started by it (https://www.freedesktop.org/software/systemd/man/sd_notify.html).

#[cfg(unix)]
use sd_notify::NotifyState;

#[cfg(unix)]
pub fn is_ready() {
    tell(NotifyState::Ready);
}

#[cfg(unix)]
pub fn is_stopping() {
    tell(NotifyState::Stopping);
}

#[cfg(unix)]
fn tell(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told how this server is");
    }
}

#[cfg(not(unix))]
pub fn is_ready() {}

#[cfg(not(unix))]
pub fn is_stopping() {}
