"""PostgreSQL's primary dies, and a replica takes its place: one that has everything, or one that lags behind."""

import asyncio
import random
import re
import time
from contextlib import ExitStack

from crowd import ENDED, ENDING, Crowd, Visitor
from forwarder import Forwarder
from nodes import Site, database
from postgres import Replica
from tally import Tally

FAILOVERS = 3
LEAST = {"rotations": 500, "faults": FAILOVERS, "unavailable": 50, "ended": 12, "refused": 100, "saved": 100,
         "registered": 8}

LOSSES = 2
# The newest transactions of a primary, which its replica never has.
LOST_EACH = 300
ENDED_EACH = 6
# How long one node has no database at most, when it is slow to end what that node is not to hear of: it connects before
# the pause is over after which it believes nothing that it remembers (PAUSE_MAX in src/changes).
LATE_SECONDS = 4
LEAST_LOST = {"rotations": 300, "faults": LOSSES, "unavailable": 20, "ended": 30, "refused": 200, "saved": 100,
              "registered": 5, "transactions lost": LOSSES * LOST_EACH, "names lost": 10, "accounts lost": 5,
              "ends lost": LOSSES * ENDED_EACH, "log-ins lost": LOSSES * ENDED_EACH, "ended unheard": 1}

ASTRAY = 2
# Longer than a node waits for its database, so that it cannot only wait.
ASTRAY_SECONDS = 7
LEAST_ASTRAY = {"rotations": 100, "faults": ASTRAY, "unavailable": 30, "ended": ASTRAY * ENDED_EACH, "refused": 50,
                "saved": 30}


async def with_nothing_lost(binary):
    """Replication is synchronous: nothing is excused."""
    tally = Tally()
    with database() as (primary, url), ExitStack() as replicas:
        async with Forwarder(primary) as address:
            settings = {"accounts": 200, "database": address.url(url), "access_token_ttl_seconds": 8}
            async with Site(binary, nodes=2, **settings) as site, Crowd(site, tally, pace=1.5) as crowd:
                crowd.meanwhile(crowd.ends(every=3))
                crowd.meanwhile(crowd.registers(every=3))
                for number in range(FAILOVERS):
                    replica = await follow(primary, replicas)
                    await asyncio.to_thread(replica.hold_the_primary)
                    await asyncio.sleep(random.uniform(2, 4))
                    await asyncio.gather(*(crowd.end(visitor) for visitor in random.sample(crowd.living(), 2)))
                    await asyncio.to_thread(primary.kill)
                    tally.count("faults")
                    # A balancer may think that it is in charge already: until then, nobody can write.
                    if number % 2:
                        address.lead_to(replica)
                    await asyncio.sleep(random.uniform(0, 3))
                    await asyncio.to_thread(replica.promote)
                    address.lead_to(replica)
                    primary = replica
                await asyncio.sleep(3)
                await crowd.settle(LEAST)
    return tally, LEAST


async def with_the_newest_lost(binary):
    """The replica lags. Excused is what the database itself has lost, and it is asked for that before anybody writes:
    names that were changed, accounts that were made, log-ins, and ends of sessions, in the seconds of which it knows
    nothing. Whoever logged in before that stays logged in, although their newest tokens are lost, too; a session that
    is ended afterwards is refused after a second."""
    tally = Tally()
    with database() as (primary, url), ExitStack() as replicas:
        async with Forwarder(primary) as early, Forwarder(primary) as late:
            settings = {"accounts": 200, "database": early.url(url), "access_token_ttl_seconds": 15}
            site = Site(binary, nodes=2, **settings)
            site.nodes[1].environment = {"HALLPASS_DATABASE_URL": late.url(url)}
            async with site, Crowd(site, tally, pace=1.5) as crowd:
                crowd.meanwhile(crowd.registers(every=1))
                for _ in range(LOSSES):
                    replica = await follow(primary, replicas)
                    await asyncio.sleep(2)
                    await Loss(crowd, primary, replica).happens(early, late)
                    primary = replica
                await asyncio.sleep(3)
                await crowd.settle(LEAST_LOST)
    return tally, LEAST_LOST


async def led_astray(binary):
    """Somebody takes a replica that lags for the primary, which lives: one node is led there. It knows nothing of who
    has just logged in or out, and must not be believed."""
    tally = Tally()
    with database() as (primary, url), ExitStack() as replicas:
        async with Forwarder(primary) as right, Forwarder(primary) as astray:
            site = Site(binary, nodes=2, accounts=100, database=right.url(url), access_token_ttl_seconds=8)
            site.nodes[1].environment = {"HALLPASS_DATABASE_URL": astray.url(url)}
            async with site, Crowd(site, tally, pace=1.5) as crowd:
                for _ in range(ASTRAY):
                    replica = await follow(primary, replicas)
                    await asyncio.to_thread(replica.fall_behind)
                    owners = random.sample(crowd.living(), ENDED_EACH)
                    latecomers = await asyncio.gather(*(log_in_elsewhere(crowd, visitor) for visitor in owners))
                    astray.lead_to(replica)
                    tally.count("faults")
                    back = asyncio.get_running_loop().call_later(ASTRAY_SECONDS, astray.lead_to, primary)
                    ends = [crowd.end(visitor) for visitor in random.sample(crowd.living(), ENDED_EACH)]
                    looks = [latecomer.look("/account", site.nodes[1].port) for latecomer in latecomers]
                    await asyncio.gather(*ends, *looks)
                    await asyncio.sleep(max(0, back.when() - asyncio.get_running_loop().time()) + 2)
                    for latecomer in latecomers:
                        latecomer.browser.close()
                await crowd.settle(LEAST_ASTRAY)
    return tally, LEAST_ASTRAY


async def log_in_elsewhere(crowd, visitor):
    """On another device."""
    elsewhere = Visitor(crowd, visitor.number)
    assert await elsewhere.log_in()
    return elsewhere


async def follow(primary, replicas):
    return await asyncio.to_thread(replicas.enter_context, Replica(primary))


class Loss:
    """Of the newest that a primary has, when a replica that lags takes over."""

    def __init__(self, crowd, primary, replica):
        self.crowd, self.site, self.tally = crowd, crowd.site, crowd.tally
        self.primary, self.replica = primary, replica

    async def happens(self, early, late):
        """One node reaches the new primary some time after the other."""
        crowd = self.crowd
        await self.begin()
        # Their ends are lost,
        undone = random.sample(crowd.living(), ENDED_EACH)
        await asyncio.gather(*(crowd.end(visitor) for visitor in undone))
        # their log-ins,
        owners = random.sample(crowd.living(), ENDED_EACH)
        latecomers = await asyncio.gather(*(log_in_elsewhere(crowd, visitor) for visitor in owners))
        for latecomer in latecomers:
            latecomer.state = ENDING
        while await transactions(self.primary) < self.first + LOST_EACH:
            await asyncio.sleep(0.2)
        # and these are ended when one node cannot hear of it.
        victims = random.sample(crowd.living(), ENDED_EACH)
        await asyncio.gather(*(crowd.come_to_rest(visitor) for visitor in [*victims, *latecomers]))
        last = await transactions(self.primary)
        await asyncio.to_thread(self.primary.kill)
        self.tally.lost_at = time.monotonic()
        self.tally.count("faults")
        # A balancer soon notices which node has no database.
        self.site.ports = [self.site.nodes[0].port]
        await asyncio.to_thread(self.replica.promote)
        self.tally.count("transactions lost", last - await transactions(self.replica))
        revived = await self.settle_accounts(latecomers)
        early.lead_to(self.replica)
        # What takes no other process is done before that node hears again.
        ends = [crowd.end(visitor, crowd.end_by_log_out) for visitor in victims]
        ends += [crowd.end(visitor) for visitor in revived]
        await asyncio.gather(self.lead_late(late, victims), *ends)

    async def lead_late(self, late, victims):
        """As soon as they have all ended."""
        unheard = 0
        while unheard < len(victims) and time.monotonic() < self.tally.lost_at + LATE_SECONDS:
            await asyncio.sleep(0.05)
            unheard = sum(visitor.state is ENDED for visitor in victims)
        self.tally.count("ended unheard", unheard)
        late.lead_to(self.replica)
        self.site.ports = [node.port for node in self.site.nodes]

    async def begin(self):
        """What has happened before this may not be lost."""
        self.saved = {visitor: visitor.saved for visitor in self.crowd.visitors}
        self.ended = {visitor for visitor in self.crowd.visitors if visitor.state is ENDED}
        self.newcomers = len(self.crowd.newcomers)
        await asyncio.to_thread(self.replica.catch_up)
        await asyncio.to_thread(self.replica.fall_behind)
        self.first = await transactions(self.primary)

    async def settle_accounts(self, latecomers):
        """What is lost, and whether it may be. Returns whose session lives again."""
        names = dict(await ask(self.replica, "select email, name from users"))
        generations = dict(await ask(self.replica, "select id, generation from sessions"))
        living = dict(await ask(self.replica, "select sessions.id, email from sessions join users on users.id = user_id"
                                              " where revoked_at is null and locked_at is null"))
        revived = []
        for visitor in self.crowd.visitors:
            session = visitor.browser.newest[0]
            visitor.browser.forget_after(int(generations.get(session, 0)))
            self.settle_name(visitor, names[visitor.email])
            if visitor.state is not ENDED or session not in living:
                continue
            if visitor in self.ended:
                self.tally.fault("lost", f"the end of {visitor.email}'s session")
            visitor.state = ENDING
            revived.append(visitor)
        for latecomer in latecomers:
            self.tally.count("log-ins lost", latecomer.browser.newest[0] not in generations)
            # No node may remember what the database does not.
            latecomer.ended()
            self.crowd.visitors.append(latecomer)
            self.crowd.meanwhile(latecomer.live())
        lost = [newcomer for newcomer in self.crowd.newcomers[self.newcomers:] if newcomer.email not in names]
        self.crowd.newcomers = [newcomer for newcomer in self.crowd.newcomers if newcomer not in lost]
        self.tally.count("accounts lost", len(lost))
        self.tally.count("ends lost", len(revived))
        return revived

    def settle_name(self, visitor, name):
        if changes_of(name) < changes_of(self.saved[visitor]) and name not in visitor.unsure:
            self.tally.fault("lost", f"{visitor.email} is {name!r} again, which was {self.saved[visitor]!r} before")
        self.tally.count("names lost", name != visitor.saved)
        visitor.saved = name


async def ask(postgres, select):
    """Rows of two columns."""
    rows = await asyncio.to_thread(postgres.sql, select)
    return [row.split("|", 1) for row in rows]


async def transactions(postgres):
    """How many there have been."""
    return int((await asyncio.to_thread(postgres.sql, "select pg_snapshot_xmax(pg_current_snapshot())"))[0])


def changes_of(name):
    return int((re.search(r"change (\d+)$", name) or ["", 0])[1])
