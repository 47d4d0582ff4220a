//! Accounts that another system had, with the password hashes that it made.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fault::{Fault, Faults};
use super::registration::taken;
use super::{Accounts, User, foreign_hash, store};
use crate::audit::{self, Kind};
use crate::clock::{MINUTE, Seconds};
use crate::db::DbError;
use crate::id::UserId;

/// The fields of an account, by the names that they have in files.
pub const FOREIGN_FIELDS: [&str; 6] = ["email", "name", "password_hash", "admin", "locked", "created_at"];

/// An account as another system tells of it: texts, in the order of [`FOREIGN_FIELDS`]. An empty one was left out.
#[derive(Clone, Default)]
pub struct ForeignAccount(pub [String; FOREIGN_FIELDS.len()]);

/// A foreign account without faults.
pub struct Importable {
    user: User,
    email_key: String,
    password_hash: String,
}

/// What a rehearsal must remember: which addresses the file has had so far. Hashes of them, of 64 bits, so that a
/// million take some 16 MB.
#[derive(Default)]
pub struct Rehearsal {
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Accounts {
    /// Reads an account of another system, under the rules of registration. Only the password cannot be judged.
    ///
    /// # Errors
    /// All faults at once.
    pub fn check_foreign(&self, account: ForeignAccount) -> Result<Importable, Vec<Fault>> {
        let [email, name, password_hash, admin, locked, created_at] = account.0;
        let now = self.clock.now();
        let mut faults = Faults::default();
        let parsed = faults.email(&email);
        let name = match (name.trim(), &parsed) {
            ("", Some(_)) => faults.own_name(email.split('@').next().unwrap_or_default()),
            // The name that is left out is that of the address: one fault, not two.
            ("", None) => None,
            _ => faults.own_name(&name),
        };
        let password_hash = password_hash.trim();
        let hash = faults.note(
            foreign_hash::check(password_hash)
                .map_err(|fault| Fault::new("password_hash", fault.code(), fault.to_string())),
        );
        let admin = faults.note(is_so("admin", &admin));
        let locked = faults.note(is_so("locked", &locked));
        let created_at = faults.note(time_of_creation(&created_at, now));
        match (parsed, name, hash, admin, locked, created_at) {
            (Some(email), Some(name), Some(()), Some(admin), Some(locked), Some(created_at)) => Ok(Importable {
                user: User {
                    id: UserId::random(),
                    email: email.typed().to_owned(),
                    name,
                    admin,
                    locked,
                    created_at,
                    password_changed_at: created_at,
                },
                email_key: email.key().to_owned(),
                password_hash: password_hash.to_owned(),
            }),
            _ => Err(faults.list()),
        }
    }

    /// Makes these accounts, all in one transaction. For each whose address is taken, and which is left as it is, there
    /// is a fault in its place.
    pub async fn import(&self, accounts: &[Importable]) -> Result<Vec<Option<Fault>>, DbError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let mut faults = Vec::with_capacity(accounts.len());
        for Importable { user, email_key, password_hash } in accounts {
            if !store::insert(&mut tx, user, email_key, password_hash, now).await? {
                faults.push(Some(taken()));
                continue;
            }
            audit::record(&mut tx, now, Kind::Registered, &user.id, None, None).await?;
            if user.admin {
                audit::record(&mut tx, now, Kind::MadeAdmin, &user.id, None, None).await?;
            }
            if user.locked {
                audit::record(&mut tx, now, Kind::Locked, &user.id, None, None).await?;
            }
            faults.push(None);
        }
        tx.commit().await?;
        Ok(faults)
    }

    /// What [`Accounts::import`] would say, and no change.
    pub async fn rehearse(
        &self,
        rehearsal: &mut Rehearsal,
        accounts: &[Importable],
    ) -> Result<Vec<Option<Fault>>, DbError> {
        let mut faults = Vec::with_capacity(accounts.len());
        for Importable { email_key, .. } in accounts {
            let is_first = rehearsal.seen.insert(rehearsal.hasher.hash_one(email_key));
            let is_free = is_first && store::by_key(&self.db, email_key).await?.is_none();
            faults.push((!is_free).then(taken));
        }
        Ok(faults)
    }
}

fn is_so(field: &'static str, text: &str) -> Result<bool, Fault> {
    match text.trim() {
        "true" => Ok(true),
        "" | "false" => Ok(false),
        _ => Err(Fault::new(field, "not_allowed", "Write true or false, or leave it empty.")),
    }
}

/// The time of the import if it was left out.
fn time_of_creation(text: &str, now: Seconds) -> Result<Seconds, Fault> {
    let fault = |code, message| Err(Fault::new("created_at", code, message));
    let text = text.trim();
    if text.is_empty() {
        return Ok(now);
    }
    let Some(at) = seconds(text) else {
        return fault("not_allowed", "Write seconds since 1970, or a time such as 2024-02-29T12:00:00Z.");
    };
    // The other system's clock may have been ahead a little.
    if !(0..=now + MINUTE).contains(&at) {
        return fault("out_of_range", "This is before 1970, or in the future. Correct it, or leave it empty.");
    }
    Ok(at.min(now))
}

/// NumericDate, which may have a fraction, or RFC 3339.
fn seconds(text: &str) -> Option<Seconds> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(seconds) = whole.parse()
    {
        return Some(seconds);
    }
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}
