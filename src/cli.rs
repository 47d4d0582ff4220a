//! The command line. Commands run beside a running server on the same database.

mod backup;
mod csv;
pub(crate) mod import;
mod json_lines;
mod key;
mod log;
mod manager;
mod migrate;
mod node;
mod session;
mod stderr;
mod stop;
mod token;
mod user;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use ::rocket::fairing::AdHoc;
use clap::{Parser, Subcommand};

use crate::auth::Site;
use crate::clock::Clock;
use crate::config::{Config, figment};
use crate::http::in_flight::InFlight;
use crate::upkeep::{self, Upkeep};
use backup::Backup;
use key::KeyCommand;
use migrate::Migrate;
use node::NodeCommand;
use session::SessionCommand;
use token::TokenCommand;
use user::UserCommand;

/// EX_CONFIG of BSD's sysexits.h: to try again is useless until somebody changes them.
const UNUSABLE_SETTINGS: u8 = 78;

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
    /// Bring the database to this version, or move the site to another database
    Migrate(Migrate),
    /// Copy the database to a file, while servers run (SQLite)
    Backup(Backup),
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
    /// The servers of the site
    #[command(subcommand)]
    Node(NodeCommand),
    /// Show the effective settings and where each comes from; secrets are masked
    Config,
    /// Delete what has long expired
    Prune,
}

/// Parses the command line and runs it.
pub fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    // Read before Rocket starts, which would panic over a file that is no TOML.
    let config = match Config::read(&figment()) {
        Ok(config) => config,
        Err(error) => return failure(&error, ExitCode::from(UNUSABLE_SETTINGS)),
    };
    let done = match command {
        Command::Serve => ::rocket::execute(serve(config)),
        command => ::rocket::execute(manage(command, config)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&*error, ExitCode::FAILURE),
    }
}

fn failure(error: &dyn std::fmt::Display, status: ExitCode) -> ExitCode {
    let _ = writeln!(io::stderr(), "hallpass: {error}");
    status
}

async fn serve(config: Config) -> Done {
    let _log = log::start(config.log_format)?;
    // Each connection is a file; the usual limit is too low for a busy site.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "could not raise the limit of open files");
    }
    let figment = stop::without_sigterm(figment());
    let launched = crate::rocket(figment).attach(AdHoc::on_liftoff("hallpass: greeting", |rocket| {
        Box::pin(async move {
            if let Some(site) = rocket.state::<Site>()
                && let Err(error) = greet(site, rocket.config().port).await
            {
                tracing::error!(%error, "could not look for accounts");
            }
            manager::is_ready();
        })
    }));
    let ignited = launched.ignite().await.map_err(|error| launch_failure(&error))?;
    let (shutdown, in_flight) = (ignited.shutdown(), ignited.state::<InFlight>().cloned().unwrap_or_default());
    let (site, upkeep) = (ignited.state::<Site>().cloned(), ignited.state::<Upkeep>().cloned().unwrap_or_default());
    stop::on_sigterm(shutdown.clone(), in_flight.clone(), Duration::from_secs(config.shutdown_delay_seconds));
    let stopped = ::rocket::tokio::select! {
        launched = ignited.launch() => launched.map(drop).map_err(|error| launch_failure(&error).into()),
        () = async { shutdown.await; in_flight.all_answered().await } => Ok(()),
    };
    upkeep.ended().await;
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
        Command::Serve => return Ok(()),
        Command::Config => return show_config(&config),
        Command::Migrate(command) => return migrate::run(command, config).await,
        Command::Backup(command) => return backup::run(command, config).await,
        _ => {}
    }
    let site = Site::open(config, Clock::system()).await?;
    let done = match command {
        Command::User(command) => user::run(&site, command).await,
        Command::Session(command) => session::run(&site, command).await,
        Command::Token(command) => token::run(&site, command).await,
        Command::Key(command) => key::run(&site, command).await,
        Command::Node(command) => node::run(&site, command).await,
        Command::Prune => {
            say(&format!("Deleted {} rows.", upkeep::prune(&site).await?));
            Ok(())
        }
        Command::Serve | Command::Migrate(_) | Command::Backup(_) | Command::Config => Ok(()),
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

/// A closed pipe (`hallpass user list | head`) is no fault.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Names are checked when they are stored; a terminal should not have to trust that.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
