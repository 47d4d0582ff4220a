//! What fuzz targets reach and nobody else does. Compiled for `fuzz/run` alone: no door of the crate.

use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::accounts::ForeignAccount;
pub use crate::accounts::email::{EMAIL_MAX, Email, LOCAL_PART_MAX};
pub use crate::accounts::foreign_hash::check as check_foreign_hash;
pub use crate::pages::form::Fields;

/// An e-mail address, or the code of what is wrong with it.
pub fn email(typed: &str) -> Result<Email, &'static str> {
    Email::parse(typed).map_err(|fault| fault.code())
}

/// A form's fields, as handlers get them.
pub fn form(body: &[u8]) -> Fields {
    Fields::parse(body)
}

/// What stands in one place of a file of accounts, before it is checked.
pub struct Row {
    /// Where it begins, from 1.
    pub line: u64,
    /// None if it cannot be read at all.
    pub account: Option<ForeignAccount>,
    /// What is wrong with it, in words.
    pub faults: Vec<String>,
}

/// A file of accounts, as an import reads it.
pub fn import(file: &[u8]) -> Result<Vec<Row>, String> {
    crate::cli::import::rows(file.to_vec())
}

/// A JSON body, as handlers get it; or everything that is answered instead.
pub fn json<T: DeserializeOwned + ToSchema>(body: &[u8]) -> Result<T, String> {
    crate::api::body::parse(body).map_err(|problem| format!("{problem:?}"))
}
