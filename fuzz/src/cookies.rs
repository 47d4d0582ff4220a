//! `Cookie` headers, one a line.

use std::sync::LazyLock;

use hallpass::auth::cookies::{Cookies, Name};

use crate::requests;

const NAMES: [Name; 4] = [Name::Access, Name::Refresh, Name::Browser, Name::Probe];
/// Of one name; src/auth/cookies.rs reads no more.
const READ_MAX: usize = 4;
const GENUINE: &str = "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln";

static SITES: LazyLock<[Cookies; 2]> = LazyLock::new(|| {
    ["https://example.org", "http://localhost:8000"].map(|url| Cookies::new(&requests::public_url(url)))
});

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    for cookies in SITES.iter() {
        names_are_matched_exactly(cookies, &lines);
        others_hide_none(cookies, &lines);
        what_is_written_is_read(cookies, &text);
    }
}

/// What is read under each name.
fn read(cookies: &Cookies, lines: &[&str]) -> [Vec<String>; 4] {
    let mut values = Default::default();
    requests::with_headers(requests::loopback(), lines.iter().map(|line| ("Cookie", *line)), |request| {
        values = NAMES.map(|name| cookies.read(request, name).map(str::to_owned).collect());
    });
    values
}

/// Spaces and tabs around a pair are not part of it. Nothing else is left away: to a browser, `__Host-browser` behind
/// some other blank is not the name that no other host may set.
fn names_are_matched_exactly(cookies: &Cookies, lines: &[&str]) {
    let expected = NAMES.map(|name| {
        let start = format!("{}=", cookies.name(name));
        let pairs = lines.iter().flat_map(|line| line.split(';')).map(|pair| pair.trim_matches([' ', '\t']));
        pairs.filter_map(|pair| pair.strip_prefix(&start)).take(READ_MAX).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(read(cookies, lines), expected, "{lines:?}");
}

fn others_hide_none(cookies: &Cookies, lines: &[&str]) {
    let foreign =
        |line: &&str| NAMES.iter().fold(line.to_string(), |line, name| line.replace(cookies.name(*name), "x"));
    let mut sent: Vec<String> = lines.iter().map(foreign).collect();
    let genuine = NAMES.map(|name| format!("{}={GENUINE}", cookies.name(name))).join("; ");
    let (first, last) = (&sent[0], &sent[sent.len() - 1]);
    sent.push(format!("{first}; {genuine};{last}"));
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    assert_eq!(read(cookies, &sent), NAMES.map(|_| vec![GENUINE]), "{sent:?}");
}

fn what_is_written_is_read(cookies: &Cookies, text: &str) {
    let value: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let headers =
        [cookies.clear(Name::Access), cookies.clear(Name::Refresh), cookies.browser(&value), cookies.probe(&value)];
    // What a browser sends back.
    let pairs = headers.each_ref().map(|header| header.value().split(';').next().unwrap_or_default());
    assert_eq!(read(cookies, &[&pairs.join("; ")]), ["", "", &value, &value].map(|value| vec![value]));
    for (header, name) in headers.iter().zip(NAMES) {
        let written = rocket::http::Cookie::parse(header.value()).expect("a cookie");
        assert_eq!((written.name(), written.path(), written.domain()), (cookies.name(name), Some("/"), None));
        assert_eq!(written.http_only(), Some(true));
    }
}
