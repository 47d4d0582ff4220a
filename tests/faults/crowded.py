"""Thousands of connections on which nothing happens, or hardly anything, while others work."""

import asyncio

from crowd import Crowd
from nodes import Site
from tally import Tally

IDLE, SLOW = 2000, 500
SECONDS = 30
LEAST = {"rotations": 500, "faults": IDLE + SLOW, "ended": 5, "refused": 30, "saved": 50, "registered": 5}


async def by_idle_connections(binary):
    tally = Tally()
    async with Site(binary, accounts=200, access_token_ttl_seconds=2) as site:
        async with Crowd(site, tally, pace=1.5) as crowd:
            crowd.meanwhile(crowd.ends(every=2))
            crowd.meanwhile(crowd.registers(every=3))
            for number in range(IDLE + SLOW):
                crowd.meanwhile(hold(crowd, tally, site.ports[0], slow=number >= IDLE))
            await asyncio.sleep(SECONDS)
            tally.count("faults", tally.counts["held"])
            await crowd.settle(LEAST)
    return tally, LEAST


async def hold(crowd, tally, port, slow):
    """A connection for as long as the server lets it be, and another one then; `held` are open at the moment."""
    while not crowd.leaving:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        tally.count("held")
        try:
            writer.write(b"GET /account HTTP/1.1\r\n" if slow else b"")
            while not crowd.leaving and not reader.at_eof():
                await asyncio.sleep(1)
                writer.write(b"X-Slow: slow\r\n" if slow else b"")
        finally:
            tally.count("held", -1)
            writer.transport.abort()
