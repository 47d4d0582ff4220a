//! What goes on in the background: keys are read again and made when due, and what has long expired is deleted.

use std::time::Duration;

use rocket::fairing::AdHoc;
use rocket::tokio;

use crate::audit;
use crate::auth::Site;
use crate::clock::{DAY, Seconds};
use crate::sessions::SessionError;

/// A key that another process made is signed with after this long at the latest; verification asks at once.
const KEYS_EVERY: Duration = Duration::from_secs(5);

/// What other processes changed is known here after this long at the latest, and the time that the database takes.
const CHANGES_EVERY: Duration = Duration::from_millis(400);

/// In ticks of [`KEYS_EVERY`]: ten minutes.
const PRUNE_EVERY: u64 = 120;

/// Small batches leave the database's one writer to the visitors in between.
const BATCH: i64 = 500;

/// Longer than a year: who looks after their account once a year sees what happened since.
const EVENTS_KEPT: Seconds = 400 * DAY;

/// Starts the work when the server is up; it ends with the server.
pub fn stage() -> AdHoc {
    AdHoc::on_liftoff("hallpass: upkeep", |rocket| {
        Box::pin(async move {
            let Some(site) = rocket.state::<Site>().cloned() else { return };
            let mut shutdown = rocket.shutdown();
            tokio::spawn(async move {
                tokio::select! {
                    () = work(&site) => {}
                    () = listen(&site) => {}
                    () = &mut shutdown => {}
                }
            });
        })
    })
}

async fn listen(site: &Site) {
    let mut deaf = false;
    loop {
        tokio::time::sleep(CHANGES_EVERY).await;
        let heard = site.changes.listen().await;
        if let Err(error) = &heard
            && !deaf
        {
            tracing::warn!(%error, "cannot hear of changes: until that is possible, each request reads the database");
        }
        deaf = heard.is_err();
    }
}

async fn work(site: &Site) {
    for tick in 0_u64.. {
        let done = if tick % PRUNE_EVERY == 0 {
            everything(site).await
        } else {
            site.keyring.reload().await.map_err(Into::into)
        };
        if let Err(error) = done {
            tracing::warn!(%error, "background work failed and will be tried again");
        }
        tokio::time::sleep(KEYS_EVERY).await;
    }
}

async fn everything(site: &Site) -> Result<(), SessionError> {
    site.keyring.maintain().await?;
    let pruned = prune(site).await?;
    if pruned > 0 {
        tracing::info!(pruned, "deleted what had long expired");
    }
    Ok(())
}

/// Deletes everything that has long expired, batch by batch. Returns how many rows.
pub async fn prune(site: &Site) -> Result<u64, SessionError> {
    let mut total = 0;
    loop {
        let events = audit::prune(&site.db, site.clock.now() - EVENTS_KEPT, BATCH).await?;
        let tokens = site.personal_tokens.prune(BATCH).await?;
        let pruned = events
            + tokens
            + site.changes.prune(BATCH).await?
            + site.sessions.prune(BATCH).await?
            + site.accounts.prune(BATCH).await?;
        total += pruned;
        if pruned == 0 {
            return Ok(total);
        }
    }
}
