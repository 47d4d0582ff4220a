//! Work that one process of a site does at a time, whichever comes first; nobody is elected, nothing depends on it: who
//! takes over from a process that has been stopped in the middle does the same once more.

mod store;

use crate::clock::{Clock, MINUTE, Seconds};
use crate::db::{Db, DbError, Transaction};
use crate::id::NodeId;
use crate::named::named;

/// Longer than a batch takes, and clocks differ.
const HELD_FOR: Seconds = MINUTE;

named! {
    /// What there is to do; the name is that of the row.
    pub enum Work {
        /// The next signing key.
        Keys = "keys",
        /// The link for the first administrator.
        Setup = "setup",
        /// Deleting what has long expired.
        Prune = "prune",
    }
}

/// Whether this node is to do the work for the next minute. Who does it already goes on.
pub async fn take(db: &Db, clock: &Clock, work: Work, node: &NodeId) -> Result<bool, DbError> {
    let now = clock.now();
    store::take(db, work, node, now, now + HELD_FOR).await
}

/// Until the transaction ends, whoever else asks for this waits: on PostgreSQL, transactions run side by side.
pub async fn wait_for_turn(transaction: &mut Transaction, work: Work) -> Result<(), DbError> {
    store::touch(transaction, work).await
}
