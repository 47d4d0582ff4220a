"""A node that stands still, as after a pause of its virtual machine, and goes on with what it had in memory."""

import asyncio
import random
import time

from clients import Cut
from crowd import Crowd
from nodes import Site, database
from tally import Tally

# Longer than a node trusts its memory; longer; longer than the feed of changes looks back.
PAUSES = (3, 10, 35)
ENDED_EACH = 8
LEAST = {"rotations": 200, "faults": len(PAUSES), "cut": 30, "ended": len(PAUSES) * ENDED_EACH, "refused": 100,
         "saved": 100, "registered": 5, "knocks": len(PAUSES) * ENDED_EACH}


async def node(binary):
    tally = Tally()
    with database() as (_, url):
        settings = {"accounts": 150, "database": url, "access_token_ttl_seconds": 30}
        async with Site(binary, nodes=2, **settings) as site, Crowd(site, tally, pace=1.5, patience=4) as crowd:
            crowd.meanwhile(crowd.registers(every=3))
            for pause in PAUSES:
                await asyncio.sleep(6)
                await freeze(site, crowd, tally, pause)
            await asyncio.sleep(6)
            await crowd.settle(LEAST)
    return tally, LEAST


async def freeze(site, crowd, tally, pause):
    frozen = random.choice(site.nodes)
    victims = random.sample(crowd.living(), ENDED_EACH)
    await asyncio.gather(*(crowd.come_to_rest(visitor) for visitor in victims))
    frozen.freeze()
    tally.count("faults")
    frozen_at = time.monotonic()
    # A balancer soon notices; those who wait for the frozen node do so for as long as they have patience.
    await asyncio.sleep(min(2, pause - min(PAUSES)))
    site.ports = [node.port for node in site.nodes if node is not frozen]
    # The others take longer than the shortest pause.
    means = crowd.end_by_log_out if pause == min(PAUSES) else None
    await asyncio.gather(*(crowd.end(visitor, means) for visitor in victims))
    # They wait before the node's door, to be the first that it answers.
    waiting = (visitor.browser.copy().send("GET", "/", port=frozen.port, patience=120) for visitor in victims)
    knocks = [asyncio.create_task(knock) for knock in waiting]
    await asyncio.sleep(frozen_at + pause - time.monotonic())
    thawed_at = time.monotonic()
    frozen.thaw()
    for visitor, knock in zip(victims, knocks):
        try:
            response = await knock
        except Cut:
            tally.count("cut")
        else:
            tally.count("knocks")
            visitor.judge_ended(response, f"a request to a node that stood still for {pause} s", thawed_at)
    site.ports = [node.port for node in site.nodes]
