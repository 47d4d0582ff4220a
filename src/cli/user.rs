//! `hallpass user …`

use std::io::{self, BufRead, IsTerminal};

use clap::Subcommand;

use super::import::{self, Import};
use super::{Done, printable, say};
use crate::accounts::User;
use crate::auth::Site;
use crate::pages::words;

#[derive(Subcommand)]
pub enum UserCommand {
    /// Add an account. The password is asked for, or read from one line of standard input
    Add {
        email: String,
        /// The name to show; the part before the @ if left out
        #[arg(long)]
        name: Option<String>,
        /// Make an administrator
        #[arg(long)]
        admin: bool,
    },
    /// Import accounts from another system, with their password hashes
    Import(Import),
    /// List all accounts
    List,
    /// Lock an account and end its sessions
    Lock { email: String },
    /// Unlock an account
    Unlock { email: String },
    /// Set a password, end the account's sessions and revoke its personal access tokens. The password is asked for,
    /// or read from standard input
    SetPassword { email: String },
    /// Make an account an administrator
    MakeAdmin { email: String },
}

pub async fn run(site: &Site, command: UserCommand) -> Done {
    let accounts = &site.accounts;
    match command {
        UserCommand::Add { email, name, admin } => {
            let password = password()?;
            let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
            let user = accounts.add(&email, &name, &password, admin).await?;
            say(&format!("Added {}{}.", user.email, if user.admin { ", an administrator" } else { "" }));
        }
        UserCommand::Import(import) => import::run(site, import).await?,
        UserCommand::List => {
            let mut lot = accounts.list(None).await?;
            while let Some(last) = lot.last() {
                lot.iter().for_each(say_user);
                lot = accounts.list(Some(last)).await?;
            }
        }
        UserCommand::Lock { email } => {
            accounts.lock(&email).await?;
            say(&format!("Locked {email}; its sessions have ended."));
        }
        UserCommand::Unlock { email } => {
            accounts.unlock(&email).await?;
            say(&format!("Unlocked {email}."));
        }
        UserCommand::SetPassword { email } => {
            accounts.set_password(&email, &password()?).await?;
            say(&format!("Set the password of {email}; its sessions have ended, and its tokens are revoked."));
        }
        UserCommand::MakeAdmin { email } => {
            accounts.make_admin(&email).await?;
            say(&format!("{email} is an administrator."));
        }
    }
    Ok(())
}

fn say_user(user: &User) {
    let mark = |is, word| if is { word } else { "" };
    let marks = format!("{}{}", mark(user.admin, " admin"), mark(user.locked, " locked"));
    say(&format!("{}\t{}\t{}\t{}", user.email, printable(&user.name), words::date(user.created_at), marks.trim()));
}

/// From a prompt, or one line of standard input when that is no terminal; never an argument, which others can see.
fn password() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
