//! Times, devices, events and scopes in plain words.

use time::OffsetDateTime;
use time::macros::format_description;
use woothee::parser::Parser;

use super::page::Notice;
use crate::audit::Kind;
use crate::clock::{DAY, HOUR, MINUTE, Seconds};
use crate::personal_tokens::{Scope, Scopes};
use crate::sessions::Reason;

/// "22 November 2026".
pub fn date(at: Seconds) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year]");
    OffsetDateTime::from_unix_timestamp(at).ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// "22 November 2026, 14:03 UTC".
pub fn date_and_time(at: Seconds) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(at).ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// "3 minutes ago".
pub fn ago(seconds: Seconds) -> String {
    let of = |count: Seconds, unit: &str| match count {
        1 => format!("1 {unit} ago"),
        _ => format!("{count} {unit}s ago"),
    };
    match seconds {
        DAY.. => of(seconds / DAY, "day"),
        HOUR.. => of(seconds / HOUR, "hour"),
        MINUTE.. => of(seconds / MINUTE, "minute"),
        _ => "just now".to_owned(),
    }
}

/// "Firefox on Windows": what a `User-Agent` header claims.
pub fn device(user_agent: &str) -> String {
    // Programs name themselves better than "HTTP Library" does.
    let unknown = |word: &str| matches!(word, "" | "UNKNOWN" | "HTTP Library" | "Various");
    let known = Parser::new().parse(user_agent);
    let os = known.as_ref().map(|known| known.os).filter(|os| !unknown(os)).map(system);
    let browser = known.as_ref().map(|known| known.name).filter(|name| !unknown(name)).map(str::to_owned);
    // Programs and text browsers name themselves first: `curl/8.5.0`, `w3m/0.5.3`.
    let product =
        || user_agent.split(['/', ' ', '(']).next().filter(|product| !product.is_empty() && *product != "Mozilla");
    let browser = browser.or_else(|| product().map(|product| product.chars().take(30).collect()));
    match (browser, os) {
        (Some(browser), Some(os)) => format!("{browser} on {os}"),
        (Some(browser), None) => browser,
        (None, Some(os)) => format!("A browser on {os}"),
        (None, None) => "An unknown browser".to_owned(),
    }
}

fn system(os: &str) -> &str {
    match os {
        os if os.starts_with("Windows") && os != "Windows Phone OS" => "Windows",
        "Mac OSX" => "macOS",
        os => os,
    }
}

/// An event as a sentence, and whether its reader should worry.
pub fn event(kind: Kind) -> (&'static str, bool) {
    match kind {
        Kind::Registered => ("Your account was registered.", false),
        Kind::LoggedIn => ("Logged in.", false),
        Kind::LoggedOut => ("Logged out.", false),
        Kind::PasswordChanged => ("Your password was changed.", false),
        Kind::PasswordSet => {
            ("Your password was set by an operator of this site. All your sessions and tokens have ended.", false)
        }
        Kind::SessionEnded => ("A session was ended.", false),
        Kind::OtherSessionsEnded => ("All other sessions were ended.", false),
        Kind::AllSessionsEnded => ("All your sessions were ended by an operator of this site.", false),
        Kind::StaleToken => ("An outdated token of one of your sessions was used. It gave no access.", false),
        Kind::Replayed => ("A copy of an old token was used. The session it belonged to was ended.", true),
        Kind::Locked => ("Your account was locked.", true),
        Kind::Unlocked => ("Your account was unlocked.", false),
        Kind::MadeAdmin => ("You were made an administrator.", false),
        Kind::TokenCreated => ("A personal access token was made.", false),
        Kind::TokenRevoked => ("A personal access token was revoked.", false),
    }
}

/// What a token may be used for, and what that means.
pub fn scope(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::Read => ("Read", "See what you can see."),
        Scope::Write => ("Write", "Change what you can change."),
        Scope::Admin => ("Administer", "Do what only administrators may do."),
    }
}

/// "May read, write and administer".
pub fn may(scopes: &Scopes) -> String {
    let words: Vec<_> = scopes.iter().map(|granted| scope(granted).0.to_lowercase()).collect();
    match words.split_last() {
        Some((last, [])) => format!("May {last}"),
        Some((last, others)) => format!("May {} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What the log-in page says to somebody whose session has been ended.
pub fn logged_out_because(reason: Reason) -> Notice {
    match reason {
        Reason::Logout => Notice::info("You are logged out."),
        Reason::Ended => Notice::info(
            "This session was ended from another device, or by whoever runs this site. Log in again to go on.",
        ),
        Reason::Password => {
            Notice::info("Your password was changed, which ended this session. Log in with the new one.")
        }
        Reason::Replay => Notice::warning(
            "To be on the safe side, this session was ended: an old copy of its token was used. Log in again; if you \
             did not restore this browser or device from a backup, change your password then.",
        ),
        Reason::Locked => Notice::warning("This account is locked. Ask whoever runs this site."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named() {
        #[rustfmt::skip]
        let cases = [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Windows"),
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "Chrome on Linux"),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge on Windows"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "Safari on macOS"),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
            ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
            ("Lynx/2.9.0dev.12 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.8", "Lynx"),
            ("w3m/0.5.3+git20230121", "w3m"),
            ("curl/8.5.0", "curl"),
            ("Mozilla/5.0 (compatible)", "An unknown browser"),
            ("", "An unknown browser"),
        ];
        for (user_agent, expected) in cases {
            assert_eq!(device(user_agent), expected, "{user_agent}");
        }
    }

    #[test]
    fn scopes_are_said() {
        let said = |scopes| Scopes::of(scopes).map(|scopes| may(&scopes)).unwrap_or_default();
        assert_eq!(said(&[Scope::Write]), "May write");
        assert_eq!(said(&[Scope::Write, Scope::Read]), "May read and write");
        assert_eq!(said(Scope::ALL), "May read, write and administer");
    }

    #[test]
    fn times_are_said() {
        assert_eq!(date_and_time(1_795_356_180), "22 November 2026, 14:03 UTC");
        assert_eq!(date(0), "1 January 1970");
        let said: Vec<_> = [-5, 59, 60, 119, 3600, 86_399, 86_400, 200_000].map(ago).into();
        let expected = [
            "just now",
            "just now",
            "1 minute ago",
            "1 minute ago",
            "1 hour ago",
            "23 hours ago",
            "1 day ago",
            "2 days ago",
        ];
        assert_eq!(said, expected);
    }
}
