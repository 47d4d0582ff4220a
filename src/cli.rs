//! The command line. Commands run beside a running server on the same database.

mod csv;
pub(crate) mod import;
mod json_lines;
mod log;
mod stderr;

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use ::rocket::fairing::AdHoc;
use clap::{Args, Parser, Subcommand};

use crate::accounts::User;
use crate::auth::Site;
use crate::clock::Clock;
use crate::config::{Config, LogFormat, figment};
use crate::db::Db;
use crate::http::in_flight::InFlight;
use crate::id::{PersonalTokenId, SessionId};
use crate::pages::words;
use crate::personal_tokens::PersonalToken;
use crate::upkeep;
use import::Import;

type Done = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Log-in, sessions and accounts for the web.
///
/// Settings come from Rocket.toml, under [default.hallpass], and from HALLPASS_* environment variables; `hallpass
/// config` shows them. Address and port are Rocket's: ROCKET_ADDRESS, ROCKET_PORT.
#[derive(Parser)]
#[command(name = "hallpass", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site (the default)
    Serve,
    /// Bring the database to this version
    Migrate,
    /// Accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// Personal access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Signing keys of access tokens
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show the effective settings and where each comes from; secrets are masked
    Config,
    /// Delete what has long expired
    Prune,
}

#[derive(Subcommand)]
enum UserCommand {
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

#[derive(Subcommand)]
enum SessionCommand {
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
struct EndAll {
    email: Option<String>,
    /// Log everyone out
    #[arg(long)]
    everyone: bool,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// List the live tokens of an account, or of all
    List { email: Option<String> },
    /// Revoke a token, by the id that the list shows
    Revoke {
        #[arg(allow_hyphen_values = true)]
        token: String,
    },
}

#[derive(Subcommand)]
enum KeyCommand {
    /// List the keys: previous, current, next
    List,
    /// Make a new key that signs from now on; tokens signed before stay good until they expire
    Rotate,
}

/// Parses the command line and runs it.
pub fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    // Read before Rocket starts, which would panic over a file that is no TOML.
    let done = match (Config::read(&figment()), command) {
        (Err(error), _) => Err(error.into()),
        (Ok(config), Command::Serve) => ::rocket::execute(serve(config.log_format)),
        (Ok(config), command) => ::rocket::execute(manage(command, config)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "hallpass: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(log_format: LogFormat) -> Done {
    let _log = log::start(log_format)?;
    // Each connection is a file; the usual limit is too low for a busy site.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
    let launched = crate::rocket(figment()).attach(AdHoc::on_liftoff("hallpass: greeting", |rocket| {
        Box::pin(async move {
            if let Some(site) = rocket.state::<Site>()
                && let Err(error) = greet(site, rocket.config().port).await
            {
                tracing::error!(%error, "could not look for accounts");
            }
        })
    }));
    let ignited = launched.ignite().await.map_err(|error| launch_failure(&error))?;
    let (shutdown, in_flight) = (ignited.shutdown(), ignited.state::<InFlight>().cloned().unwrap_or_default());
    let site = ignited.state::<Site>().cloned();
    let stopped = ::rocket::tokio::select! {
        launched = ignited.launch() => launched.map(drop).map_err(|error| launch_failure(&error).into()),
        () = async { shutdown.await; in_flight.all_answered().await } => Ok(()),
    };
    if let Some(site) = site {
        site.db.close().await;
    }
    stopped
}

fn launch_failure(error: &::rocket::Error) -> String {
    use ::rocket::error::ErrorKind;
    match error.kind() {
        ErrorKind::FailedFairings(_) => "not started; see the message above".to_owned(),
        ErrorKind::Bind(error) => {
            format!("cannot listen there: {error}. Choose another address with ROCKET_ADDRESS and ROCKET_PORT")
        }
        ErrorKind::Shutdown(..) => "stopped before all connections had ended".to_owned(),
        other => format!("not started: {other}"),
    }
}

/// Says where the site is and, while it has no account, how to make the first.
async fn greet(site: &Site, port: u16) -> Result<(), crate::db::DbError> {
    let mut out = io::stdout();
    let address = site.config.public_url.origin();
    let _ = writeln!(out, "{} is ready at {address} (listening on port {port})", site.config.site_name);
    if site.accounts.is_empty().await? {
        let token = site.accounts.issue_setup_token().await?;
        let link = site.config.public_url.join(&format!("/setup?token={token}"));
        let _ = writeln!(
            out,
            "No account exists yet. Make the first one, an administrator's, within 24 hours at\n\n    {link}\n"
        );
    }
    let _ = out.flush();
    Ok(())
}

async fn manage(command: Command, config: Config) -> Done {
    match command {
        Command::Config => return show_config(&config),
        Command::Migrate => {
            let count = Db::open(&config).await?.migrate().await?;
            say(&format!("The database is up to date ({count} migrations)."));
            return Ok(());
        }
        _ => {}
    }
    let site = Site::open(config, Clock::system()).await?;
    let done = match command {
        Command::User(command) => user(&site, command).await,
        Command::Session(command) => session(&site, command).await,
        Command::Token(command) => token(&site, command).await,
        Command::Key(command) => key(&site, command).await,
        Command::Prune => {
            say(&format!("Deleted {} rows.", upkeep::prune(&site).await?));
            Ok(())
        }
        Command::Serve | Command::Migrate | Command::Config => Ok(()),
    };
    site.db.close().await;
    done
}

fn show_config(config: &Config) -> Done {
    let width = config.shown().iter().map(|line| line.name.len()).max().unwrap_or_default();
    for line in config.shown() {
        say(&format!("{:width$} = {}  ({})", line.name, line.value, line.source));
    }
    Ok(())
}

async fn user(site: &Site, command: UserCommand) -> Done {
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

async fn session(site: &Site, command: SessionCommand) -> Done {
    match command {
        SessionCommand::List { email } => {
            let sessions = match email {
                Some(email) => site.sessions.list(&site.accounts.by_email(&email).await?.id).await?,
                None => site.sessions.list_all().await?,
            };
            for session in sessions {
                say(&format!(
                    "{}\t{}\t{}\t{}\tlast seen {}",
                    session.id,
                    session.owner.email,
                    words::device(&session.user_agent),
                    session.address,
                    words::date_and_time(session.last_seen_at()),
                ));
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

async fn token(site: &Site, command: TokenCommand) -> Done {
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

async fn key(site: &Site, command: KeyCommand) -> Done {
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

/// A closed pipe (`hallpass user list | head`) is no fault.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Names are checked when they are stored; a terminal should not have to trust that.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
