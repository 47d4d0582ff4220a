"""PostgreSQL that is restarted, crashes, does not answer, or is away for half a minute."""

import asyncio
import os
import random
import signal
from contextlib import suppress

from crowd import Crowd
from nodes import Site, database
from tally import Tally

AWAY_SECONDS = 30
# Longer than a node waits for an answer, so that what it has given up is carried out afterwards.
HANGS_SECONDS = 12
LEAST = {"rotations": 1000, "faults": 9, "unavailable": 500, "ended": 15, "refused": 100, "saved": 100,
         "registered": 8}


async def of_postgres(binary):
    tally = Tally()
    with database() as (postgres, url):
        # Long enough that tokens in memory outlive the database.
        settings = {"accounts": 200, "database": url, "access_token_ttl_seconds": 8}
        async with Site(binary, nodes=2, **settings) as site, Crowd(site, tally, pace=1.5) as crowd:
            crowd.meanwhile(crowd.ends(every=4))
            crowd.meanwhile(crowd.registers(every=3))
            for fail in (restart, crash, lose_a_backend, hang) * 2:
                await asyncio.sleep(random.uniform(2, 4))
                # The last that the nodes can hear of for a while.
                await asyncio.gather(*(crowd.end(visitor) for visitor in random.sample(crowd.living(), 2)))
                await fail(postgres)
                tally.count("faults")
            await asyncio.sleep(3)
            await restart(postgres, AWAY_SECONDS)
            tally.count("faults")
            await asyncio.sleep(5)
            await crowd.settle(LEAST)
    return tally, LEAST


async def restart(postgres, away_seconds=2):
    await stop(postgres, signal.SIGINT, away_seconds)


async def crash(postgres):
    await stop(postgres, signal.SIGQUIT, 2)


async def stop(postgres, how, away_seconds):
    await asyncio.to_thread(postgres.stop, how)
    await asyncio.sleep(away_seconds)
    await asyncio.to_thread(postgres.start)


async def lose_a_backend(postgres):
    """It ends all connections then, for the shared memory may be damaged, and recovers."""
    select = "select pid from pg_stat_activity where application_name = 'hallpass' limit 1"
    [backend] = await asyncio.to_thread(postgres.sql, select)
    send(signal.SIGKILL, int(backend))


async def hang(postgres):
    """Connections stay, and nothing comes over them."""
    processes = postgres.processes()
    try:
        send(signal.SIGSTOP, *processes)
        await asyncio.sleep(HANGS_SECONDS)
    finally:
        send(signal.SIGCONT, *processes)


def send(number, *processes):
    """A signal, to those that still exist."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)
