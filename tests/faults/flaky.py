"""A proxy before a node that breaks off one response in ten, at any byte of it."""

import asyncio
import random

from relay import Relay

ONE_IN = 10
PLACES = ("before it", "head", "token", "body")


class Flaky(Relay):
    """What it breaks off is counted, by the place too."""

    def __init__(self, node, tally):
        super().__init__()
        self.node, self.tally = node, tally

    async def _carry(self, reader, writer):
        upstream, onward = await asyncio.open_connection("127.0.0.1", self.node.port)
        try:
            end = None
            while end is None:
                head, body = await message(reader)
                onward.write(head + body)
                head, body = await message(upstream)
                end = self._end(head, body)
                writer.write((head + body)[:end])
                await writer.drain()
        finally:
            onward.transport.abort()

    def _end(self, head, body):
        """How many bytes get through; none for all of them."""
        if random.randrange(ONE_IN):
            return None
        token = head.find(b"refresh_token=")
        last = len(head) + len(body) - 1
        firsts_and_lasts = [(0, 0), (1, len(head) - 1)]
        firsts_and_lasts.append((token, head.index(b"\r\n", token)) if token > 0 else None)
        firsts_and_lasts.append((len(head), last) if body else None)
        place, bounds = random.choice([each for each in zip(PLACES, firsts_and_lasts) if each[1]])
        self.tally.count("faults")
        self.tally.count(f"cut, {place}")
        return random.randint(*bounds)


async def message(reader):
    """Head and body of the next request or response."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return head, await reader.readexactly(int(length.partition(b":")[2]))
