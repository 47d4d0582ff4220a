"""An address that leads to whichever server is in charge, as operators have one: a virtual address, or a balancer."""

import asyncio

from relay import Relay


class Forwarder(Relay):
    """`async with Forwarder(postgres) as address:` leads there, until it leads elsewhere."""

    def __init__(self, postgres):
        super().__init__()
        self.led_to = postgres

    def lead_to(self, postgres):
        """From now on; connections to another server are cut."""
        if postgres is not self.led_to:
            self.led_to = postgres
            for writer in self.open.values():
                writer.transport.abort()

    def url(self, direct):
        """Of the same database, by way of here."""
        before, led_there, after = direct.partition(f":{self.led_to.port}/")
        assert led_there, f"{direct} does not lead to port {self.led_to.port}"
        return f"{before}:{self.port}/{after}"

    async def _carry(self, reader, writer):
        upstream, onward = await asyncio.open_connection("127.0.0.1", self.led_to.port)
        await asyncio.gather(pass_on(reader, onward), pass_on(upstream, writer))


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
