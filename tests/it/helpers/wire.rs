use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Page, Server, encode};

/// A browser over a real connection: one request a connection, a jar that does what `Set-Cookie` says.
#[derive(Clone)]
pub struct WireBrowser {
    port: u16,
    pub jar: BTreeMap<String, String>,
}

impl WireBrowser {
    pub fn new(server: &Server) -> Self {
        Self { port: server.port(), jar: BTreeMap::new() }
    }

    /// The same browser, led to another server of the site.
    pub fn at(&self, server: &Server) -> Self {
        Self { port: server.port(), jar: self.jar.clone() }
    }

    /// One request whose answer's cookies are not kept.
    pub fn send_and_lose(&self, method: &str, target: &str, body: Option<&str>) -> io::Result<Page> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if !self.jar.is_empty() {
            let cookies: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request += &format!("Cookie: {}\r\n", cookies.join("; "));
        }
        if let Some(body) = body {
            request += "Content-Type: application/x-www-form-urlencoded\r\n";
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += &format!("\r\n{}", body.unwrap_or_default());
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read(target, &String::from_utf8_lossy(&answer)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// One request by a program that has no cookies.
    pub fn with_header(&self, name: &str, value: &str, target: &str) -> Page {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: {value}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        read(target, &String::from_utf8_lossy(&answer)).expect("a whole answer")
    }

    pub fn send(&mut self, method: &str, target: &str, body: Option<&str>) -> io::Result<Page> {
        let page = self.send_and_lose(method, target, body)?;
        self.keep(&page);
        Ok(page)
    }

    pub fn keep(&mut self, page: &Page) {
        for (name, value, max_age) in page.set_cookies() {
            match max_age {
                Some(seconds) if seconds <= 0 => drop(self.jar.remove(&name)),
                _ => drop(self.jar.insert(name, value)),
            }
        }
    }

    pub fn get(&mut self, target: &str) -> Page {
        self.send("GET", target, None).expect("an answer")
    }

    /// A page by plain navigation, with the image on it.
    pub fn visit(&mut self, path: &str) -> Page {
        let mut page = self.get(path);
        for _ in 0..10 {
            let Some(location) = page.location().map(str::to_owned) else { break };
            page = self.get(&location);
        }
        if page.has("/session/ack") {
            self.get("/session/ack");
        }
        page
    }

    pub fn log_in(&mut self) -> Page {
        let page = self.get("/login");
        let form = page.form("/login");
        let body = encode(&form.filled(&[("email", super::EMAIL), ("password", super::PASSWORD)]));
        let answer = self.send("POST", "/login", Some(&body)).expect("an answer");
        assert_eq!(answer.location(), Some("/account"), "{}", answer.body);
        self.visit("/account")
    }
}

/// None if the answer was cut off before its head was complete.
fn read(target: &str, answer: &str) -> Option<Page> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Page { path: target.to_owned(), status, headers: headers.collect(), body: body.to_owned() })
}
