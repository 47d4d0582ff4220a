"""A full disk under SQLite."""

import asyncio
import sqlite3
import subprocess
import tempfile
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from crowd import Crowd
from nodes import Site
from tally import Skipped, Tally

TIMES = 5
FULL_SECONDS = 4
LEAST = {"rotations": 500, "faults": TIMES + 1, "unavailable": 100, "ended": 5, "refused": 30, "saved": 30,
         "registered": 3}


async def full(binary):
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="hallpass-faults-") as folder, file_system(Path(folder, "data")) as data:
        settings = {"accounts": 100, "folder": folder, "access_token_ttl_seconds": 2}
        async with Site(binary, **settings) as site, Crowd(site, tally, pace=1.5) as crowd:
            crowd.meanwhile(crowd.ends(every=2))
            crowd.meanwhile(crowd.registers(every=3))
            for time in range(TIMES):
                await asyncio.sleep(FULL_SECONDS)
                await asyncio.to_thread(fill, data)
                tally.count("faults")
                await asyncio.sleep(FULL_SECONDS)
                # A process that dies meanwhile comes back when there is space again.
                dies = time == TIMES // 2
                if dies:
                    site.nodes[0].kill()
                    tally.count("faults")
                (data / "filler").unlink()
                if dies:
                    await site.nodes[0].start()
            await asyncio.sleep(FULL_SECONDS)
            await crowd.settle(LEAST)
    return tally, LEAST


@contextmanager
def file_system(folder):
    """A small one in memory; mounted by root only."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        raise Skipped("a file system of its own can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(data):
    """To the last byte, when the log of commits has nothing in reserve."""
    with closing(sqlite3.connect(data / "hallpass.db", timeout=10)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    with open(data / "filler", "wb", buffering=0) as filler:
        for size in (65536, 1024, 1):
            with suppress(OSError):
                while True:
                    filler.write(bytes(size))
