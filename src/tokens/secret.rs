//! The master secret, and the keys that are derived from it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};

use crate::config::{Config, Secret};
use crate::id::{random_bytes, random_text};

/// One or several secrets: the first signs and seals, all verify and open, so that one can replace another.
#[derive(Clone)]
pub struct MasterSecret(Vec<Prk>);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "cannot read or create the master secret in {0}: {1}. Set `secret`, or let `secret_file` name a file this user may read"
    )]
    File(PathBuf, io::Error),
    #[error(
        "the master secret is missing: {0} does not exist, but the database already holds keys sealed under it. \
         Bring the file back from a backup (or set `secret`). Nothing was changed"
    )]
    Lost(PathBuf),
    #[error(
        "there is no master secret: {0} does not exist, and it is made by itself with SQLite only, since all nodes of a \
         site share one. Set `secret`, or put a line of 32 random characters or more into that file"
    )]
    Unset(PathBuf),
    #[error("{0} holds no usable secret: it must have at least one line of 32 characters or more")]
    Unusable(PathBuf),
}

/// 256 bits, as `openssl rand -hex 32` makes them.
const SECRET_BYTES: usize = 32;

impl MasterSecret {
    /// From text of at least 32 characters each.
    pub fn new(secrets: &[Secret]) -> Self {
        let extract = |secret: &Secret| Salt::new(HKDF_SHA256, b"hallpass").extract(secret.expose().as_bytes());
        Self(secrets.iter().map(extract).collect())
    }

    /// From the settings: `secret`, else the lines of `secret_file`. `is_new`: nothing is sealed under one yet. Then it
    /// is made, on SQLite.
    pub fn load(config: &Config, is_new: bool) -> Result<Self, SecretError> {
        if !config.secret.is_empty() {
            return Ok(Self::new(&config.secret));
        }
        let path = &config.secret_file;
        let failed = |error| SecretError::File(path.clone(), error);
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_new && config.is_sqlite() => {
                create(path).map_err(failed)?;
                fs::read_to_string(path).map_err(failed)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => {
                return Err(SecretError::Unset(path.clone()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SecretError::Lost(path.clone())),
            read => read.map_err(failed)?,
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let secrets: Option<Vec<_>> = lines.map(Secret::parse).collect();
        let secrets = secrets.filter(|secrets| !secrets.is_empty());
        secrets.map(|secrets| Self::new(&secrets)).ok_or_else(|| SecretError::Unusable(path.clone()))
    }

    /// A key for one purpose from each secret, the signing one first (RFC 5869). Keys of different purposes say
    /// nothing about each other.
    pub fn derive(&self, purpose: &str) -> Vec<[u8; 32]> {
        let expand = |secret: &Prk| {
            let mut key = [0; 32];
            secret
                .expand(&[purpose.as_bytes()], HKDF_SHA256)
                .and_then(|derived| derived.fill(&mut key))
                .expect("32 bytes are within what HKDF gives");
            key
        };
        self.0.iter().map(expand).collect()
    }
}

/// Appears under its name only when complete, so that no other process reads half a secret; never replaces one.
fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_file_name(format!(".secret-{}", random_text::<8>()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let secret: String = random_bytes::<SECRET_BYTES>().iter().map(|byte| format!("{byte:02x}")).collect();
    let written = options.open(&draft).and_then(|mut file| {
        writeln!(file, "{secret}")?;
        file.sync_all()
    });
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let _ = fs::remove_file(&draft);
    linked
}
