//! `hallpass backup FILE`

use std::path::PathBuf;

use clap::Args;

use super::{Done, say};
use crate::config::Config;
use crate::db::Db;

#[derive(Args)]
pub struct Backup {
    /// A file that does not exist yet
    file: PathBuf,
}

pub async fn run(command: Backup, config: Config) -> Done {
    let db = Db::open_existing(&config).await?;
    let copied = db.back_up(&command.file).await;
    db.close().await;
    copied?;
    say(&format!("Copied the database to {}.", command.file.display()));
    if config.secret.is_empty() {
        say(&format!("The master secret is not in it: keep {} as well.", config.secret_file.display()));
    }
    Ok(())
}
