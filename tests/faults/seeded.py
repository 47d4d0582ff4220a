"""Mistakes made on purpose: each counter of faults must find its own."""

import asyncio

from crowd import Crowd, Visitor
from nodes import Site
from tally import FAULTS, Tally

LEAST = {fault: 1 for fault in FAULTS}


async def mistakes(binary):
    tally = Tally()
    async with Site(binary, accounts=20, access_token_ttl_seconds=1) as site:
        async with Crowd(site, tally, pace=0.5) as crowd:
            forgetful, unended, one, other, unsaved, *_ = crowd.visitors
            kept = dict(forgetful.browser.jar)
            session, first = forgetful.browser.newest
            while forgetful.browser.newest < (session, first + 3):
                await asyncio.sleep(0.1)
            # Its jar is set back further than any browser's can be: a replay.
            forgetful.browser.jar = kept
            # Told that its session was ended, which nobody did.
            unended.ended()
            # Each with the other's cookies.
            async with one.turn, other.turn:
                one.browser.jar, other.browser.jar = other.browser.jar, one.browser.jar
            await asyncio.sleep(5)
            # Never sent, neither.
            async with unsaved.turn:
                unsaved.saved, unsaved.unsure = f"{unsaved.label}, change 1000", set()
                crowd.leaving = True
            crowd.newcomers.append(Visitor(crowd, 0, "Newcomer %d", "newcomer%d@example.org"))
            await crowd.settle({})
    return tally, LEAST
