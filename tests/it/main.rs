//! One test binary. A file a feature; names are sentences.

mod delivery;
mod guards;
mod helpers;
mod layout;
mod lifetimes;
mod login;
mod races;
mod replay;
mod revocation;
mod rotation;
mod schedule;
mod writes;
