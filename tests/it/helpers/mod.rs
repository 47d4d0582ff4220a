//! Helpers act through HTTP or public functions, never through SQL.

mod app;
mod browser;
mod database;
pub mod html;
mod nodes;
mod page;
pub mod program;
pub mod raw;
mod server;
mod token;
mod wire;

pub use app::TestApp;
pub use browser::{Browser, Cookie, encode};
pub use database::{Database, on_postgres, only_on_sqlite};
pub use nodes::Nodes;
pub use page::Page;
pub use program::Program;
pub use server::Server;
pub use token::{claims, generation};
pub use wire::WireBrowser;

/// The account that most tests use.
pub const NAME: &str = "Ann Example";
pub const EMAIL: &str = "ann@example.org";
pub const PASSWORD: &str = "correct horse battery staple";
