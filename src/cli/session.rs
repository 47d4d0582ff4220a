//! `hallpass session …`

use clap::{Args, Subcommand};

use super::{Done, say};
use crate::auth::Site;
use crate::id::SessionId;
use crate::pages::words;
use crate::sessions::Session;

#[derive(Subcommand)]
pub enum SessionCommand {
    /// List the live sessions of an account, or of all
    List { email: Option<String> },
    /// End a session, by the id that the list shows
    End {
        // One id in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        session: String,
    },
    /// End all sessions of an account, or of everyone
    EndAll(EndAll),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct EndAll {
    email: Option<String>,
    /// Log everyone out
    #[arg(long)]
    everyone: bool,
}

pub async fn run(site: &Site, command: SessionCommand) -> Done {
    match command {
        SessionCommand::List { email } => {
            if let Some(email) = email {
                site.sessions.list(&site.accounts.by_email(&email).await?.id).await?.iter().for_each(say_session);
                return Ok(());
            }
            let mut page = site.sessions.page(None).await?;
            while let Some(last) = page.last() {
                page.iter().for_each(say_session);
                page = site.sessions.page(Some(last)).await?;
            }
        }
        SessionCommand::End { session } => {
            if !site.sessions.end_any(&SessionId::from_text(session)).await? {
                return Err("there is no such live session; `hallpass session list` shows them".into());
            }
            say("Ended.");
        }
        SessionCommand::EndAll(EndAll { email, .. }) => {
            let ended = match email {
                Some(email) => site.sessions.end_all(&site.accounts.by_email(&email).await?.id).await?,
                None => site.sessions.end_everyones().await?,
            };
            say(&format!("Ended {ended} session{}.", if ended == 1 { "" } else { "s" }));
        }
    }
    Ok(())
}

fn say_session(session: &Session) {
    say(&format!(
        "{}\t{}\t{}\t{}\tlast seen {}",
        session.id,
        session.owner.email,
        words::device(&session.user_agent),
        session.address,
        words::date_and_time(session.last_seen_at()),
    ));
}
