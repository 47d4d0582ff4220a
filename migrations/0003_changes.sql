-- Accounts of which something has changed, for processes that remember them: each reads what the others wrote. Kept for
-- minutes.
create table changes (
    id text primary key,                    -- random: readers look back over some seconds, and know what they have seen
    at bigint not null,
    user_id text not null                   -- what is known of this account, its sessions and tokens is not true any more
);
create index changes_by_time on changes (at);
