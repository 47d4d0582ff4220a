-- What has changed in sessions and accounts, for processes that remember them: each reads what the others wrote.
-- Kept for minutes; one row for each session or account that was changed at once.
create table changes (
    id text primary key,                    -- random: readers look back over some seconds, and know what they have seen
    at bigint not null,
    session_id text,                        -- what is known of this session is not true any more
    user_id text                            -- likewise of this account, and of all of its sessions
);
create index changes_by_time on changes (at);
