"""A proxy before a node that breaks off one response in ten, at any byte of it."""

import asyncio
import random

ONE_IN = 10
PLACES = ("before it", "head", "token", "body")


class Flaky:
    """`port` is where visitors come in. What is broken off is counted, by the place too."""

    def __init__(self, node, tally):
        self.node, self.tally = node, tally
        self.open = {}

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._carry, "127.0.0.1", 0, backlog=1000)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task, writer in list(self.open.items()):
            writer.transport.abort()
            await task

    async def _carry(self, reader, writer):
        upstream = None
        self.open[asyncio.current_task()] = writer
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.node.port)
            while True:
                head, body = await message(reader)
                upstream[1].write(head + body)
                head, body = await message(upstream[0])
                end = self._end(head, body)
                writer.write((head + body)[:end])
                await writer.drain()
                if end is not None:
                    break
        except (OSError, EOFError):
            pass
        finally:
            # In order, so that what was sent before arrives.
            writer.close()
            del self.open[asyncio.current_task()]
            if upstream:
                upstream[1].transport.abort()

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
