//! One test binary. A file a feature; names are sentences.
#![allow(clippy::unwrap_used)]

mod accounts;
mod activity;
mod cli;
mod config;
mod cookies;
mod embedding;
mod forged;
mod forgery;
mod forms;
mod full_disk;
mod headers;
mod helpers;
mod keys;
mod layout;
mod login;
mod logs;
mod operation;
mod pages;
mod pruning;
mod readme;
mod return_to;
mod rotation;
mod signed;
mod throttle;
mod tokens;
mod trouble;
mod unready;
