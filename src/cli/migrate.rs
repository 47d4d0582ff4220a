//! `hallpass migrate`: the tables to this version, or the site to another database.

use clap::Args;

use super::{Done, printable, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{self, Db};
use crate::keyring;
use crate::nodes;

#[derive(Args)]
pub struct Migrate {
    /// Move the site that is in this database: sqlite:PATH or postgres://…
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// … to this one, which must be empty; the setting database_url if left out
    #[arg(long, value_name = "URL", requires = "from")]
    to: Option<String>,
}

pub async fn run(command: Migrate, config: Config) -> Done {
    if let Some(from) = command.from {
        return move_site(&config, &from, command.to).await;
    }
    let count = Db::open(&config).await?.migrate().await?;
    say(&format!("The database is up to date ({count} migrations)."));
    Ok(())
}

async fn move_site(config: &Config, from: &str, to: Option<String>) -> Done {
    let from = config.with_database(from).ok_or("--from is no address of a database: sqlite:PATH or postgres://…")?;
    let to = match to {
        Some(to) => config.with_database(&to).ok_or("--to is no address of a database: sqlite:PATH or postgres://…")?,
        None => config.clone(),
    };
    if from.database_url == to.database_url || Db::share_a_file(&from, &to) {
        return Err("the site is in that database already; name another with --to".into());
    }
    let source = Db::open_existing(&from).await?;
    db::check_source(&source).await?;
    if let Some(node) = nodes::list(&source, &Clock::system()).await?.first() {
        return Err(format!(
            "a server runs on the source ({}): what its visitors change meanwhile would be lost. Stop it first; one that \
             was killed counts as running for {} seconds",
            printable(&node.address),
            nodes::GONE_AFTER
        )
        .into());
    }
    // Whoever moves the keys without their secret logs everyone out.
    keyring::check(&source, config).await?;
    // Not before: what is refused leaves no new file behind.
    let target = Db::open(&to).await?;
    db::check_target(&target).await?;
    target.migrate().await?;
    let copied = db::copy(&source, &target).await;
    source.close().await;
    target.close().await;
    for table in copied? {
        say(&format!("{}\t{}", table.table, table.rows));
    }
    say(
        "Everything was copied and read back. Set database_url to the new database, keep the secret, and start the server.",
    );
    Ok(())
}
