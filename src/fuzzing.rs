//! What fuzz targets reach and nobody else does. Compiled for `fuzz/run` alone: no door of the crate.

use serde::de::DeserializeOwned;
use utoipa::ToSchema;

pub use crate::accounts::email::{EMAIL_MAX, Email, LOCAL_PART_MAX};
pub use crate::accounts::foreign_hash::check as check_foreign_hash;
pub use crate::cli::import::Entry;
pub use crate::pages::form::Fields;

/// An e-mail address, or the code of what is wrong with it.
pub fn email(typed: &str) -> Result<Email, &'static str> {
    Email::parse(typed).map_err(|fault| fault.code())
}

/// A form's fields, as handlers get them.
pub fn form(body: &[u8]) -> Fields {
    Fields::parse(body)
}

/// A file of accounts, as an import reads it.
pub fn import(file: &[u8]) -> Result<Vec<Entry>, String> {
    crate::cli::import::all(file.to_vec())
}

/// A JSON body, as handlers get it; or everything that is answered instead.
pub fn json<T: DeserializeOwned + ToSchema>(body: &[u8]) -> Result<T, String> {
    crate::api::body::parse(body).map_err(|problem| format!("{problem:?}"))
}
