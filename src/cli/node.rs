//! `hallpass node …`

use clap::Subcommand;

use super::{Done, printable, say};
use crate::auth::Site;
use crate::nodes;
use crate::pages::words;

#[derive(Subcommand)]
pub enum NodeCommand {
    /// List the servers that run on this database
    List,
}

pub async fn run(site: &Site, command: NodeCommand) -> Done {
    let NodeCommand::List = command;
    for node in nodes::list(&site.db, &site.clock).await? {
        say(&format!(
            "{}\t{}\tversion {}\tsince {}\tlast seen {}",
            printable(node.id.as_str()),
            printable(&node.address),
            printable(&node.version),
            words::date_and_time(node.started_at),
            words::date_and_time(node.seen_at),
        ));
    }
    Ok(())
}
