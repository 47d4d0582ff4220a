//! What hands out tokens says of them (RFC 6749 section 5.1).

use serde::Serialize;
use utoipa::ToSchema;

use crate::sessions::Tokens;

/// New tokens. Those that are delivered in cookies are left out: scripts never see them.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub struct TokenResponse {
    /// A JWT (RFC 9068), for `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    access_token: Option<String>,
    /// How the access token is presented (RFC 6750).
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Lifetime of the access token, in seconds.
    #[schema(example = 900)]
    expires_in: i64,
    /// Good once, for `POST /api/auth/refresh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
}

impl TokenResponse {
    /// Both tokens in the body.
    pub fn both(tokens: Tokens) -> Self {
        Self { refresh_token: Some(tokens.refresh.clone()), ..Self::access(tokens) }
    }

    /// The access token in the body; the refresh token that the client has stays good.
    pub fn access(tokens: Tokens) -> Self {
        Self { access_token: Some(tokens.access), ..Self::in_cookies(tokens.access_expires_in) }
    }

    /// None in the body.
    pub fn in_cookies(expires_in: i64) -> Self {
        Self { access_token: None, token_type: "Bearer", expires_in, refresh_token: None }
    }
}
