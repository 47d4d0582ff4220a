//! One test binary. A file a feature; names are sentences.
#![allow(clippy::unwrap_used)]

mod accounts;
mod activity;
mod cli;
mod config;
mod cookies;
mod delivery;
mod embedding;
mod forged;
mod forgery;
mod forms;
mod full_disk;
mod guards;
mod headers;
mod helpers;
mod keys;
mod layout;
mod lifetimes;
mod login;
mod logs;
mod operation;
mod pages;
mod pruning;
mod races;
mod readme;
mod replay;
mod return_to;
mod revocation;
mod rotation;
mod schedule;
mod signed;
mod throttle;
mod tokens;
mod trouble;
mod unready;
mod writes;
