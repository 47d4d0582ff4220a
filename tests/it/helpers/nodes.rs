use std::ops::Index;
use std::path::PathBuf;

use rocket::{Build, Rocket};

use super::TestApp;

/// Two servers of one site. Database and secret are the same; the second one's clock may be ahead, or behind.
pub struct Nodes {
    nodes: [TestApp; 2],
    settings: &'static [(&'static str, &'static str)],
    extend: fn(Rocket<Build>) -> Rocket<Build>,
}

impl Nodes {
    pub async fn start(
        settings: &'static [(&'static str, &'static str)],
        extend: fn(Rocket<Build>) -> Rocket<Build>,
        ahead: i64,
    ) -> Self {
        let first = TestApp::build(settings, extend).await;
        let clock = hallpass::clock::Clock::manual(first.now() + ahead);
        let second = first.beside(settings, clock, extend).await;
        Self { nodes: [first, second], settings, extend }
    }

    pub fn advance(&self, seconds: i64) {
        self.nodes.iter().for_each(|node| node.advance(seconds));
    }

    /// A second passes: each hears of what the other has changed.
    pub async fn hear(&self) {
        for node in &self.nodes {
            node.site().changes.listen().await.expect("heard");
        }
    }

    /// Stops one and starts it again; it remembers nothing.
    pub async fn restart(&mut self, node: usize) {
        self.stop(node).await;
        self.nodes[node] = self.started(node).await;
    }

    /// Copies the database while both are stopped.
    pub async fn back_up(&mut self) {
        self.while_stopped(|app, file| app.database().back_up(&file)).await;
    }

    /// Goes back to what was copied.
    pub async fn restore(&mut self) {
        self.while_stopped(|app, file| app.database().restore(&file)).await;
    }

    async fn while_stopped(&mut self, work: impl FnOnce(&TestApp, PathBuf)) {
        self.stop(0).await;
        self.stop(1).await;
        work(&self.nodes[0], self.nodes[0].folder().join("backup"));
        self.nodes = [self.started(0).await, self.started(1).await];
    }

    async fn stop(&self, node: usize) {
        self.nodes[node].client().rocket().shutdown().notify();
        self.nodes[node].site().db.close().await;
    }

    async fn started(&self, node: usize) -> TestApp {
        let node = &self.nodes[node];
        node.beside(self.settings, node.clock().clone(), self.extend).await
    }
}

impl Index<usize> for Nodes {
    type Output = TestApp;

    fn index(&self, node: usize) -> &TestApp {
        &self.nodes[node]
    }
}
