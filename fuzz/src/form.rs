//! The body of a form.

use std::collections::BTreeSet;

use hallpass::fuzzing::{self, Fields};
use url::form_urlencoded;

use crate::requests;

/// Names that handlers read, and one that Rocket reads.
const READ: [&str; 4] = ["email", "password", "csrf_token", "_method"];

pub fn run(data: &[u8]) {
    let fields = fuzzing::form(data);
    let expected: Vec<_> = form_urlencoded::parse(data).into_owned().collect();
    is_decoded_as_the_url_standard_says(&fields, &expected);
    faults_are_noted(&fields, &expected);
    encoded_again_it_says_the_same(&expected);
    method_changes_by_the_first_field_alone(data);
}

fn is_decoded_as_the_url_standard_says(fields: &Fields, expected: &[(String, String)]) {
    let names: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    for name in names.into_iter().chain(READ) {
        let values: Vec<_> = values_of(expected, name).collect();
        assert_eq!(fields.all(name).collect::<Vec<_>>(), values, "{name:?}");
        assert_eq!(fields.first(name), values.first().copied());
        assert_eq!(fields.ticked(name), !values.is_empty());
    }
}

fn faults_are_noted(fields: &Fields, expected: &[(String, String)]) {
    for name in READ {
        let mut faults = Vec::new();
        let value = fields.read(name, &mut faults);
        let values: Vec<_> = values_of(expected, name).collect();
        assert_eq!(value, values.first().copied().unwrap_or_default());
        let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
        match values[..] {
            [] => assert!(codes.is_empty()),
            // The character may have been sent as itself, too.
            [value] if value.contains(char::REPLACEMENT_CHARACTER) => {
                assert!(codes.is_empty() || codes == ["unreadable"])
            }
            [_] => assert!(codes.is_empty(), "{codes:?}"),
            [..] => assert_eq!(codes, ["duplicate"]),
        }
    }
}

fn encoded_again_it_says_the_same(expected: &[(String, String)]) {
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(expected).finish();
    let fields = fuzzing::form(encoded.as_bytes());
    for (name, _) in expected {
        assert_eq!(fields.all(name).collect::<Vec<_>>(), values_of(expected, name).collect::<Vec<_>>(), "{encoded}");
    }
}

fn values_of<'e>(expected: &'e [(String, String)], name: &str) -> impl Iterator<Item = &'e str> {
    expected.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// What is checked of a POST is checked of whatever it becomes; but it becomes nothing else unseen.
fn method_changes_by_the_first_field_alone(body: &[u8]) {
    let method = requests::method_of_form(body);
    assert_ne!(method, "HEAD", "a HEAD has no body to answer with");
    let first = body.split(|byte| *byte == b'&').find(|field| !field.is_empty()).unwrap_or_default();
    let name = first.split(|byte| *byte == b'=').next().unwrap_or_default();
    // Of a name Rocket looks at the first part: `._method`, `[_method]` and `_method.x` are `_method`.
    let part = name.split(|byte| b".[]".contains(byte)).find(|part| !part.is_empty()).unwrap_or_default();
    assert!(method == "POST" || part == b"_method", "{first:?} made a {method} of a POST");
}
