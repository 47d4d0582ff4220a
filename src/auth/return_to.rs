//! Where to go after logging in: a path of this site, and nothing that a browser could take for another one.

use rocket::http::uri::Origin;

/// Longer addresses are not remembered, in bytes.
const MAX: usize = 1024;

/// A checked path, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Accepts a path of this site:
    /// - it begins with one slash: two, or a slash and a backslash, begin the name of a host;
    /// - no backslash, control character or space anywhere: browsers drop or rewrite them;
    /// - no empty and no dot segment, also when decoded once or twice: a proxy in between may decode and merge
    ///   them, and what comes out may begin with two slashes.
    pub fn check(text: &str) -> Option<Self> {
        if text.len() > MAX || text.bytes().any(|byte| byte == b'\\' || !byte.is_ascii_graphic()) {
            return None;
        }
        let path = text.split(['?', '#']).next()?;
        let once = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
        let twice = percent_encoding::percent_decode_str(&once).decode_utf8().ok()?;
        let plain = [path, &*once, &*twice].iter().all(|path| is_plain(path));
        (plain && Origin::parse(text).is_ok()).then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let segments: Vec<_> = rest.split('/').collect();
    let (last, inner) = match segments.split_last() {
        Some(split) => split,
        None => return true,
    };
    let dots = |segment: &str| segment == "." || segment == "..";
    !path.chars().any(|c| c == '\\' || c.is_control())
        && !dots(last)
        && !inner.iter().any(|segment| segment.is_empty() || dots(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_site_are_kept() {
        for path in ["/", "/account", "/account/", "/a/b?c=d&e=%2F%2Fx", "/a%20b", "/caf%C3%A9", "/a?next=//x"] {
            assert_eq!(ReturnTo::check(path).as_ref().map(ReturnTo::as_str), Some(path));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        #[rustfmt::skip]
        let hostile = [
            "", "account", "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example",
            "javascript:alert(1)", "/%2f%2fevil.example", "/%2F/evil.example", "/%252f%252fevil.example",
            "/%5cevil.example", "/%255cevil.example", "/a//b", "/./a", "/..//evil.example", "/%2e%2e/a", "/a/..",
            "/a\tb", "/a\r\nX: y", "/a%0d%0ab", "/a%00", "/a%250ab", " /a", "/a b", "/caf\u{e9}",
            "/\u{2215}evil.example", "/%ff", "?a", "#a",
        ];
        for path in hostile {
            assert_eq!(ReturnTo::check(path), None, "{path:?}");
        }
        assert_eq!(ReturnTo::check(&format!("/{}", "a".repeat(MAX))), None);
    }
}
