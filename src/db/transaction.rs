//! Several statements that happen together.

use std::time::{Duration, Instant};

use sqlx::Any;
use sqlx::any::AnyRow;

use super::error::{DbError, too_late, within};
use super::{Statement, TRANSACTION_MAX};

/// Several statements that happen together; undone unless committed.
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
    patience: Duration,
    began: Instant,
}

impl Transaction {
    pub(super) fn new(inner: sqlx::Transaction<'static, Any>, patience: Duration) -> Self {
        Self { inner, after_commit: Vec::new(), patience, began: Instant::now() }
    }

    /// To be done when it has happened, and only then, before the caller goes on.
    pub fn after_commit(&mut self, done: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(done));
    }

    /// Carries out a statement; returns how many rows it has changed.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        Ok(within(self.patience, statement.execute(&mut *self.inner)).await?.rows_affected())
    }

    /// What a statement finds, if it finds something.
    pub async fn fetch_optional(&mut self, statement: Statement) -> Result<Option<AnyRow>, DbError> {
        within(self.patience, statement.fetch_optional(&mut *self.inner)).await
    }

    /// What a statement finds, which is one row.
    pub async fn fetch_one(&mut self, statement: Statement) -> Result<AnyRow, DbError> {
        within(self.patience, statement.fetch_one(&mut *self.inner)).await
    }

    /// Undoes it.
    pub async fn rollback(self) -> Result<(), DbError> {
        within(self.patience, self.inner.rollback()).await
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), DbError> {
        if self.began.elapsed() > TRANSACTION_MAX {
            return Err(too_late("the transaction took too long, and is undone"));
        }
        within(self.patience, self.inner.commit()).await?;
        self.after_commit.into_iter().for_each(|done| done());
        Ok(())
    }
}
