//! Somebody who has copied the owner's cookies, and goes on with a jar of his own.

use hallpass::sessions::rotation::Family;
use rocket::http::Method;
use serde_json::{Value, json};

use super::ledger::{Held, Verdict};
use super::network::Access;
use super::step::{Step, Trick, What};
use super::world::{Jar, World};
use crate::helpers::{Cookie, Page};

const AS_IMAGE: (&str, &str) = ("Sec-Fetch-Dest", "image");

impl World {
    /// He keeps what he is given.
    pub async fn try_trick(&mut self, trick: Trick, node: usize) -> Verdict {
        if self.thief.is_none() {
            return Ok(());
        }
        let access = self.steal_with(trick, node, false).await?;
        if access == Access::Asked && matches!(trick, Trick::Answering | Trick::Refreshing) {
            self.steal_with(trick, node, true).await?;
        }
        Ok(())
    }

    async fn steal_with(&mut self, trick: Trick, node: usize, answers: bool) -> Result<Access, String> {
        let mut jar = self.thief.clone().unwrap_or_default();
        if !matches!(trick, Trick::Page | Trick::Answering) {
            jar.remove("access_token");
        }
        let Some(held) = Held::of(&jar) else { return Ok(Access::Refused) };
        let (before, now) = (self.ledger.row, self.nodes[node].now());
        let is_stale = held.is_of(&self.ledger) && held.generation < self.ledger.settled && !held.has_access_token(now);
        let page = self.steal(trick, &jar, node).await;
        let access = match page.status {
            200 => Access::Given,
            303 | 401 => Access::Refused,
            307 => Access::Asked,
            status => return Err(format!("the thief was answered {status}")),
        };
        if access == Access::Given {
            self.ledger.may_be_given(Some(&held), node, now)?;
        }
        self.may_end |= held.is_of(&self.ledger);
        let by_answer = jar.contains_key("probe");
        self.observe(node).await?;
        self.tell(format!("thief with {}, {trick:?} at {node}: {}", held.generation, page.status));
        if is_stale && !by_answer && self.ledger.row != before {
            return Err("I2: a stale token changed something, and was no answer".to_owned());
        }
        if is_stale && answers && self.ledger.row.is_some() {
            return Err("I2: a stale answer, and the session lives on".to_owned());
        }
        if before.is_some() && self.ledger.row.is_none() {
            self.count("replay revoked");
        }
        self.count(match access {
            Access::Given => "thief served",
            Access::Asked => "thief asked",
            _ => "thief refused",
        });
        self.thief = Some(self.kept_by_thief(&page, before)?);
        Ok(access)
    }

    async fn steal(&self, trick: Trick, jar: &Jar, node: usize) -> Page {
        let token = &jar["refresh_token"].value;
        let browser = self.nodes[node].browser().at([198, 51, 100, 7]);
        let kind = ("Content-Type", "application/json");
        match trick {
            Trick::Page | Trick::Answering | Trick::Refreshing => {
                browser.with_jar(jar.clone()).send_and_lose(Method::Get, "/account", None, &[]).await
            }
            Trick::Deaf => {
                browser.with_jar(jar.clone()).send_and_lose(Method::Get, "/account", None, &[AS_IMAGE]).await
            }
            Trick::Body => {
                let body = json!({"refresh_token": token}).to_string();
                browser.send_and_lose(Method::Post, "/api/auth/refresh", Some(body.as_bytes()), &[kind]).await
            }
            Trick::Bearer => {
                let header = format!("Bearer {token}");
                let headers = [("Authorization", header.as_str())];
                browser.send_and_lose(Method::Post, "/api/auth/refresh", None, &headers).await
            }
        }
    }

    fn kept_by_thief(&mut self, page: &Page, before: Option<Family>) -> Result<Jar, String> {
        let mut jar = self.thief.take().unwrap_or_default();
        let answer = serde_json::from_str::<Value>(&page.body).unwrap_or_default();
        let Some(token) = answer["refresh_token"].as_str() else {
            self.delivers(page.sets("refresh_token"), before)?;
            let mut browser = self.nodes[0].browser().with_jar(jar);
            browser.keep(page);
            return Ok(browser.jar().clone());
        };
        self.delivers(Some(token.to_owned()), before)?;
        for name in ["access_token", "refresh_token"] {
            let value = answer[name].as_str().unwrap_or_default().to_owned();
            jar.insert(name.to_owned(), Cookie { value, expires_at: None });
        }
        Ok(jar)
    }

    /// Owner and thief go on, the thief close behind. The owner's browser confirms at once what it is given: until then,
    /// the thief would be given the same. From the moment when they hold different cookies, one of them is refused.
    pub async fn go_on(&mut self) -> Verdict {
        self.drop_all();
        let mut both = false;
        for _ in 0..if self.thief.is_some() { 3 } else { 1 } {
            for seconds in [901, 61] {
                self.wait(seconds).await;
                self.step(Step::Visit(What::Page, 0)).await?;
                // Where it leads, if the jar was asked.
                self.step(Step::AtOnce(0)).await?;
                self.step(Step::Receive(0)).await?;
                self.step(Step::Visit(What::Image, 0)).await?;
                self.wait(5).await;
                both = self.thief_is_served().await? && self.ledger.row.is_some();
            }
        }
        if both { Err("I2: owner and thief both go on".to_owned()) } else { Ok(()) }
    }

    async fn thief_is_served(&mut self) -> Result<bool, String> {
        if self.thief.is_none() {
            return Ok(false);
        }
        let mut access = self.steal_with(Trick::Answering, 1, false).await?;
        if access == Access::Asked {
            access = self.steal_with(Trick::Answering, 1, true).await?;
        }
        Ok(access == Access::Given)
    }
}
