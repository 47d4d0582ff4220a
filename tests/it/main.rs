//! One test binary. A file a feature; names are sentences.

mod cli;
mod config;
mod helpers;
mod layout;
mod login;
mod rotation;
