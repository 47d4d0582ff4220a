//! `Authorization` headers, one a line.

use hallpass::auth::bearer::Authorization;

use crate::requests;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().collect();
    requests::with_headers(requests::loopback(), lines.iter().map(|line| ("Authorization", *line)), |request| {
        let expected = match lines[..] {
            [] => Authorization::Absent,
            [line] => bearer(line).map_or(Authorization::Unusable, Authorization::Bearer),
            _ => Authorization::Unusable,
        };
        assert_eq!(Authorization::of(request), expected, "{lines:?}");
    });
}

/// `"Bearer" 1*SP token68` (RFC 6750 section 2.1, RFC 9110 section 11.2), letter by letter.
fn bearer(line: &str) -> Option<&str> {
    let (scheme, rest) = (line.get(..6)?, line.get(6..)?);
    let token = rest.trim_start_matches(' ');
    let letters = token.trim_end_matches('=');
    let is_token68 =
        !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
    (scheme.to_ascii_lowercase() == "bearer" && rest.starts_with(' ') && is_token68).then_some(token)
}
