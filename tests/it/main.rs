//! One test binary. A file a feature; names are sentences.
#![allow(clippy::unwrap_used)]

mod accounts;
mod activity;
mod cookies;
mod embedding;
mod forged;
mod forgery;
mod forms;
mod headers;
mod helpers;
mod layout;
mod login;
mod pages;
mod readme;
mod return_to;
mod rotation;
mod signed;
mod throttle;
mod tokens;
mod unready;
