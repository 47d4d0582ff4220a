//! One test binary. A file a feature; names are sentences.

mod accounts;
mod cookies;
mod forged;
mod forgery;
mod forms;
mod headers;
mod helpers;
mod layout;
mod login;
mod pages;
mod return_to;
mod rotation;
mod signed;
mod throttle;
mod tokens;
