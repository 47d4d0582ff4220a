-- Personal access tokens, for programs that cannot log in. One is live if it is neither revoked nor expired, and its owner
-- is not locked. Of the token itself only the hash is stored: it is shown once, when it is made.
create table personal_tokens (
    id text primary key,                    -- random, 128 bits; names the token in pages and commands, gives no access
    user_id text not null references users (id) on delete cascade,
    hash text not null unique,              -- SHA-256, base64url; 256 random bits need no slow hash
    name text not null,                     -- by its owner, who tells tokens apart by it
    scopes text not null,                   -- of read, write, admin; with a space between them
    created_at bigint not null,
    expires_at bigint not null,
    last_used_at bigint,                    -- noted at most once a minute
    revoked_at bigint
);
create index personal_tokens_by_user on personal_tokens (user_id, created_at);
create index personal_tokens_by_expiry on personal_tokens (expires_at);
create index personal_tokens_by_revocation on personal_tokens (revoked_at);
