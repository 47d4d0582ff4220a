//! JSON that a program sent: read whole, every fault in it told at once.
//!
//! What is wrong with a field is judged by the schema that the OpenAPI document shows, so the document cannot lie.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use rocket::Request;
use rocket::data::{Data, FromData, Outcome};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayItems, Object, Schema, SchemaType, Type};

use super::code::Code;
use super::problem::{FieldError, Problem, WHOLE};
use crate::http::body;

/// Nobody reads more, and the answer must not be larger than the question.
const FAULTS_MAX: usize = 20;

/// A JSON object in the request's body. What cannot be read is answered by the catcher.
pub struct Body<T>(pub T);

/// The same where the body may be left out.
pub struct OptionalBody<T>(pub Option<T>);

#[rocket::async_trait]
impl<'r, T: DeserializeOwned + ToSchema> FromData<'r> for Body<T> {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r, Self> {
        match read(request, data).await.and_then(|body| parse(&body)) {
            Ok(value) => Outcome::Success(Self(value)),
            Err(problem) => Outcome::Error((problem.park(request), ())),
        }
    }
}

#[rocket::async_trait]
impl<'r, T: DeserializeOwned + ToSchema> FromData<'r> for OptionalBody<T> {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, mut data: Data<'r>) -> Outcome<'r, Self> {
        if data.peek(1).await.is_empty() {
            return Outcome::Success(Self(None));
        }
        Body::from_data(request, data).await.map(|Body(value)| Self(Some(value)))
    }
}

async fn read(request: &Request<'_>, data: Data<'_>) -> Result<Vec<u8>, Problem> {
    let content_type = request.content_type().filter(|content_type| {
        let utf8 = content_type.params().all(|(name, value)| name != "charset" || value.eq_ignore_ascii_case("utf-8"));
        content_type.is_json() && utf8
    });
    if content_type.is_none() {
        return Err(Code::UnsupportedMediaType.into());
    }
    body::read(data).await.map_err(|status| Problem::of(Code::of_status(status)))
}

pub(crate) fn parse<T: DeserializeOwned + ToSchema>(body: &[u8]) -> Result<T, Problem> {
    let malformed = |error: serde_json::Error| {
        // Its text ends with line and column.
        Problem::new(Code::MalformedJson, format!("The body is no JSON: {error}."))
    };
    let Value::Object(fields) = serde_json::from_slice(body).map_err(malformed)? else {
        return Err(Problem::invalid(vec![FieldError::new(WHOLE, "wrong_type", "Send a JSON object: {…}.")]));
    };
    let fields: Map<_, _> = fields.into_iter().map(|(name, value)| (name, whole(value))).collect();
    let Names(names) = serde_json::from_slice(body).map_err(malformed)?;
    let RefOr::T(Schema::Object(schema)) = T::schema() else {
        unreachable!("a body's schema is an object's");
    };
    let mut faults = faults_of(&schema, &fields);
    faults.extend(
        repeated(&names)
            .into_iter()
            .map(|name| FieldError::new(name, "duplicate", "This field was sent more than once. Send it once.")),
    );
    faults.truncate(FAULTS_MAX);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    // What its schema lets through can be read; a value that cannot is refused all the same. Not in serde's words: they
    // repeat what was sent, which may be a password.
    serde_json::from_value(Value::Object(fields))
        .map_err(|_| Problem::invalid(vec![FieldError::new(WHOLE, "wrong_type", "Send what the document describes.")]))
}

/// The names of an object's fields as they came. Of two with one name, most readers keep one and do not tell which
/// (RFC 8259 section 4).
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// The names that are there more than once, in one pass: a body of 32 KiB has room for thousands.
fn repeated(names: &[String]) -> BTreeSet<&str> {
    let mut seen = HashSet::new();
    names.iter().map(String::as_str).filter(|name| !seen.insert(*name)).collect()
}

/// 30.0 is an integer, too (JSON Schema Core section 4.2.3).
fn whole(value: Value) -> Value {
    /// Above, not every whole number has a floating point of its own (RFC 7493 section 2.2).
    const EXACT: f64 = 9_007_199_254_740_991.0;
    match value.as_f64() {
        Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() <= EXACT => (number as i64).into(),
        _ => value,
    }
}

fn faults_of(schema: &Object, fields: &Map<String, Value>) -> Vec<FieldError> {
    let missing = schema.required.iter().filter(|name| !fields.contains_key(*name));
    let mut faults: Vec<_> =
        missing.map(|name| FieldError::new(name, "missing", "This field is missing. Send it.")).collect();
    for (name, value) in fields {
        match schema.properties.get(name) {
            None => {
                let known: Vec<_> = schema.properties.keys().map(String::as_str).collect();
                let detail = format!("There is no such field here. There are: {}.", known.join(", "));
                faults.push(FieldError::new(name, "unknown", detail));
            }
            Some(RefOr::T(property)) => {
                faults.extend(fault_of(property, value).map(|(code, detail)| FieldError::new(name, code, detail)))
            }
            Some(RefOr::Ref(_)) => {}
        }
    }
    faults
}

fn fault_of(schema: &Schema, value: &Value) -> Option<(&'static str, String)> {
    let wrong_type = |expected: &str| Some(("wrong_type", format!("Send {expected}.")));
    match schema {
        Schema::Object(object) => {
            let SchemaType::Type(expected) = &object.schema_type else { return None };
            let fits = match expected {
                Type::String => value.is_string(),
                Type::Boolean => value.is_boolean(),
                Type::Integer => value.is_i64(),
                _ => true,
            };
            let expected = match expected {
                Type::String => "a string",
                Type::Boolean => "true or false",
                _ => "a whole number",
            };
            match &object.enum_values {
                _ if !fits => wrong_type(expected),
                Some(allowed) if !allowed.contains(value) => {
                    let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
                    Some(("not_allowed", format!("Send one of {}.", allowed.join(", "))))
                }
                _ => None,
            }
        }
        Schema::Array(array) => {
            let Value::Array(values) = value else { return wrong_type("a list") };
            let ArrayItems::RefOrSchema(items) = &array.items else { return None };
            let RefOr::T(items) = &**items else { return None };
            values.iter().find_map(|value| fault_of(items, value))
        }
        _ => None,
    }
}
