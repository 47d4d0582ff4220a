use std::collections::BTreeMap;
use std::net::SocketAddr;

use rocket::http::{Header, Method};

use super::{Page, TestApp};

/// A browser with a cookie jar of its own. Two devices and a thief are three browsers.
#[derive(Clone)]
pub struct Browser<'a> {
    app: &'a TestApp,
    jar: BTreeMap<String, Cookie>,
    /// Sent with every request, as this browser would.
    pub headers: Vec<(String, String)>,
    pub address: SocketAddr,
    /// For JSON; the same for all pages of the site.
    pub(super) form_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    pub value: String,
    /// None: until the browser is closed.
    pub expires_at: Option<i64>,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        let address = SocketAddr::from(([192, 0, 2, 1], 40_000));
        let headers = vec![(
            "User-Agent".to_owned(),
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
        )];
        Self { app, jar: BTreeMap::new(), headers, address, form_token: None }
    }

    /// The same browser, seen from another address.
    pub fn at(mut self, address: [u8; 4]) -> Self {
        self.address = SocketAddr::from((address, 40_000));
        self
    }

    pub fn app(&self) -> &'a TestApp {
        self.app
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(|cookie| cookie.value.as_str())
    }

    pub fn jar(&self) -> &BTreeMap<String, Cookie> {
        &self.jar
    }

    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.jar.insert(name.to_owned(), Cookie { value: value.to_owned(), expires_at: None });
    }

    pub fn remove_cookie(&mut self, name: &str) {
        self.jar.remove(name);
    }

    /// One request; the answer's cookies are kept, its redirect is not followed.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<&[u8]>, extra: &[(&str, &str)]) -> Page {
        let page = self.send_and_lose(method, path, body, extra).await;
        self.keep(&page);
        page
    }

    /// One request whose answer never arrives: its cookies are not kept.
    pub async fn send_and_lose(&self, method: Method, path: &str, body: Option<&[u8]>, extra: &[(&str, &str)]) -> Page {
        let mut request = self.app.client().req(method, path.to_owned()).remote(self.address);
        for (name, value) in &self.headers {
            request.add_header(Header::new(name.clone(), value.clone()));
        }
        let cookies: Vec<_> = self.sent_cookies().map(|(name, cookie)| format!("{name}={}", cookie.value)).collect();
        if !cookies.is_empty() {
            request.add_header(Header::new("Cookie", cookies.join("; ")));
        }
        if let Some(body) = body {
            request.add_header(Header::new("Content-Type", "application/x-www-form-urlencoded"));
            request.set_body(body);
        }
        for (name, value) in extra {
            request.replace_header(Header::new((*name).to_owned(), (*value).to_owned()));
        }
        Page::from_local(path, request.dispatch().await).await
    }

    fn sent_cookies(&self) -> impl Iterator<Item = (&String, &Cookie)> {
        let now = self.app.now();
        self.jar.iter().filter(move |(_, cookie)| cookie.expires_at.is_none_or(|end| now < end))
    }

    /// Does with an answer's cookies what a browser does.
    pub fn keep(&mut self, page: &Page) {
        for (name, value, max_age) in page.set_cookies() {
            match max_age {
                Some(seconds) if seconds <= 0 => drop(self.jar.remove(&name)),
                _ => {
                    let expires_at = max_age.map(|seconds| self.app.now() + seconds);
                    self.jar.insert(name, Cookie { value, expires_at });
                }
            }
        }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(Method::Get, path, None, &[]).await
    }

    /// A post of these fields, without a form token.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = encode(fields);
        self.send(Method::Post, path, Some(body.as_bytes()), &[]).await
    }

    /// Follows redirects to the end, repeating the request where the answer was 307.
    pub async fn follow(&mut self, mut page: Page, method: Method, body: Option<&[u8]>) -> Page {
        for _ in 0..10 {
            let Some(location) = page.location().map(str::to_owned) else { return page };
            page = match page.status {
                307 => self.send(method, &location, body, &[]).await,
                _ => self.get(&location).await,
            };
        }
        panic!("redirected in circles: {page:?}");
    }

    /// A page by plain navigation.
    pub async fn visit(&mut self, path: &str) -> Page {
        let page = self.get(path).await;
        self.follow(page, Method::Get, None).await
    }

    /// Fills in the form that was really served and submits it; the redirect is not followed.
    pub async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let form = page.form(action);
        let body = encode(&form.filled(fields));
        self.send(Method::Post, action, Some(body.as_bytes()), &[]).await
    }

    /// Opens a page, fills in the form on it, submits it, and goes where that leads.
    pub async fn fill(&mut self, path: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.visit(path).await;
        let body = encode(&page.form(action).filled(fields));
        let answer = self.send(Method::Post, action, Some(body.as_bytes()), &[]).await;
        self.follow(answer, Method::Post, Some(body.as_bytes())).await
    }

    pub async fn register(&mut self, name: &str, email: &str, password: &str) -> Page {
        let fields = [("name", name), ("email", email), ("password", password)];
        let page = self.fill("/register", "/register", &fields).await;
        assert_eq!((page.status, page.path.as_str()), (200, "/account"), "{}", page.body);
        page
    }

    pub async fn log_in(&mut self, email: &str, password: &str) -> Page {
        self.fill("/login", "/login", &[("email", email), ("password", password)]).await
    }

    pub async fn log_in_remembered(&mut self, email: &str, password: &str) -> Page {
        self.fill("/login", "/login", &[("email", email), ("password", password), ("remember", "on")]).await
    }

    /// Whether the account page is served, by plain navigation.
    pub async fn is_logged_in(&mut self) -> bool {
        let page = self.visit("/account").await;
        assert_eq!(page.status, 200);
        page.path == "/account"
    }

    /// The same browser with these cookies.
    pub fn with_jar(mut self, jar: BTreeMap<String, Cookie>) -> Self {
        self.jar = jar;
        self
    }

    /// The generation of its refresh token.
    pub fn generation(&self) -> i64 {
        super::generation(self.cookie("refresh_token").expect("a refresh token"))
    }
}

pub fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
