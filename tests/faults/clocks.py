"""A node whose clock is ahead, by libfaketime."""

import asyncio
import random
import time
from pathlib import Path

from clients import claims_of
from crowd import Crowd, Visitor
from nodes import Site, database
from tally import Tally

AHEAD_SECONDS = 5
CROSSINGS = 25
LEAST = {"rotations": 500, "faults": 1, "ended": 10, "refused": 50, "saved": 50, "registered": 5,
         "crossings": 2 * CROSSINGS}


async def of_one_node_ahead(binary):
    tally = Tally()
    with database() as (_, url):
        settings = {"accounts": 150, "database": url, "access_token_ttl_seconds": 8}
        site = Site(binary, nodes=2, **settings)
        site.nodes[1].environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME": f"+{AHEAD_SECONDS}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        async with site, Crowd(site, tally, pace=1.5, ahead=AHEAD_SECONDS) as crowd:
            await check_clocks(site, crowd)
            tally.count("faults")
            crowd.meanwhile(crowd.ends(every=2))
            crowd.meanwhile(crowd.registers(every=3))
            for _ in range(CROSSINGS):
                for issuing, other in (site.nodes, reversed(site.nodes)):
                    await cross(crowd, tally, issuing, other)
                await asyncio.sleep(1)
            await crowd.settle(LEAST)
    return tally, LEAST


def library():
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime was not found: install faketime"
    return found[0]


async def check_clocks(site, crowd):
    """That the clock of the second node is really ahead, by what it writes into a token."""
    for node, ahead in zip(site.nodes, (0, AHEAD_SECONDS)):
        began = int(time.time())
        issued_at = claims_of((await fresh(crowd, node)).browser.jar["access_token"])["iat"]
        assert began <= issued_at - ahead <= time.time(), f"node {node.number} is not {ahead} s ahead"


async def fresh(crowd, node):
    """Somebody who has just logged in on that node."""
    device = Visitor(crowd, random.choice(crowd.living()).number)
    device.browser.door = lambda: node.port
    assert await device.log_in()
    return device


async def cross(crowd, tally, issuing, other):
    """A token that one node has just issued is good on the other as it is."""
    device = await fresh(crowd, issuing)
    response = await device.look("/", other.port)
    # One that is ahead finds it expired sooner, and replaces it.
    if not response.delivers:
        tally.count("crossings")
    await device.ask_by_bearer(other.port)
    device.browser.close()
