"""`kill -9` of nodes while a thousand visitors rotate."""

import asyncio
import random

from crowd import Crowd
from nodes import Site, database
from tally import Tally

KILLS = 20
LEAST = {"faults": KILLS, "cut": 100, "ended": 10, "refused": 50, "saved": 200, "registered": 10}


async def of_two_nodes(binary):
    with database() as (_, url):
        return await killed(binary, 1000, 10_000, nodes=2, database=url)


async def of_the_only_node(binary):
    return await killed(binary, 500, 5000)


async def killed(binary, clients, rotations, **site):
    tally, least = Tally(), LEAST | {"rotations": rotations}
    async with Site(binary, accounts=clients, access_token_ttl_seconds=2, **site) as site:
        # Whoever comes back after longer than a token lives rotates each time.
        async with Crowd(site, tally, pace=3) as crowd:
            for _ in range(3):
                crowd.meanwhile(crowd.ends(every=3))
                crowd.meanwhile(crowd.registers(every=3))
            for number in range(KILLS):
                # However fast the machine is: so much happens between them.
                while tally.counts["rotations"] < (number + random.random()) * rotations / KILLS:
                    await asyncio.sleep(0.05)
                # All of them now and then.
                fallen = site.nodes if random.random() < 0.2 else [random.choice(site.nodes)]
                for node in fallen:
                    node.kill()
                    tally.count("faults")
                await asyncio.sleep(random.uniform(0, 1))
                await asyncio.gather(*(node.start() for node in fallen))
            await crowd.settle(least)
    return tally, least
