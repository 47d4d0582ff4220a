use sqlx::Row;
use sqlx::any::AnyRow;

use super::Node;
use crate::clock::Seconds;
use crate::db::{Db, DbError};
use crate::id::NodeId;

pub async fn note(db: &Db, node: &Node, now: Seconds) -> Result<(), DbError> {
    let statement = sqlx::query(
        "insert into nodes (id, address, version, settings, started_at, seen_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do update set seen_at = excluded.seen_at",
    )
    .bind(node.id.as_str())
    .bind(node.address.as_str())
    .bind(node.version.as_str())
    .bind(serde_json::to_string(&node.settings).unwrap_or_default())
    .bind(node.started_at)
    .bind(now);
    db.execute(statement).await?;
    Ok(())
}

pub async fn seen_since(db: &Db, since: Seconds) -> Result<Vec<Node>, DbError> {
    let statement = sqlx::query(
        "select id, address, version, settings, started_at, seen_at from nodes where seen_at >= $1
         order by started_at, id",
    )
    .bind(since);
    db.fetch_all(statement).await?.iter().map(node).collect()
}

pub async fn delete(db: &Db, node: &NodeId) -> Result<(), DbError> {
    db.execute(sqlx::query("delete from nodes where id = $1").bind(node.as_str())).await?;
    Ok(())
}

pub async fn prune(db: &Db, before: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query("delete from nodes where id in (select id from nodes where seen_at < $1 limit $2)")
        .bind(before)
        .bind(most);
    db.execute(statement).await
}

fn node(row: &AnyRow) -> Result<Node, DbError> {
    Ok(Node {
        id: NodeId::from_text(row.try_get::<String, _>("id")?),
        address: row.try_get("address")?,
        version: row.try_get("version")?,
        settings: serde_json::from_str(row.try_get("settings")?).unwrap_or_default(),
        started_at: row.try_get("started_at")?,
        seen_at: row.try_get("seen_at")?,
    })
}
