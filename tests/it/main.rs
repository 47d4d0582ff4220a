//! One test binary. A file a feature; names are sentences.

mod cli;
mod config;
mod full_disk;
mod helpers;
mod keys;
mod layout;
mod login;
mod logs;
mod operation;
mod pruning;
mod rotation;
mod trouble;
