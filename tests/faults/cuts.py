"""Connections that break in the middle of a response."""

import asyncio

from crowd import Crowd
from flaky import Flaky
from nodes import Site
from tally import Tally

PLACES = ("before it", "head", "token", "body")
LEAST = {"rotations": 1000, "faults": 300, "cut": 300, "ended": 5, "refused": 30, "saved": 50, "registered": 5}
LEAST |= {f"cut, {place}": 25 for place in PLACES}


async def cut_responses(binary):
    tally = Tally()
    async with Site(binary, accounts=200, access_token_ttl_seconds=2) as site, Flaky(site.nodes[0]) as flaky:
        site.ports = [flaky.port]
        async with Crowd(site, tally, pace=1.5) as crowd:
            crowd.meanwhile(crowd.ends(every=2))
            crowd.meanwhile(crowd.registers(every=2))
            while tally.counts["rotations"] < LEAST["rotations"] or flaky.cut["token"] < LEAST["cut, token"]:
                await asyncio.sleep(1)
            await crowd.settle()
        tally.count("faults", flaky.cut.total())
        for place, number in flaky.cut.items():
            tally.count(f"cut, {place}", number)
    return tally, LEAST
