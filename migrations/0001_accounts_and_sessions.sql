-- One text for SQLite and PostgreSQL: TEXT and BIGINT only.
-- Every *_at is in seconds since 1970-01-01T00:00:00Z; null means that it has not happened.

create table users (
    id text primary key,                    -- random, 128 bits; the sub claim
    email text not null,                    -- as it was typed, for showing
    email_key text not null unique,         -- normalised, for comparing
    name text not null,
    password_hash text not null,            -- PHC string
    password_changed_at bigint not null,
    admin_at bigint,                        -- since when an administrator
    locked_at bigint,                       -- since when locked: no session of theirs is live
    created_at bigint not null
);

-- A session is one family of refresh tokens. Which token is good is decided by the columns generation to recoveries_since.
create table sessions (
    id text primary key,                    -- random, 128 bits; the sid claim
    user_id text not null references users (id) on delete cascade,
    salt text not null,                     -- random; the jti of each refresh token is derived from it
    generation bigint not null,             -- of the newest refresh token
    parent bigint not null,                 -- the generation that the browser held before the newest
    rotated_at bigint not null,             -- when the newest was issued; the iat claim
    confirmed_at bigint,                    -- when the newest was first seen from the client
    settled_at bigint,                      -- when it was seen again so much later that the client has saved it
    recoveries bigint not null,             -- how often the family fell back to parent since recoveries_since
    recoveries_since bigint not null,
    remembered_at bigint,                   -- "Keep me logged in" was chosen: cookies outlive the browser
    auth_time bigint not null,              -- last time that the user proved who they are; never moved by a rotation
    created_at bigint not null,
    idle_expires_at bigint not null,        -- inactivity timeout; the exp claim of the newest refresh token
    expires_at bigint not null,             -- absolute lifetime
    revoked_at bigint,
    revoked_reason text,                    -- logout, ended, password, replay, locked
    browser_id text not null,               -- of the long-lived browser cookie
    user_agent text not null,               -- of the request that started the session or rotated it last
    address text not null                   -- likewise
);
create index sessions_by_user on sessions (user_id);
create index sessions_by_idle_expiry on sessions (idle_expires_at);
create index sessions_by_revocation on sessions (revoked_at);

-- What an owner should be able to see of their account's security; also the log of revocations.
create table security_events (
    id text primary key,
    user_id text not null references users (id) on delete cascade,
    session_id text,
    kind text not null,
    at bigint not null,
    user_agent text not null,
    address text not null
);
create index security_events_by_user on security_events (user_id, at);
create index security_events_by_session on security_events (session_id, at);
create index security_events_by_time on security_events (at);

-- Browsers in which somebody has logged in to an account: they have an allowance of their own, which strangers cannot use up.
create table known_browsers (
    user_id text not null references users (id) on delete cascade,
    browser_id text not null,
    seen_at bigint not null,
    primary key (user_id, browser_id)
);
create index known_browsers_by_time on known_browsers (seen_at);

-- Counters of failed or costly attempts.
create table throttles (
    key text primary key,                   -- what is counted, for whom; holds hashes, not addresses of e-mail
    count bigint not null,
    resets_at bigint not null               -- from then on the count is 0
);
create index throttles_by_reset on throttles (resets_at);

-- Key pairs of access tokens.
create table signing_keys (
    id text primary key,                    -- the kid header
    algorithm text not null,                -- EdDSA, ES256 or RS256
    sealed_private_key text not null,       -- base64url of nonce and ciphertext, under a key derived from the master secret
    created_at bigint not null,
    signs_from bigint not null              -- published before, used from then on until the next one's signs_from
);

-- Tokens that work once, such as the set-up link. Only their hash is stored.
create table one_time_tokens (
    hash text primary key,
    purpose text not null,
    created_at bigint not null,
    expires_at bigint not null,
    consumed_at bigint
);
