//! Submitted forms: read whole, with whatever is wrong in them noted, and checked for forgery before anything else
//! looks at them.

use percent_encoding::percent_decode;
use rocket::Request;
use rocket::data::{Data, FromData, Outcome};
use rocket::http::Status;

use super::answer::Refusal;
use super::page::Notice;
use crate::accounts::Fault;
use crate::auth::Site;
use crate::auth::forgery::{self, Forgery};
use crate::http::body;

/// A form as it came. Every handler of a form calls [`Submission::accept`] before it does anything; a test sees to
/// that.
pub struct Submission {
    pub fields: Fields,
    genuine: Result<(), Notice>,
}

impl Submission {
    /// Whether the form may be acted upon: it comes from a page of this site, and what was read of it had no fault.
    pub fn accept(&self, faults: Vec<Fault>) -> Result<(), Refusal> {
        match &self.genuine {
            Err(notice) => Err(Refusal::forged(notice.clone())),
            Ok(()) if !faults.is_empty() => Err(Refusal::faults(faults)),
            Ok(()) => Ok(()),
        }
    }
}

/// The fields of a form, in the order they came.
pub struct Fields(Vec<(String, Text)>);

struct Text {
    text: String,
    readable: bool,
}

impl Fields {
    /// `application/x-www-form-urlencoded` (URL Standard section 5.1), but telling what was not UTF-8.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = Text::decode(halves.next().unwrap_or_default());
            (name.text, Text::decode(halves.next().unwrap_or_default()))
        });
        Self(fields.collect())
    }

    /// The value of a field; empty if it is missing. A fault is noted if it cannot be told what was meant.
    pub fn read(&self, name: &'static str, faults: &mut Vec<Fault>) -> String {
        let mut given = self.0.iter().filter(|(field, _)| field == name).map(|(_, text)| text);
        let first = given.next();
        if given.next().is_some() {
            faults.push(Fault::new(name, "duplicate", "This field was sent more than once. Fill it in once."));
        } else if first.is_some_and(|text| !text.readable) {
            let message = "This field has characters that could not be read. Type it again.";
            faults.push(Fault::new(name, "unreadable", message));
        }
        first.map(|text| text.text.clone()).unwrap_or_default()
    }

    /// Whether a checkbox was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Every value of a field that may be there several times, such as that of checkboxes.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, text)| text.text.as_str())
    }

    /// The value of a field that no visitor types.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }
}

impl Text {
    fn decode(encoded: &[u8]) -> Self {
        let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let bytes: Vec<u8> = percent_decode(&spaced).collect();
        match String::from_utf8(bytes) {
            Ok(text) => Self { text, readable: true },
            Err(error) => Self { text: String::from_utf8_lossy(error.as_bytes()).into_owned(), readable: false },
        }
    }
}

#[rocket::async_trait]
impl<'r> FromData<'r> for Submission {
    type Error = ();

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r, Self> {
        let Some(site) = request.rocket().state::<Site>() else {
            return Outcome::Error((Status::InternalServerError, ()));
        };
        if !request.content_type().is_none_or(|content_type| content_type.is_form()) {
            return Outcome::Error((Status::UnsupportedMediaType, ()));
        }
        let body = match body::read(data).await {
            Ok(body) => body,
            Err(status) => return Outcome::Error((status, ())),
        };
        let fields = Fields::parse(&body);
        let genuine =
            forgery::check(request, site, fields.first("csrf_token")).map_err(|forgery| notice(forgery, request));
        Outcome::Success(Self { fields, genuine })
    }
}

fn notice(forgery: Forgery, request: &Request<'_>) -> Notice {
    forgery::log_refused(request, forgery);
    Notice::warning(match forgery {
        Forgery::OtherSite => "Please submit again: your browser says that this form was sent from another site.",
        Forgery::NoCookie => {
            "Please submit again. If this message comes back, allow this site to set cookies, then reload the page."
        }
        Forgery::WrongToken => "Please submit again: this form was not made for this browser.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_faults_noted() {
        let fields = Fields::parse(b"a=1+2%26&b=&c&a%5f=caf%C3%A9&d=%ff&e=1&e=1&&=x&f=%zz&g=a=b\xfe");
        let mut faults = Vec::new();
        let mut read = |name| fields.read(name, &mut faults);
        assert_eq!([read("a"), read("b"), read("c"), read("a_"), read("none")], ["1 2&", "", "", "caf\u{e9}", ""]);
        assert_eq!([read("f"), read("e"), read("d")], ["%zz", "1", "\u{fffd}"]);
        assert_eq!(read("g"), "a=b\u{fffd}");
        let found: Vec<_> = faults.iter().map(|fault| (fault.field, fault.code)).collect();
        assert_eq!(found, [("e", "duplicate"), ("d", "unreadable"), ("g", "unreadable")]);
        assert!(fields.ticked("b") && !fields.ticked("none"));
        assert_eq!(fields.all("e").chain(fields.all("none")).collect::<Vec<_>>(), ["1", "1"]);
    }
}
