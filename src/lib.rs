//! Log-in, sessions and accounts for the web.
pub mod audit;
pub mod clock;
pub mod config;
pub mod db;
pub mod id;
pub mod sessions;
