//! A strict reader of pages: stricter than any browser, so that what passes here is read the same by all.

use std::collections::{BTreeMap, HashSet};

use super::Page;

/// An opening tag as it stands in a page.
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
    /// The form that it stands in, by its place in the page.
    form: Option<usize>,
}

const VOID: [&str; 6] = ["br", "img", "input", "link", "meta", "hr"];

/// A strict reader: every `<` begins a tag, every tag is closed in its order, every attribute is quoted and once.
fn tags(page: &Page) -> Vec<Tag> {
    let what = format!("{} ({})", page.path, page.status);
    let mut text = page.body.strip_prefix("<!doctype html>\n").unwrap_or_else(|| panic!("{what}: no doctype"));
    let (mut open, mut found, mut form, mut forms) = (Vec::<String>::new(), Vec::new(), None, 0);
    while let Some(start) = text.find('<') {
        let words = &text[..start];
        assert!(!words.contains('>') && !has_loose_ampersand(words), "{what}: unescaped in {words:?}");
        let end = tag_end(&text[start..]).unwrap_or_else(|| panic!("{what}: a tag without end"));
        let tag = &text[start + 1..start + end];
        text = &text[start + end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{what}: closed out of order");
            form = form.filter(|_| name != "form");
            continue;
        }
        let (name, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        assert!(
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "{what}: <{tag}>"
        );
        if name == "form" {
            assert!(form.is_none(), "{what}: a form in a form");
            forms += 1;
            form = Some(forms);
        }
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        found.push(Tag { name: name.to_owned(), attributes: attributes(rest, &what), form });
    }
    assert!(open.is_empty(), "{what}: never closed: {open:?}");
    found
}

fn has_loose_ampersand(text: &str) -> bool {
    text.split('&')
        .skip(1)
        .any(|rest| !rest.split(';').next().is_some_and(|name| rest.len() > name.len() && name.len() < 9))
}

fn tag_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices()
        .find(|(_, c)| {
            quoted ^= *c == '"';
            *c == '>' && !quoted
        })
        .map(|(at, _)| at)
}

fn attributes(mut text: &str, what: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return found;
        }
        let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{what}: attribute {name:?}");
        assert!(!name.starts_with("on") && name != "style", "{what}: {name}");
        let value = match rest.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').expect("a closing quote");
                assert!(!value.contains('<') && !has_loose_ampersand(value), "{what}: {name}={value}");
                text = after;
                value
            }
            None => {
                assert!(!rest.starts_with('='), "{what}: {name} is not quoted");
                text = rest;
                ""
            }
        };
        assert!(found.insert(name.to_owned(), value.to_owned()).is_none(), "{what}: {name} twice");
    }
}

pub fn is_well_formed(page: &Page) {
    let what = format!("{} ({})", page.path, page.status);
    let tags = tags(page);
    let of = |name: &'static str| tags.iter().filter(move |tag| tag.name == name);
    let get = |tag: &Tag, name: &str| tag.attributes.get(name).cloned();
    let mut ids = HashSet::new();
    for id in tags.iter().filter_map(|tag| get(tag, "id")) {
        assert!(ids.insert(id.clone()), "{what}: id {id} twice");
    }
    for tag in &tags {
        for name in ["for", "aria-describedby", "aria-labelledby"] {
            let targets = get(tag, name).unwrap_or_default();
            for target in targets.split_whitespace() {
                assert!(ids.contains(target), "{what}: {name}={target} leads nowhere");
            }
        }
        if let Some(target) = get(tag, "href").as_deref().and_then(|href| href.strip_prefix('#')) {
            assert!(ids.contains(target), "{what}: #{target} leads nowhere");
        }
        for name in ["href", "src", "action"] {
            if let Some(address) = get(tag, name) {
                assert!(address.starts_with(['/', '#']) && !address.starts_with("//"), "{what}: {name}={address}");
            }
        }
    }
    for name in ["script", "style", "iframe", "object", "base"] {
        assert_eq!(of(name).count(), 0, "{what}: <{name}>");
    }
    for name in ["title", "h1", "main"] {
        assert_eq!(of(name).count(), 1, "{what}: <{name}>");
    }
    assert!(of("img").all(|img| img.attributes.contains_key("alt")), "{what}: an image without alt");
    let labelled: HashSet<_> = of("label").filter_map(|label| get(label, "for")).collect();
    for input in of("input") {
        let (kind, id) = (get(input, "type").expect("a type"), get(input, "id"));
        if kind != "hidden" {
            assert!(id.is_some_and(|id| labelled.contains(&id)), "{what}: an input without label");
            assert!(kind == "checkbox" || input.attributes.contains_key("autocomplete"), "{what}: no autocomplete");
        }
    }
    for select in of("select") {
        assert!(get(select, "id").is_some_and(|id| labelled.contains(&id)), "{what}: a select without label");
    }
    for (place, form) in of("form").enumerate() {
        assert_eq!(get(form, "method").as_deref(), Some("post"), "{what}");
        let inside = |input: &&Tag| input.form == Some(place + 1);
        let tokens = of("input").filter(inside).filter(|input| get(input, "name").as_deref() == Some("csrf_token"));
        let tokens: Vec<_> = tokens.filter_map(|input| get(input, "value")).collect();
        assert!(tokens.len() == 1 && tokens[0].len() == 43, "{what}: form tokens {tokens:?}");
        assert!(of("button").any(|button| button.form == Some(place + 1)), "{what}: a form without button");
    }
}
