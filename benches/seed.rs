//! Sessions by the million, for `benches/run --growth`: made by the function that every log-in ends in, not by SQL of
//! our own. An example for Cargo's sake alone: so it is built when it is asked for, and can use the crate.
//!
//! In a folder with a site's settings and so many numbered ACCOUNTS:
//! - `seed sessions ACCOUNTS EACH MOST FILE` gives each account so many sessions in browsers, and writes the Cookie
//!   headers of some of them to the file: of at most MOST accounts, evenly spread, the first sessions of all before the
//!   second ones. These browsers have shown a page, and long enough ago.
//! - `seed prune ACCOUNTS NUMBER` makes so many sessions more, lets them end by its own clock, and prints how many rows
//!   a second were pruned.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use hallpass::audit::Client;
use hallpass::auth::Site;
use hallpass::auth::cookies::Name;
use hallpass::clock::{Clock, DAY, HOUR};
use hallpass::config::Config;
use hallpass::id::BrowserId;
use hallpass::sessions::{SessionError, Tokens};
use hallpass::upkeep;
use rocket::futures::{StreamExt, TryStreamExt, stream};

/// While the database works on one, tokens of others are signed.
const AT_ONCE: usize = 8;

/// From then on, expired sessions are deleted that were not to be kept logged in.
const LONG_AFTER: i64 = 31 * DAY;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let clock = Clock::manual(Clock::system().now());
    let site = Site::open(Config::read(&hallpass::figment())?, clock.clone()).await?;
    match arguments[..] {
        ["sessions", accounts, each, most, file] => {
            sessions(&site, &clock, accounts.parse()?, each.parse()?, most.parse()?, file).await?;
        }
        ["prune", accounts, number] => prune(&site, &clock, accounts.parse()?, number.parse()?).await?,
        _ => return Err("seed sessions ACCOUNTS EACH MOST FILE, or seed prune ACCOUNTS NUMBER".into()),
    }
    site.db.close().await;
    Ok(())
}

async fn sessions(
    site: &Site,
    clock: &Clock,
    accounts: usize,
    each: usize,
    most: usize,
    file: &str,
) -> Result<(), Box<dyn Error>> {
    let every = (accounts / most).max(1);
    let mut shown = Vec::new();
    for _ in 0..each {
        let mut all = stream::iter(0..accounts).map(|number| start(site, number, true)).buffered(AT_ONCE).enumerate();
        while let Some((number, started)) = all.next().await {
            let started = started?;
            if number % every == 0 && number / every < most {
                shown.push(started);
            }
        }
    }
    show(site, &shown).await?;
    // By now the browser has saved its cookies, and a page has nothing to note any more.
    clock.advance(site.config.refresh_grace_seconds);
    show(site, &shown).await?;
    // What tells other processes of so many log-ins at once.
    clock.advance(HOUR);
    upkeep::prune(site).await?;
    let mut file = BufWriter::new(File::create(file)?);
    for (tokens, browser) in &shown {
        writeln!(file, "{}", cookies(site, tokens, browser))?;
    }
    Ok(file.flush()?)
}

async fn show(site: &Site, shown: &[(Tokens, BrowserId)]) -> Result<(), SessionError> {
    let all = stream::iter(shown).map(|(tokens, _)| site.sessions.authenticate(&tokens.access));
    all.buffered(AT_ONCE).try_for_each(async |_| Ok(())).await
}

async fn prune(site: &Site, clock: &Clock, accounts: usize, number: usize) -> Result<(), Box<dyn Error>> {
    let every = (accounts / number).max(1);
    let some = (0..number).map(|each| each * every % accounts);
    let all = stream::iter(some).map(|number| start(site, number, false)).buffered(AT_ONCE);
    all.try_for_each(async |_| Ok(())).await?;
    clock.advance(LONG_AFTER);
    let began = Instant::now();
    let pruned = upkeep::prune(site).await?;
    let seconds = began.elapsed().as_secs_f64();
    if pruned < number as u64 {
        return Err(format!("of {number} sessions and more that had ended, {pruned} rows were pruned").into());
    }
    println!("{}", pruned as f64 / seconds);
    Ok(())
}

/// A session of the account that has this number in its address, as benches/contenders.py gives them.
async fn start(site: &Site, number: usize, remember: bool) -> Result<(Tokens, BrowserId), Box<dyn Error>> {
    let user = site.accounts.by_email(&format!("user{number:07}@example.org")).await?;
    let browser = BrowserId::random();
    let client = Client {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        browser: Some(browser.clone()),
    };
    let tokens = site.sessions.start(&user.id, user.password_changed_at, remember, Some(&browser), &client).await?;
    Ok((tokens, browser))
}

fn cookies(site: &Site, tokens: &Tokens, browser: &BrowserId) -> String {
    let [access, refresh, id] = [Name::Access, Name::Refresh, Name::Browser].map(|name| site.cookies.name(name));
    let browser = site.browser_ids.write(browser);
    format!("{access}={}; {refresh}={}; {id}={browser}", tokens.access, tokens.refresh)
}
