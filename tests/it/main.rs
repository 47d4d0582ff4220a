//! One test binary. A file a feature; names are sentences.
#![allow(clippy::unwrap_used)]

mod activity;
mod embedding;
mod helpers;
mod layout;
mod login;
mod readme;
mod rotation;
mod unready;
