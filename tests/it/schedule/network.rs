//! Requests of the owner's browser on their way, what the servers answer, and whether they may.

use hallpass::sessions::rotation::Family;
use rocket::futures::future::{join, join_all};
use rocket::http::Method;

use super::ledger::{Held, Verdict};
use super::step::{What, Which};
use super::world::{Jar, World, generation};
use crate::helpers::{Page, generation as newness};

const IN_FLIGHT: usize = 4;

#[derive(Clone)]
pub struct Sent {
    pub at: i64,
    what: What,
    jar: Jar,
}

pub struct Answered {
    pub at: i64,
    what: What,
    pub page: Page,
}

/// What an answer says about who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Given,
    Refused,
    Asked,
    /// It would have been the same for anybody.
    Unsaid,
}

impl World {
    pub fn has_room(&self) -> bool {
        self.requests.len() + self.responses.len() < IN_FLIGHT
    }

    pub fn send(&mut self, what: What) {
        if self.has_room() {
            self.requests.push(Sent { at: self.nodes[0].now(), what, jar: self.jar.clone() });
        }
    }

    async fn fetch(&self, what: What, jar: &Jar, node: usize) -> Page {
        let (method, path, body, headers): (_, _, _, &[_]) = match what {
            What::Page => (Method::Get, "/account", None, &[]),
            What::Form => (Method::Post, "/confirm", Some(self.confirmation.as_bytes()), &[]),
            What::Image => (Method::Get, "/session/ack", None, &[("Sec-Fetch-Dest", "image")]),
            What::Head => (Method::Head, "/account", None, &[]),
            What::Missing => (Method::Get, "/nowhere", None, &[]),
            What::Failing => (Method::Get, "/fails", None, &[]),
        };
        self.nodes[node].browser().with_jar(jar.clone()).send_and_lose(method, path, body, headers).await
    }

    pub async fn answer(&mut self, request: Sent, node: usize) -> Verdict {
        self.count(["at the first server", "at the second server"][node]);
        let page = self.fetch(request.what, &request.jar, node).await;
        let access = access(request.what, &page);
        let gives = format!("{:?} with {}: {}", request.what, generation(&request.jar), page.status);
        if access == Ok(Access::Given) {
            self.ledger.may_be_given(Held::of(&request.jar).as_ref(), node, self.nodes[node].now())?;
        }
        let before = self.ledger.row;
        self.observe(node).await?;
        self.tell(gives);
        self.delivers(page.sets("refresh_token"), before)?;
        if page.sets("refresh_token").is_some() && !page.delivers() {
            return Err("I6: a refresh token without its access token".to_owned());
        }
        self.judge(&request, &page, access?)?;
        self.responses.push(Answered { at: request.at, what: request.what, page });
        Ok(())
    }

    /// What is in flight arrives in the same moment; so may the owner's wish to log out, at this server.
    pub async fn answer_all(&mut self, log_out_at: Option<usize>) -> Verdict {
        let requests = std::mem::take(&mut self.requests);
        if requests.len() > 1 {
            self.count("at once");
        }
        let (this, before) = (&*self, self.ledger.row);
        let answers = requests.iter().enumerate().map(|(number, sent)| this.fetch(sent.what, &sent.jar, number % 2));
        let leaving = async {
            let node = log_out_at?;
            let browser = this.nodes[node].browser().with_jar(this.jar.clone());
            Some(browser.send_and_lose(Method::Post, "/logout", Some(this.log_out.as_bytes()), &[]).await)
        };
        let (pages, left) = join(join_all(answers), leaving).await;
        let node = log_out_at.unwrap_or_default();
        for (number, (sent, page)) in requests.iter().zip(&pages).enumerate() {
            if access(sent.what, page) == Ok(Access::Given) {
                self.ledger.may_be_given(Held::of(&sent.jar).as_ref(), number % 2, self.nodes[number % 2].now())?;
            }
        }
        self.observe(node).await?;
        if !requests.is_empty() {
            // Whichever did something, both know.
            self.hear().await;
        }
        let newest = pages.iter().filter_map(|page| page.sets("refresh_token")).max_by_key(|token| newness(token));
        self.delivers(newest, before)?;
        for (request, page) in requests.into_iter().zip(pages) {
            self.tell(format!("at once: {:?} with {}: {}", request.what, generation(&request.jar), page.status));
            if let Some(token) = page.sets("refresh_token") {
                self.ledger.deliver(&token)?;
            }
            self.judge(&request, &page, access(request.what, &page)?)?;
            self.responses.push(Answered { at: request.at, what: request.what, page });
        }
        if let Some(page) = left {
            self.keep(&page);
        }
        Ok(())
    }

    /// Every answer that consumed a generation delivers the successor.
    pub fn delivers(&mut self, token: Option<String>, before: Option<Family>) -> Verdict {
        if let Some(token) = &token {
            self.ledger.deliver(token)?;
        }
        let (Some(before), Some(row)) = (before, self.ledger.row) else { return Ok(()) };
        let delivered = token.map(|token| newness(&token));
        if row.generation != before.generation && delivered != Some(row.generation) {
            return Err(format!("I6: {} was made, and {delivered:?} delivered", row.generation));
        }
        Ok(())
    }

    /// An answer to the owner's browser.
    fn judge(&mut self, request: &Sent, page: &Page, access: Access) -> Verdict {
        if page.clears("refresh_token") || page.clears("access_token") {
            return Err("I1: cookies were cleared though nobody logged out".to_owned());
        }
        if matches!(request.what, What::Image | What::Head) && page.sets("refresh_token").is_some() {
            return Err("I6: delivered where nobody keeps it".to_owned());
        }
        if access == Access::Asked {
            self.count("asked");
        }
        let of_this_session = Held::of(&request.jar).is_some_and(|held| held.is_of(&self.ledger));
        if access == Access::Refused && of_this_session && self.ledger.row.is_some() {
            return Err(format!("I1: an honest request was answered {} {:?}", page.status, page.location()));
        }
        Ok(())
    }

    pub fn keep(&mut self, page: &Page) {
        let mut browser = self.nodes[0].browser().with_jar(std::mem::take(&mut self.jar));
        browser.keep(page);
        self.jar = browser.jar().clone();
    }

    pub fn receive_last(&mut self) {
        if let Some(response) = self.responses.pop() {
            self.receive(response);
        }
    }

    pub fn receive(&mut self, response: Answered) {
        self.keep(&response.page);
        self.tell(format!("received what was sent at {}", response.at));
        if response.page.status == 307 {
            self.send(response.what);
        }
    }
}

/// One of those in flight.
pub fn taken<T>(all: &mut Vec<T>, which: Which) -> Option<T> {
    (!all.is_empty()).then(|| all.remove(usize::from(which) % all.len()))
}

fn access(what: What, page: &Page) -> Result<Access, String> {
    let to_log_in = page.location().is_some_and(|location| location.starts_with("/login"));
    Ok(match (what, page.status) {
        (What::Image, 200) | (What::Failing, 500) => Access::Unsaid,
        // Whoever is refused a HEAD may still be given the page: it can be asked.
        (What::Head, 303) => Access::Unsaid,
        (What::Page | What::Form | What::Missing | What::Failing, 307) => Access::Asked,
        (What::Page | What::Head, 200) => Access::Given,
        (What::Form, 303) if !to_log_in => Access::Given,
        (What::Missing, 404) if page.has("Log out") => Access::Given,
        (What::Missing, 404) | (What::Form | What::Page, 303) => Access::Refused,
        // The form comes back.
        (What::Form, 401 | 403 | 422) => Access::Refused,
        _ => return Err(format!("{what:?} was answered {}", page.status)),
    })
}
