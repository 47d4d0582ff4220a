//! `hallpass key …`

use clap::Subcommand;

use super::{Done, say};
use crate::auth::Site;
use crate::pages::words;

#[derive(Subcommand)]
pub enum KeyCommand {
    /// List the keys: previous, current, next
    List,
    /// Make a new key that signs from now on; tokens signed before stay good until they expire
    Rotate,
}

pub async fn run(site: &Site, command: KeyCommand) -> Done {
    if matches!(command, KeyCommand::Rotate) {
        let kid = site.keyring.rotate().await?;
        say(&format!("{kid} signs from now on. Tokens signed before stay good until they expire."));
        return Ok(());
    }
    let (keys, now) = (site.keyring.keys(), site.clock.now());
    let current = keys.current(now).map(|key| key.kid.as_str());
    for key in keys.iter() {
        let state = match () {
            () if current == Some(&key.kid) => "current",
            () if key.signs_from > now => "next",
            () => "previous",
        };
        say(&format!(
            "{}\t{}\t{state}\tsigns from {}",
            key.kid,
            key.algorithm.as_str(),
            words::date_and_time(key.signs_from)
        ));
    }
    Ok(())
}
