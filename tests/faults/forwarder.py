"""An address that leads to whichever server is in charge, as operators have one: a virtual address, or a balancer."""

import asyncio


class Forwarder:
    """`async with Forwarder(postgres) as address:` leads there, until it leads elsewhere."""

    def __init__(self, postgres):
        self.led_to = postgres
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

    def lead_to(self, postgres):
        """From now on; connections to another server are cut."""
        if postgres is not self.led_to:
            self.led_to = postgres
            for writer in self.open.values():
                writer.transport.abort()

    def url(self, direct):
        """Of the same database, by way of here."""
        return direct.replace(f":{self.led_to.port}/", f":{self.port}/")

    async def _carry(self, reader, writer):
        self.open[asyncio.current_task()] = writer
        try:
            upstream, onward = await asyncio.open_connection("127.0.0.1", self.led_to.port)
            await asyncio.gather(pass_on(reader, onward), pass_on(upstream, writer))
        except OSError:
            # Nobody is there.
            writer.close()
        finally:
            del self.open[asyncio.current_task()]


async def pass_on(reader, writer):
    """Until one end is gone; then the other goes, too."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
