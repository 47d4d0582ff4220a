//! What goes on in the background: changes are heard of, keys are read again and made when due, what has long expired is
//! deleted, and the operator is told of servers that do not go together.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocket::fairing::AdHoc;
use rocket::tokio;
use rocket::tokio::task::JoinHandle;
use rocket::tokio::time::timeout;

use crate::audit;
use crate::auth::Site;
use crate::clock::{DAY, Seconds};
use crate::id::NodeId;
use crate::leases::{self, Work};
use crate::nodes::{self, Node};
use crate::sessions::SessionError;

/// A key that another process made is signed with after this long at the latest; verification asks at once.
const KEYS_EVERY: Duration = Duration::from_secs(5);

/// What other processes changed is known here after this long at the latest, and the time that the database takes.
const CHANGES_EVERY: Duration = Duration::from_millis(400);

/// However often others notify: a look finds everything that is new.
const CHANGES_NOT_WITHIN: Duration = Duration::from_millis(20);

/// In ticks of [`KEYS_EVERY`].
const MEET_EVERY: u64 = nodes::SEEN_EVERY as u64 / KEYS_EVERY.as_secs();

/// In ticks of [`KEYS_EVERY`]: ten minutes.
const PRUNE_EVERY: u64 = 120;

/// Of a few seconds, nobody notices anything.
const CLOCK_DIFFERENCE_MAX: Seconds = 5;

/// A server that stops does not wait longer for a database that is away.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// Small batches leave the database's one writer to the visitors in between.
const BATCH: i64 = 500;

/// Longer than a year: who looks after their account once a year sees what happened since.
const EVENTS_KEPT: Seconds = 400 * DAY;

/// The work of a server, in its state.
#[derive(Clone, Default)]
pub struct Upkeep(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Upkeep {
    /// Until the server has stopped and has said so to the others; not for long.
    pub async fn ended(&self) {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work {
            let _ = timeout(LEAVES_WITHIN, work).await;
        }
    }
}

/// Starts the work when the server is up; it ends with the server.
pub fn stage() -> AdHoc {
    AdHoc::on_ignite("hallpass: upkeep", |rocket| async { rocket.manage(Upkeep::default()).attach(begin()) })
}

fn begin() -> AdHoc {
    AdHoc::on_liftoff("hallpass: upkeep begins", |rocket| {
        Box::pin(async move {
            let Some(site) = rocket.state::<Site>().cloned() else { return };
            let listens = SocketAddr::new(rocket.config().address, rocket.config().port);
            let machine = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
            let address = format!("{machine} {listens}");
            let node = Node::starting(&site.config, &site.clock, address);
            let mut shutdown = rocket.shutdown();
            let task = tokio::spawn(async move {
                tokio::select! {
                    () = work(&site, &node) => {}
                    () = listen(&site) => {}
                    () = &mut shutdown => {}
                }
                // If it cannot be said, it is noticed.
                let _ = nodes::leave(&site.db, &node.id).await;
            });
            if let Some(upkeep) = rocket.state::<Upkeep>() {
                *upkeep.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
            }
        })
    })
}

async fn listen(site: &Site) {
    let (mut deaf, mut notices) = (false, site.db.notices());
    loop {
        tokio::time::sleep(CHANGES_NOT_WITHIN).await;
        let _ = timeout(CHANGES_EVERY, notices.next()).await;
        let heard = site.changes.listen().await;
        if let Err(error) = &heard
            && !deaf
        {
            tracing::warn!(%error, "cannot hear of changes: until that is possible, each request reads the database");
        }
        deaf = heard.is_err();
    }
}

async fn work(site: &Site, node: &Node) {
    let mut told = Told::default();
    for tick in 0_u64.. {
        if let Err(error) = turn(site, node, tick, &mut told).await {
            tracing::warn!(%error, "background work failed and will be tried again");
        }
        tokio::time::sleep(KEYS_EVERY).await;
    }
}

async fn turn(site: &Site, node: &Node, tick: u64, told: &mut Told) -> Result<(), SessionError> {
    site.keyring.reload().await?;
    if tick.is_multiple_of(MEET_EVERY) {
        told.differences(node, nodes::meet(&site.db, &site.clock, node).await?);
        told.clock(site.db.time().await?.map_or(0, |theirs| site.clock.now() - theirs));
    }
    if !tick.is_multiple_of(PRUNE_EVERY) {
        return Ok(());
    }
    if leases::take(&site.db, &site.clock, Work::Keys, &node.id).await? {
        site.keyring.maintain().await?;
    }
    let mut pruned = 0;
    // Another node may have taken over from this one, if it was stopped in the middle.
    while leases::take(&site.db, &site.clock, Work::Prune, &node.id).await? {
        match prune_batch(site).await? {
            0 => break,
            batch => pruned += batch,
        }
    }
    if pruned > 0 {
        tracing::info!(pruned, "deleted what had long expired");
    }
    Ok(())
}

/// What the operator has been told, and will not be told again while it lasts.
#[derive(Default)]
struct Told {
    differences: HashMap<NodeId, Vec<String>>,
    clock: bool,
}

impl Told {
    fn differences(&mut self, node: &Node, others: Vec<Node>) {
        let mut differences = HashMap::new();
        for other in others {
            let names: Vec<_> = node.differences(&other).into_iter().map(str::to_owned).collect();
            if !names.is_empty() && self.differences.get(&other.id) != Some(&names) {
                tracing::warn!(
                    address = other.address,
                    settings = names.join(", "),
                    "another server of this site has other settings: what one issues, the other may refuse"
                );
            }
            differences.insert(other.id, names);
        }
        self.differences = differences;
    }

    fn clock(&mut self, ahead: Seconds) {
        let is_wrong = ahead.abs() > CLOCK_DIFFERENCE_MAX;
        if is_wrong && !self.clock {
            tracing::warn!(
                seconds = ahead,
                "the clock of this server is ahead of the database's: one of them is wrong"
            );
        }
        self.clock = is_wrong;
    }
}

/// Deletes everything that has long expired, batch by batch. Returns how many rows.
pub async fn prune(site: &Site) -> Result<u64, SessionError> {
    let mut total = 0;
    loop {
        match prune_batch(site).await? {
            0 => return Ok(total),
            batch => total += batch,
        }
    }
}

async fn prune_batch(site: &Site) -> Result<u64, SessionError> {
    let events = audit::prune(&site.db, site.clock.now() - EVENTS_KEPT, BATCH).await?;
    let tokens = site.personal_tokens.prune(BATCH).await?;
    Ok(events
        + tokens
        + nodes::prune(&site.db, site.clock.now(), BATCH).await?
        + site.changes.prune(BATCH).await?
        + site.sessions.prune(BATCH).await?
        + site.accounts.prune(BATCH).await?)
}
