"""Connections that break in the middle of a response."""

from crowd import Crowd
from flaky import PLACES, Flaky
from nodes import Site
from tally import Tally

LEAST = {"rotations": 1000, "faults": 300, "cut": 300, "ended": 5, "refused": 30, "saved": 50, "registered": 5}
LEAST |= {f"cut, {place}": 25 for place in PLACES}


async def cut_responses(binary):
    tally = Tally()
    async with Site(binary, accounts=200, access_token_ttl_seconds=2) as site, Flaky(site.nodes[0], tally) as flaky:
        site.ports = [flaky.port]
        async with Crowd(site, tally, pace=1.5) as crowd:
            crowd.meanwhile(crowd.ends(every=2))
            crowd.meanwhile(crowd.registers(every=2))
            await crowd.settle(LEAST)
    return tally, LEAST
