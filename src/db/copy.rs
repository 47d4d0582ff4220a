//! A whole site from one database into another, of the same engine or not: all of it or nothing.

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};

use super::{Db, DbError, Engine, MIGRATIONS_TABLE, sqlite};
use crate::clock::Seconds;

/// Rows of one statement: with the 20 values of a session, well below the 32,766 that SQLite takes.
const TOGETHER: usize = 200;

/// What is copied.
#[rustfmt::skip]
const TABLES: [Table; 8] = [
    Table { name: "users", key: &["id"],
            texts: &["id", "email", "email_key", "name", "password_hash"],
            numbers: &["password_changed_at", "admin_at", "locked_at", "created_at"] },
    Table { name: "sessions", key: &["id"],
            texts: &["id", "user_id", "salt", "revoked_reason", "browser_id", "user_agent", "address"],
            numbers: &["generation", "parent", "rotated_at", "confirmed_at", "settled_at", "recoveries", "recoveries_since",
                       "remembered_at", "auth_time", "created_at", "idle_expires_at", "expires_at", "revoked_at"] },
    Table { name: "security_events", key: &["id"],
            texts: &["id", "user_id", "session_id", "kind", "user_agent", "address"],
            numbers: &["at"] },
    Table { name: "known_browsers", key: &["user_id", "browser_id"],
            texts: &["user_id", "browser_id"],
            numbers: &["seen_at"] },
    Table { name: "throttles", key: &["key"],
            texts: &["key"],
            numbers: &["count", "resets_at"] },
    Table { name: "signing_keys", key: &["id"],
            texts: &["id", "algorithm", "sealed_private_key"],
            numbers: &["created_at", "signs_from"] },
    Table { name: "one_time_tokens", key: &["hash"],
            texts: &["hash", "purpose"],
            numbers: &["created_at", "expires_at", "consumed_at"] },
    Table { name: "personal_tokens", key: &["id"],
            texts: &["id", "user_id", "hash", "name", "scopes"],
            numbers: &["created_at", "expires_at", "last_used_at", "revoked_at"] },
];

/// Tables whose rows are not copied: they tell of processes that run, or were made with the tables.
const LEFT: [&str; 5] = ["changes", "leases", "nodes", "compatibility", MIGRATIONS_TABLE];

struct Table {
    name: &'static str,
    key: &'static [&'static str],
    texts: &'static [&'static str],
    numbers: &'static [&'static str],
}

/// How many rows of a table have been copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub table: &'static str,
    pub rows: u64,
}

/// Nothing has been copied; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(
        "the source does not have the tables of this version of hallpass. Nothing was changed. Check --from; if it is from \
         an older version, run `hallpass migrate` first, with database_url set to it"
    )]
    Version,
    #[error(
        "the target has tables that are not this version's ({0}), and nothing is mixed. Nothing was changed. Name a database \
         that is empty"
    )]
    Occupied(String),
    #[error(
        "there are {rows} rows in the table {table} of the target, and nothing is mixed. Name a database that is empty, \
         or in which hallpass has never been started"
    )]
    NotEmpty { table: &'static str, rows: u64 },
    #[error(
        "the table {table} does not read the same in both databases after the copy, which is undone. Check the disks of \
         both, and report this with the version"
    )]
    Differs { table: &'static str },
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for CopyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// A row as it is bound again.
struct Values {
    texts: Vec<Option<String>>,
    numbers: Vec<Option<Seconds>>,
}

/// What a table holds, whatever the order of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digests: u128,
}

/// Whether a site can move out of a database; changes nothing.
pub async fn check_source(source: &Db) -> Result<(), CopyError> {
    if source.is_of_this_version().await? { Ok(()) } else { Err(CopyError::Version) }
}

/// Whether a site can move into a database; changes nothing.
pub async fn check_target(target: &Db) -> Result<(), CopyError> {
    let mut tables = target.tables().await?;
    if tables.is_empty() || target.is_of_this_version().await? {
        tables.retain(|name| !LEFT.contains(&name.as_str()) && !TABLES.iter().any(|table| table.name == name));
    }
    if tables.is_empty() { Ok(()) } else { Err(CopyError::Occupied(tables.join(", "))) }
}

/// Copies everything from `source`, which nobody can write to meanwhile, into `target`, which has the tables of this
/// version and no rows, and reads it back before it commits.
pub async fn copy(source: &Db, target: &Db) -> Result<Vec<Copied>, CopyError> {
    let mut from = begin(source).await?;
    let mut to = begin(target).await?;
    for table in &TABLES {
        match table.sum(&mut to).await?.rows {
            0 => {}
            rows => return Err(CopyError::NotEmpty { table: table.name, rows }),
        }
    }
    let mut copied = Vec::new();
    for table in &TABLES {
        let mut sum = Sum::default();
        let mut after = None;
        loop {
            let rows = table.page(&mut from, after.as_deref()).await?;
            let Some(last) = rows.last() else { break };
            after = Some(table.key_of(last)?);
            let rows = rows.iter().map(|row| table.values(row)).collect::<Result<Vec<_>, _>>()?;
            rows.iter().for_each(|row| sum.add(row));
            table.insert(&mut to, rows).await?;
        }
        if table.sum(&mut to).await? != sum {
            return Err(CopyError::Differs { table: table.name });
        }
        copied.push(Copied { table: table.name, rows: sum.rows });
    }
    if let Engine::Postgres { .. } = target.engine {
        // Else the first minute's plans would be those for empty tables.
        for table in &TABLES {
            sqlx::query(AssertSqlSafe(format!("analyze {}", table.name))).execute(&mut *to).await?;
        }
    }
    to.commit().await?;
    Ok(copied)
}

/// A transaction beside which nobody writes.
async fn begin(db: &Db) -> Result<Transaction<'static, Any>, sqlx::Error> {
    match db.engine {
        Engine::Sqlite(_) => db.write.begin_with(sqlite::BEGIN).await,
        Engine::Postgres { .. } => {
            let mut transaction = db.write.begin().await?;
            // The source waits while the target is read, and a large table takes its time.
            for setting in ["idle_in_transaction_session_timeout", "statement_timeout"] {
                sqlx::query(AssertSqlSafe(format!("set local {setting} = 0"))).execute(&mut *transaction).await?;
            }
            for table in &TABLES {
                let lock = format!("lock table {} in share row exclusive mode", table.name);
                sqlx::query(AssertSqlSafe(lock)).execute(&mut *transaction).await?;
            }
            Ok(transaction)
        }
    }
}

impl Table {
    fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.texts.iter().chain(self.numbers).copied()
    }

    /// The rows that follow one with this key, or the first.
    async fn page(
        &self,
        transaction: &mut Transaction<'static, Any>,
        after: Option<&[String]>,
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        let columns: Vec<_> = self.columns().collect();
        let (columns, key) = (columns.join(", "), self.key.join(", "));
        let places: Vec<_> = (1..=self.key.len()).map(|place| format!("${place}")).collect();
        let after_key = after.map(|_| format!("where ({key}) > ({})", places.join(", "))).unwrap_or_default();
        let text = format!("select {columns} from {} {after_key} order by {key} limit {TOGETHER}", self.name);
        let query = sqlx::query(AssertSqlSafe(text));
        after
            .into_iter()
            .flatten()
            .fold(query, |query, part| query.bind(part.clone()))
            .fetch_all(&mut **transaction)
            .await
    }

    fn key_of(&self, row: &AnyRow) -> Result<Vec<String>, sqlx::Error> {
        self.key.iter().map(|column| row.try_get(*column)).collect()
    }

    fn values(&self, row: &AnyRow) -> Result<Values, sqlx::Error> {
        Ok(Values {
            texts: self.texts.iter().map(|column| row.try_get(*column)).collect::<Result<_, _>>()?,
            numbers: self.numbers.iter().map(|column| row.try_get(*column)).collect::<Result<_, _>>()?,
        })
    }

    async fn insert(&self, transaction: &mut Transaction<'static, Any>, rows: Vec<Values>) -> Result<(), sqlx::Error> {
        let columns: Vec<_> = self.columns().collect();
        let width = columns.len();
        let row = |row: usize| {
            let places: Vec<_> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
            format!("({})", places.join(", "))
        };
        let places: Vec<_> = (0..rows.len()).map(row).collect();
        let text = format!("insert into {} ({}) values {}", self.name, columns.join(", "), places.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for Values { texts, numbers } in rows {
            query = texts.into_iter().fold(query, |query, text| query.bind(text));
            query = numbers.into_iter().fold(query, |query, number| query.bind(number));
        }
        query.execute(&mut **transaction).await?;
        Ok(())
    }

    async fn sum(&self, transaction: &mut Transaction<'static, Any>) -> Result<Sum, sqlx::Error> {
        let (mut sum, mut after) = (Sum::default(), None);
        loop {
            let rows = self.page(transaction, after.as_deref()).await?;
            let Some(last) = rows.last() else { return Ok(sum) };
            after = Some(self.key_of(last)?);
            for row in &rows {
                sum.add(&self.values(row)?);
            }
        }
    }
}

impl Sum {
    fn add(&mut self, row: &Values) {
        let digest = digest(&SHA256, format!("{:?}{:?}", row.texts, row.numbers).as_bytes());
        let start = digest.as_ref().first_chunk().copied().unwrap_or_default();
        self.rows += 1;
        self.digests = self.digests.wrapping_add(u128::from_be_bytes(start));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn every_table_and_every_column_is_copied_or_left_on_purpose() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let figment = crate::config::defaults().merge(("hallpass.database_url", url));
        let db = Db::open(&crate::config::Config::read(&figment).expect("settings")).await.expect("a database");
        db.migrate().await.expect("tables");
        let statement = sqlx::query(
            "select t.name as name, c.name as column_name, c.type as type
             from sqlite_schema as t join pragma_table_info(t.name) as c where t.type = 'table'",
        );
        let there: BTreeSet<(String, String, String)> = db
            .fetch_all(statement)
            .await
            .expect("columns")
            .iter()
            .map(|row| (row.get("name"), row.get("column_name"), row.get::<String, _>("type").to_lowercase()))
            .filter(|(table, ..): &(String, String, String)| !table.starts_with('_') && !LEFT.contains(&table.as_str()))
            .collect();
        let column = |table: &Table, name: &str, kind: &str| (table.name.to_owned(), name.to_owned(), kind.to_owned());
        let copied: BTreeSet<_> = TABLES
            .iter()
            .flat_map(|table| {
                let texts = table.texts.iter().map(|name| column(table, name, "text"));
                texts.chain(table.numbers.iter().map(|name| column(table, name, "bigint"))).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(copied, there);
    }
}
