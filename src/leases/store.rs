use super::Work;
use crate::clock::Seconds;
use crate::db::{Db, DbError, Transaction};
use crate::id::NodeId;

pub async fn take(db: &Db, work: Work, node: &NodeId, now: Seconds, until: Seconds) -> Result<bool, DbError> {
    let statement =
        sqlx::query("update leases set node_id = $1, until = $2 where name = $3 and (until <= $4 or node_id = $1)")
            .bind(node.as_str())
            .bind(until)
            .bind(work.as_str())
            .bind(now);
    Ok(db.execute(statement).await? == 1)
}

/// Only a write keeps others waiting on both engines.
pub async fn touch(transaction: &mut Transaction, work: Work) -> Result<(), DbError> {
    let statement = sqlx::query("update leases set name = name where name = $1").bind(work.as_str());
    transaction.execute(statement).await?;
    Ok(())
}
