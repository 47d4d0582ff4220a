//! Where somebody wants to go after logging in.

use std::sync::LazyLock;

use hallpass::auth::return_to::ReturnTo;
use percent_encoding::percent_decode_str;
use url::Url;

const MAX: usize = 1024;

static SITES: LazyLock<[Url; 2]> = LazyLock::new(|| {
    ["https://example.org/login?next=x", "http://localhost:8000/login"].map(|url| Url::parse(url).expect("a URL"))
});

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match ReturnTo::check(&text) {
        Some(accepted) => {
            assert_eq!(accepted.as_str(), text, "as it was given");
            stays_here(&text);
        }
        None => assert!(!is_ordinary(&text), "{text:?} is refused"),
    }
}

fn stays_here(text: &str) {
    assert!(text.len() <= MAX && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{text:?}");
    // A proxy in between may decode the path, once or twice.
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let once = percent_decode_str(path).decode_utf8().expect("UTF-8");
    let twice = percent_decode_str(&once).decode_utf8().expect("UTF-8");
    for site in SITES.iter() {
        for seen in [text, path, &once, &twice] {
            let there = site.join(seen).expect("a URL");
            assert_eq!(there.origin(), site.origin(), "{text:?} read as {seen:?}");
            assert!(there.username().is_empty() && there.password().is_none(), "{text:?} read as {seen:?}");
        }
        // What a browser asks for is the path that was checked: none of its segments went up or away.
        let segments = |path: &str| path.split('/').count();
        assert_eq!(segments(site.join(text).expect("a URL").path()), segments(path), "{text:?}");
    }
    assert!(!once.chars().chain(twice.chars()).any(char::is_control), "{text:?}");
}

/// The addresses of this site's own pages look like this: none may be refused.
fn is_ordinary(text: &str) -> bool {
    let is_plain =
        |text: &str, more: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let segments = path
        .strip_prefix('/')
        .map(|rest| rest.split('/').all(|segment| !segment.is_empty() && is_plain(segment, b"-_")));
    text.len() <= MAX && segments == Some(true) && is_plain(query, b"=&-_")
}
