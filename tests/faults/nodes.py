"""Real processes of hallpass: several nodes of one site, with one database and one secret."""

import asyncio
import csv
import os
import random
import secrets
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from node import CHEAP, variables
from ports import free_port
from postgres import Postgres
from server import CHEAP_HASH

EMAIL = "visitor%d@example.org"
NAME = "Visitor %d"
START_SECONDS = 60


@contextmanager
def database():
    """A PostgreSQL whose connections cost little to make, in a build without optimisations too: they are made again at
    each fault, and how they are protected is tested elsewhere."""
    with Postgres() as postgres:
        (postgres.data / "pg_hba.conf").write_text("host all,replication all 127.0.0.1/32 trust\n")
        postgres.sql("select pg_reload_conf()")
        yield postgres, f"{postgres.url}?sslmode=disable"


class Node:
    def __init__(self, site, number, **environment):
        self.site, self.number, self.environment = site, number, environment
        self.port = free_port()
        self.log = Path(site.folder, f"node{number}.log")
        self.process = None
        self.starts = 0

    async def start(self):
        """Until it answers that it can be used."""
        self.launch()
        async with asyncio.timeout(START_SECONDS):
            while not await self._is_ready():
                assert self.process.poll() is None, f"node {self.number} ended:\n{self.log.read_text()[-3000:]}"
                await asyncio.sleep(0.05)

    def launch(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.site.binary],
                cwd=self.site.folder,
                env=self.site.environment | {"ROCKET_PORT": str(self.port)} | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.starts += 1

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    async def _is_ready(self):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.transport.abort()
        except OSError:
            return False


class Site:
    """`async with Site(binary, …) as site:` serves accounts of so many visitors on so many nodes."""

    def __init__(self, binary, nodes=1, accounts=100, database=None, folder=None, **settings):
        self.binary, self.accounts = binary, accounts
        self.temporary = None if folder else tempfile.TemporaryDirectory(prefix="hallpass-faults-")
        self.folder = Path(folder or self.temporary.name)
        self.environment = {
            "PATH": os.environ["PATH"],
            "ROCKET_ADDRESS": "127.0.0.1",
            "RUST_LOG": os.environ.get("FAULTS_LOG", "warn,hallpass::request=off,hallpass::security=info"),
        }
        self.environment |= variables(CHEAP | {
            "database_url": database or f"sqlite:{self.folder}/data/hallpass.db",
            "secret": secrets.token_hex(32),
            # All nodes are one site.
            "public_url": "http://localhost:8000",
            # Each visitor has an address of their own.
            "trusted_proxies": "127.0.0.1",
        } | settings)
        self.nodes = [Node(self, number) for number in range(nodes)]
        # Where visitors come in: the nodes, or what stands before them.
        self.ports = [node.port for node in self.nodes]

    async def __aenter__(self):
        try:
            await self._open()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _open(self):
        accounts = self.folder / "accounts.csv"
        with open(accounts, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["email", "name", "password_hash"])
            rows.writerows((EMAIL % each, NAME % each, CHEAP_HASH) for each in range(self.accounts))
        imported = await self.command("user", "import", accounts)
        assert imported.returncode == 0, imported.stderr
        accounts.unlink()
        for node in self.nodes:
            await node.start()

    async def __aexit__(self, *_):
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.thaw()
                node.kill()
        if self.temporary:
            self.temporary.cleanup()

    def door(self):
        return random.choice(self.ports)

    async def command(self, *arguments):
        """`hallpass …`, when it has ended."""
        return await asyncio.to_thread(
            subprocess.run, [self.binary, *map(str, arguments)], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )

    def panics(self):
        """Lines of the nodes' logs that must not be there."""
        logs = (node.log.read_text(errors="replace").splitlines() for node in self.nodes)
        return [line for log in logs for line in log if "panicked" in line]
