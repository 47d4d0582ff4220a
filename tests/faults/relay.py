"""What stands before a server, and carries what is said to it and what it answers."""

import asyncio


class Relay:
    """`async with` one of these listens at `port`; how it carries a connection, the kinds of it say in `_carry`."""

    def __init__(self):
        self.open = {}

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1000)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task, writer in list(self.open.items()):
            writer.transport.abort()
            await task

    async def _accept(self, reader, writer):
        self.open[asyncio.current_task()] = writer
        try:
            await self._carry(reader, writer)
        except (OSError, EOFError):
            # One end is gone, or nobody is there.
            pass
        finally:
            # In order, so that what was sent before arrives.
            writer.close()
            del self.open[asyncio.current_task()]
