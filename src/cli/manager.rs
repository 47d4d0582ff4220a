//! What systemd is told, where it has started the server (sd_notify(3)).

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
