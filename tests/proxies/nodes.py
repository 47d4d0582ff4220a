"""Nodes of one site over one PostgreSQL and one master secret."""

import re
import secrets
import shutil
import tempfile
from pathlib import Path

from checks import Started, wait_until
from node import Node
from server import PASSWORD

HOST = "example.org"


def by_way_of(port, url):
    """The address of the same database through what listens at the port."""
    moved, count = re.subn(r":\d+/", f":{port}/", url)
    assert count == 1, f"no port to replace: {url}"
    return moved


class Cluster(Started):
    """`with Cluster(binary, postgres, setting=…) as cluster:` gives two running nodes over a database of their own.
    Each finds PostgreSQL at one of the `ports`."""

    def __init__(self, binary, postgres, ports=None, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="hallpass-nodes-"))
        secret = self.folder / "secret"
        secret.write_text(secrets.token_hex(32))
        database = f"nodes_{secrets.token_hex(8)}"
        postgres.sql(f"create database {database}", database="postgres")
        url = postgres.url_of(database)
        settings |= {"public_url": f"https://{HOST}", "trusted_proxies": "127.0.0.1", "secret_file": secret}
        self.nodes = [
            Node(binary, self.folder, database_url=by_way_of(port, url), **settings)
            for port in ports or [postgres.port] * 2
        ]

    def begin(self):
        self.nodes[0].command("migrate")
        for node in self.nodes:
            node.start()

    def __exit__(self, fault, *_):
        try:
            for node in self.nodes:
                if fault is None:
                    node.terminate()
                else:
                    print(*node.complaints(), sep="\n", flush=True)
        finally:
            for node in self.nodes:
                node.end()
            shutil.rmtree(self.folder)

    def add_user(self, email):
        self.nodes[0].command("user", "add", email, said=f"{PASSWORD}\n")

    def request(self, id):
        """The line of the request with that id, in whichever log it stands."""
        return self._found(id)[1]

    def node_of(self, id):
        """The node that answered the request with that id."""
        return self._found(id)[0]

    def _found(self, id):
        def found():
            return [(node, line) for node in self.nodes if (line := node.request(id))]

        return wait_until(found, f"request {id} in the logs")[0]
