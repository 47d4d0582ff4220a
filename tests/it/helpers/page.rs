use rocket::local::asynchronous::LocalResponse;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Page {
    pub path: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A form as it stands in a page: its own values, hidden ones too.
#[derive(Clone, Debug)]
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Page {
    pub async fn from_local(path: &str, response: LocalResponse<'_>) -> Self {
        let status = response.status().code;
        let headers = response.headers().iter();
        let headers =
            headers.map(|header| (header.name().as_str().to_lowercase(), header.value().to_owned())).collect();
        let body = String::from_utf8_lossy(&response.into_bytes().await.unwrap_or_default()).into_owned();
        Self { path: path.to_owned(), status, headers, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub fn location(&self) -> Option<&str> {
        self.header("location")
    }

    pub fn set_cookie_lines(&self) -> Vec<&str> {
        self.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect()
    }

    /// Name, value, Max-Age.
    pub fn set_cookies(&self) -> Vec<(String, String, Option<i64>)> {
        let parse = |line: &str| {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            let max_age = attributes.split(';').find_map(|attribute| attribute.trim().strip_prefix("Max-Age="));
            (name.to_owned(), value.to_owned(), max_age.map(|seconds| seconds.parse().expect("seconds")))
        };
        self.set_cookie_lines().into_iter().map(parse).collect()
    }

    /// The value that this answer gives a cookie.
    pub fn sets(&self, name: &str) -> Option<String> {
        let mut cookies = self.set_cookies().into_iter();
        cookies
            .find(|(given, _, max_age)| given == name && max_age.is_none_or(|age| age > 0))
            .map(|(_, value, _)| value)
    }

    /// Whether this answer takes a cookie away.
    pub fn clears(&self, name: &str) -> bool {
        self.set_cookies().iter().any(|(given, _, max_age)| given == name && *max_age == Some(0))
    }

    /// Whether this answer delivers a new pair of tokens.
    pub fn delivers(&self) -> bool {
        let sets = |name: &str| self.sets(name).is_some() || self.sets(&format!("__Host-{name}")).is_some();
        sets("access_token") && sets("refresh_token")
    }

    pub fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }

    /// The form that posts to `action`.
    pub fn form(&self, action: &str) -> Form {
        let opening = format!("<form action=\"{action}\" method=\"post\"");
        let alternative = format!("action=\"{action}\" method=\"post\"");
        let start = self.body.find(&opening).or_else(|| self.body.find(&alternative));
        let start =
            start.unwrap_or_else(|| panic!("{} ({}) has no form for {action}:\n{}", self.path, self.status, self.body));
        let form = &self.body[start..];
        let form = &form[..form.find("</form>").expect("the form ends")];
        let inputs = form.split("<input").skip(1).map(|rest| &rest[..rest.find('>').expect("the input ends")]);
        let mut fields = Vec::new();
        for input in inputs {
            let unticked = input.contains("type=\"checkbox\"") && !input.contains(" checked");
            if let Some(name) = attribute(input, "name").filter(|_| !unticked) {
                fields.push((name, attribute(input, "value").unwrap_or_default()));
            }
        }
        for select in form.split("<select").skip(1) {
            let (tag, options) = select.split_once('>').expect("the select ends");
            let options = options.split("</select>").next().unwrap_or_default();
            let mut options: Vec<_> = options.split("<option").skip(1).collect();
            options.sort_by_key(|option| !option.split('>').next().is_some_and(|tag| tag.contains(" selected")));
            let chosen = options.first().and_then(|option| attribute(option, "value"));
            fields.extend(attribute(tag, "name").zip(chosen));
        }
        Form { fields }
    }

    /// Whether this is a whole page of the site, with words for people.
    pub fn is_in_words(&self) -> bool {
        ["<!doctype html>", "<h1>", "class=\"site-footer\"", "</html>"].iter().all(|part| self.has(part))
    }
}

impl Form {
    /// Its fields with these filled in.
    pub fn filled<'f>(&'f self, fields: &'f [(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
        let own = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = own.filter(|(name, _)| fields.iter().all(|(filled, _)| filled != name));
        kept.chain(fields.iter().copied()).collect()
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Of a field that may be there several times, such as ticked checkboxes.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[start..];
    let value = &value[..value.find('"')?];
    Some(
        value
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#38;", "&"),
    )
}
