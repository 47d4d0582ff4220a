//! A JSON body, read into what bodies of the API are made of.

use hallpass::fuzzing;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Stands for what must not be told again.
const MARKER: &str = "hunter2";
/// In bytes: an answer must not be much larger than the question.
const ANSWER_MAX: usize = 16 * 1024;

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Given {
    password: String,
    #[serde(default)]
    remember: bool,
    #[serde(default)]
    days: i64,
    #[serde(default)]
    #[schema(inline)]
    delivery: Delivery,
    #[serde(default)]
    #[schema(inline)]
    scopes: Vec<Delivery>,
}

#[derive(Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Delivery {
    #[default]
    Body,
    Cookie,
}

pub fn run(data: &[u8]) {
    let expected = serde_json::from_slice::<Given>(data);
    let document = serde_json::from_slice::<Value>(data);
    match fuzzing::json::<Given>(data) {
        Ok(given) => match expected {
            Ok(expected) => assert_eq!(given, expected),
            // serde knows no 30.0 for an integer.
            Err(_) => assert!(matches!(document, Ok(Value::Object(_))) && has_fraction(data)),
        },
        Err(told) => {
            assert!(expected.is_err() || !matches!(document, Ok(Value::Object(_))), "{told}");
            assert!(told.len() <= ANSWER_MAX + 8 * data.len(), "{} bytes for {}", told.len(), data.len());
            // The name of a field that is unknown is told: there is no other way to say which it is.
            let is_name = |document: &Value| {
                document.as_object().is_some_and(|fields| fields.keys().any(|name| name.contains(MARKER)))
            };
            assert!(!told.contains(MARKER) || document.as_ref().is_ok_and(is_name), "{told}");
        }
    }
}

fn has_fraction(data: &[u8]) -> bool {
    data.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}
