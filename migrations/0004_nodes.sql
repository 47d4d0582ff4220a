-- What several processes of one site need to get along. Adds tables only.

-- Work that one process does at a time: pruning, keys. Its row also makes those wait who change the same thing at once.
create table leases (
    name text primary key,
    node_id text not null,                  -- who does it
    until bigint not null                   -- from then on anybody may take over
);
insert into leases (name, node_id, until) values ('keys', '', 0), ('prune', '', 0), ('setup', '', 0);

-- The servers that run, as each says of itself twice a minute.
create table nodes (
    id text primary key,                    -- random, made when the server starts
    address text not null,                  -- its machine, and where it listens there
    version text not null,
    settings text not null,                 -- those that all servers of a site must agree about, as JSON; no secrets
    started_at bigint not null,
    seen_at bigint not null                 -- by its own clock
);

-- The oldest version of hallpass that can work with these tables: its newest migration. A migration that adds leaves it
-- as it is; one that takes away raises it (README, Upgrading).
create table compatibility (
    oldest_migration bigint not null
);
insert into compatibility (oldest_migration) values (4);

-- Of PostgreSQL, where transactions may take long to commit: which one made the change. Null on SQLite, and where an older
-- version wrote it.
alter table changes add column xact bigint;
create index changes_by_xact on changes (xact);
