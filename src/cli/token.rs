//! `hallpass token …`

use clap::Subcommand;

use super::{Done, printable, say};
use crate::auth::Site;
use crate::id::PersonalTokenId;
use crate::pages::words;
use crate::personal_tokens::PersonalToken;

#[derive(Subcommand)]
pub enum TokenCommand {
    /// List the live tokens of an account, or of all
    List { email: Option<String> },
    /// Revoke a token, by the id that the list shows
    Revoke {
        #[arg(allow_hyphen_values = true)]
        token: String,
    },
}

pub async fn run(site: &Site, command: TokenCommand) -> Done {
    match command {
        TokenCommand::List { email: Some(email) } => {
            let user = site.accounts.by_email(&email).await?;
            for token in site.personal_tokens.list(&user.id).await? {
                say_token(&token, &user.email);
            }
        }
        TokenCommand::List { email: None } => {
            for (token, owner) in site.personal_tokens.list_all().await? {
                say_token(&token, &owner.email);
            }
        }
        TokenCommand::Revoke { token } => {
            if !site.personal_tokens.revoke_any(&PersonalTokenId::from_text(token)).await? {
                return Err("there is no such live token; `hallpass token list` shows them".into());
            }
            say("Revoked.");
        }
    }
    Ok(())
}

fn say_token(token: &PersonalToken, email: &str) {
    let last_used = token
        .last_used_at
        .map_or_else(|| "never used".to_owned(), |at| format!("last used {}", words::date_and_time(at)));
    say(&format!(
        "{}\t{email}\t{}\t{}\t{last_used}\tends {}",
        token.id,
        printable(&token.name),
        token.scopes,
        words::date_and_time(token.expires_at),
    ));
}
