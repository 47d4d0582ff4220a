//! `Cookie` headers, one a line.

use std::cell::LazyCell;

use hallpass::auth::cookies::{Cookies, Name};
use rocket::http::Header;

use crate::requests;

const NAMES: [Name; 4] = [Name::Access, Name::Refresh, Name::Browser, Name::Probe];
/// Of one name; src/auth/cookies.rs reads no more.
const READ_MAX: usize = 4;
const GENUINE: &str = "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln";

thread_local! {
    static SITES: LazyCell<[Cookies; 2]> = const { LazyCell::new(|| {
        ["https://example.org", "http://localhost:8000"].map(|url| Cookies::new(&requests::public_url(url)))
    }) };
}

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    SITES.with(|sites| {
        for cookies in sites.iter() {
            for name in NAMES {
                names_are_matched_exactly(cookies, name, &lines);
                others_hide_none(cookies, name, &lines);
            }
            what_is_written_is_read(cookies, &text);
        }
    });
}

fn read(cookies: &Cookies, name: Name, lines: &[&str]) -> Vec<String> {
    let mut values = Vec::new();
    requests::with_headers(requests::loopback(), lines.iter().map(|line| ("Cookie", *line)), |request| {
        values = cookies.read(request, name).map(str::to_owned).collect();
    });
    values
}

/// Spaces and tabs around a pair are not part of it. Nothing else is left away: to a browser, `__Host-browser` behind
/// some other blank is not the name that no other host may set.
fn names_are_matched_exactly(cookies: &Cookies, name: Name, lines: &[&str]) {
    let start = format!("{}=", cookies.name(name));
    let pairs = lines.iter().flat_map(|line| line.split(';')).map(|pair| pair.trim_matches([' ', '\t']));
    let expected: Vec<_> = pairs.filter_map(|pair| pair.strip_prefix(&start)).take(READ_MAX).collect();
    assert_eq!(read(cookies, name, lines), expected, "{name:?} in {lines:?}");
}

fn others_hide_none(cookies: &Cookies, name: Name, lines: &[&str]) {
    let others: Vec<_> = lines.iter().map(|line| line.replace(cookies.name(name), "another")).collect();
    let genuine = format!("{}={GENUINE}", cookies.name(name));
    let between = format!("{}; {genuine};{}", others[0], others[others.len() - 1]);
    let mut sent: Vec<&str> = others.iter().map(String::as_str).collect();
    sent.push(&between);
    assert_eq!(read(cookies, name, &sent), [GENUINE], "{sent:?}");
}

fn what_is_written_is_read(cookies: &Cookies, text: &str) {
    let value: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    for (name, header) in [(Name::Browser, cookies.browser(&value)), (Name::Probe, cookies.probe(&value))] {
        let pair = pair_of(&header);
        assert_eq!(read(cookies, name, &[pair]), [value.as_str()]);
        let longest = 4096;
        assert!(value.len() > longest || rocket::http::Cookie::parse(header.value()).is_ok());
    }
    for name in NAMES {
        let header = cookies.clear(name);
        assert_eq!(read(cookies, name, &[pair_of(&header)]), [""]);
    }
}

/// What a browser sends back.
fn pair_of<'h>(header: &'h Header<'_>) -> &'h str {
    header.value().split(';').next().unwrap_or_default()
}
