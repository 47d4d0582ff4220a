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
    let is_plain = document.as_ref().is_ok_and(is_plain);
    match fuzzing::json::<Given>(data) {
        Ok(given) => {
            assert!(is_plain, "{given:?}");
            match expected {
                Ok(expected) => assert_eq!(given, expected),
                Err(_) => differs_by_notation_alone(&given, document.expect("JSON")),
            }
        }
        Err(told) => {
            assert!(expected.is_err() || !is_plain, "{told}");
            assert!(told.len() <= ANSWER_MAX + 8 * data.len(), "{} bytes for {}", told.len(), data.len());
            // The name of a field that is unknown is told: there is no other way to say which it is.
            let is_name = |document: &Value| {
                document.as_object().is_some_and(|fields| fields.keys().any(|name| name.contains(MARKER)))
            };
            assert!(!told.contains(MARKER) || document.as_ref().is_ok_and(is_name), "{told}");
        }
    }
}

/// serde takes a list for an object, too, and `{"body":null}` for `"body"`: the schema has neither.
fn is_plain(document: &Value) -> bool {
    let has_object = |value: &Value| match value {
        Value::Array(values) => values.iter().any(Value::is_object),
        value => value.is_object(),
    };
    document.as_object().is_some_and(|fields| !fields.values().any(has_object))
}

/// serde takes neither `30.0` nor `-0` for an integer.
fn differs_by_notation_alone(given: &Given, mut document: Value) {
    let days = &mut document["days"];
    assert!(days.is_f64() && days.as_f64() == Some(given.days as f64), "{days} became {}", given.days);
    *days = given.days.into();
    assert_eq!(serde_json::from_value::<Given>(document).expect("what was read"), *given);
}
