//! The owner leaves, and comes back.

use hallpass::sessions::Reason;

use super::ledger::Verdict;
use super::world::{World, ledger};
use crate::helpers::PASSWORD;

impl World {
    pub async fn log_out(&mut self, node: usize, all: bool) -> Verdict {
        if self.ledger.row.is_none() {
            return Ok(());
        }
        self.may_end = true;
        let waiting = if all { Vec::new() } else { std::mem::take(&mut self.requests) };
        self.answer_all(Some(node)).await?;
        self.requests.extend(waiting);
        self.count("logged out");
        self.has_ended()
    }

    pub async fn end(&mut self, node: usize) -> Verdict {
        if self.ledger.row.is_none() {
            return Ok(());
        }
        self.may_end = true;
        let sessions = &self.nodes[node].site().sessions;
        sessions.end(&self.user, &self.ledger.session, Reason::Ended, None).await.expect("ended");
        self.observe(node).await?;
        self.count("ended elsewhere");
        self.has_ended()
    }

    fn has_ended(&mut self) -> Verdict {
        self.tell("the owner has left".to_owned());
        if self.ledger.row.is_some() {
            Err("I4: the owner has left, and the session lives on".to_owned())
        } else {
            Ok(())
        }
    }

    /// Whoever was sent to the log-in page logs in. What was answered before has arrived by then: a browser cannot
    /// tell old cookies that come late from new ones. What was asked before may still be answered.
    pub async fn log_in(&mut self, node: usize) -> Verdict {
        if self.ledger.row.is_some() {
            return Ok(());
        }
        self.hear().await;
        self.responses.clear();
        let mut browser = self.nodes[node].browser().with_jar(std::mem::take(&mut self.jar));
        let page = browser.log_in_remembered(&self.email, PASSWORD).await;
        if page.path != "/account" {
            return Err(format!("cannot log in: {} {}", page.status, page.path));
        }
        self.jar = browser.jar().clone();
        (self.disk, self.saved_at) = (self.jar.clone(), self.nodes[0].now());
        self.ledger = ledger(&self.nodes, &self.user, &self.jar).await;
        self.may_end = false;
        self.count("logged in again");
        self.tell("the owner has logged in again".to_owned());
        Ok(())
    }
}
