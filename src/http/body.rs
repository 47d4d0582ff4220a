//! Bodies of requests: read whole, none larger or slower than people and programs need.

use std::time::Duration;

use rocket::data::{Data, ToByteUnit};
use rocket::http::Status;

/// In bytes: several times what the longest allowed fields make.
pub const MAX: usize = 32 * 1024;

/// Guards have let the request in by then: what they saw must still be about true when the handler acts.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The whole body.
///
/// # Errors
/// 413 if it is too large, 408 if it takes too long, 400 if it breaks off.
pub async fn read(data: Data<'_>) -> Result<Vec<u8>, Status> {
    match tokio::time::timeout(PATIENCE, data.open(MAX.bytes()).into_bytes()).await {
        Ok(Ok(body)) if body.is_complete() => Ok(body.into_inner()),
        Ok(Ok(_)) => Err(Status::PayloadTooLarge),
        Ok(Err(_)) => Err(Status::BadRequest),
        Err(_) => Err(Status::RequestTimeout),
    }
}
